/**
 * Forges a database's root record (`src/state/record.rs`), as somebody would who knows its
 * checksum.
 */

import xxhash from 'xxhash-wasm'

const CHECKSUM = 8
/** What follows a page's hash: its id, flags, leaves and slots. */
const REST_OF_PAGE = 8 + 1 + 8 + 8

/**
 * The record with another root over the page of its complete state, or over no page.
 *
 * @param {number[]} record
 * @param {string} root the complete state's root
 * @param {string} trusted the root that the new record names
 * @param {{page: boolean}} options whether the page stays
 * @returns {Promise<number[]>} a record with a correct checksum
 */
export async function forgedRecord(record, root, trusted, { page }) {
  const body = Buffer.from(record.slice(0, -CHECKSUM))
  const [old, name] = [root, trusted].map((hex) => Buffer.from(hex.slice(2), 'hex'))
  const withPage = Buffer.concat([old, Buffer.from([1]), old])
  const at = body.indexOf(withPage)
  if (at < 0) throw new Error('the record names no complete state with this root')
  const [before, after] = [body.subarray(0, at), body.subarray(at + withPage.length)]
  const state = page ? [name, Buffer.from([1]), old, after] : [name, Buffer.from([0]), after.subarray(REST_OF_PAGE)]
  const bytes = Buffer.concat([before, ...state])
  const { h64Raw } = await xxhash()
  const checksum = Buffer.alloc(CHECKSUM)
  checksum.writeBigUInt64LE(h64Raw(bytes))
  return [...bytes, ...checksum]
}
