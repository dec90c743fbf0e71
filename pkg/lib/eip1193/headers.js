// Blocks without their transactions, made of headers whose hash was proven.

import { Snaplight } from '../database.js'
import { quantity } from '../input.js'
import { notFound } from './errors.js'

/**
 * The block without its lists. It throws what the caller gets if its header is not here.
 * @param {object} block Of params.js.
 */
export function headerOf(db, states, { hash, number, tag }) {
  const headers = Snaplight.headers(db)
  // The last one: of two blocks with a number, the later one replaced the other.
  const header = number === undefined ? headers.get(hash ?? states.locate({ tag }).block?.hash) : [...headers.values()].reverse().find((each) => each.number === quantity(number))
  if (!header) throw notFound('NO_SUCH_STATE', 'The header of this block is not here.')
  return { ...header, transactions: [], uncles: [], ...(header.withdrawalsRoot && { withdrawals: [] }) }
}
