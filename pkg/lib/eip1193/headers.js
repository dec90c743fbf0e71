// Blocks without their transactions, made of headers whose hash was proven.

import { Snaplight } from '../database.js'
import { notFound } from './errors.js'

/**
 * The block without its lists. It throws what the caller gets if its header is not here.
 * @param {object} reference A block of params.js.
 */
export function headerOf(db, states, reference) {
  const headers = Snaplight.headers(db)
  const header = headers.get(hashOf(headers, states, reference))
  if (!header) throw notFound('NO_SUCH_STATE', 'The header of this block is not here.')
  return { ...header, transactions: [], uncles: [], ...(header.withdrawalsRoot && { withdrawals: [] }) }
}

function hashOf(headers, states, { hash, number, tag }) {
  if (hash) return hash
  if (tag) return states.locate({ tag }).block?.hash
  // The last one: of two blocks with a number, the later one replaced the other.
  return [...headers].reverse().find(([, header]) => BigInt(header.number ?? -1) === number)?.[0]
}
