// Blocks without their transactions, made of headers whose hash was proven.

import { Snaplight } from '../database.js'
import { HEADER_FIELDS } from '../header.js'
import { notFound } from './errors.js'

/** Those of them that are numbers. */
const NUMBERS = ['difficulty', 'number', 'gasLimit', 'gasUsed', 'timestamp', 'baseFeePerGas', 'blobGasUsed', 'excessBlobGas', 'slotNumber']

/**
 * The block without its lists. It throws what the caller gets if its header is not here.
 * @param {object} reference A block of params.js.
 */
export function headerOf(db, states, reference) {
  const headers = Snaplight.headers?.(db) ?? new Map()
  const hash = hashOf(headers, states, reference)
  const header = headers.get(hash)
  if (!header) throw notFound('NO_SUCH_STATE', 'The header of this block is not here; those of the last blocks that were followed are.')
  const block = { hash }
  for (const name of HEADER_FIELDS) {
    const value = header[name]
    // A provider may write a number in any way that hashes to the same.
    if (value !== undefined && value !== null) block[name] = NUMBERS.includes(name) ? `0x${BigInt(value).toString(16)}` : value.toLowerCase()
  }
  return Object.assign(block, { transactions: [], uncles: [] }, block.withdrawalsRoot && { withdrawals: [] })
}

function hashOf(headers, states, reference) {
  if (reference.hash) return reference.hash
  if (reference.tag && reference.tag !== 'earliest') return states.locate(reference)
  const number = reference.number ?? 0n
  // The last one: of two blocks with a number, the later one replaced the other.
  return [...headers].reverse().find(([, header]) => BigInt(header.number) === number)?.[0]
}
