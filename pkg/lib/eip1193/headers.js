// Blocks without their transactions, made of headers whose hash was proven.

import { Snaplight } from '../database.js'
import { notFound } from './errors.js'

/** Fields that are numbers. A provider may write them in any way that hashes to the same. */
const NUMBERS = ['difficulty', 'number', 'gasLimit', 'gasUsed', 'timestamp', 'baseFeePerGas', 'blobGasUsed', 'excessBlobGas', 'slotNumber']

/**
 * The block without its lists. It throws what the caller gets if its header is not here.
 * @param {object} reference A block of params.js.
 */
export function headerOf(db, states, reference) {
  const headers = Snaplight.headers(db)
  const header = headers.get(hashOf(headers, states, reference))
  if (!header) throw notFound('NO_SUCH_STATE', 'The header of this block is not here; those of the last blocks that were followed are.')
  const block = { ...header, transactions: [], uncles: [] }
  for (const name of NUMBERS) if (name in block) block[name] = `0x${BigInt(block[name]).toString(16)}`
  if (header.withdrawalsRoot) block.withdrawals = []
  return block
}

function hashOf(headers, states, { hash, number, tag }) {
  if (hash) return hash
  if (tag && tag !== 'earliest') return states.locate({ tag })
  // The last one: of two blocks with a number, the later one replaced the other.
  return [...headers].reverse().find(([, header]) => BigInt(header.number) === (number ?? 0n))?.[0]
}
