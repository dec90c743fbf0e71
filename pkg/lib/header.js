// Blocks' headers as JSON, as providers give them: what of them is kept.

import { isBytes } from './realms.js'

/**
 * The fields that the hash covers, in the order of the forks that added them: those of NAMES in
 * src/wire/rpc/header.rs. Nothing else of a header's JSON is proven.
 */
const HEADER_FIELDS = (
  'parentHash sha3Uncles miner stateRoot transactionsRoot receiptsRoot logsBloom difficulty number gasLimit gasUsed timestamp extraData mixHash ' +
  'nonce baseFeePerGas withdrawalsRoot blobGasUsed excessBlobGas parentBeaconBlockRoot requestsHash blockAccessListHash slotNumber'
).split(' ')
/**
 * Headers that are remembered: those of as many states as can be read, MAX_KEPT of
 * src/state/record.rs.
 */
const KEPT_HEADERS = 8
/** Those that are numbers (QUANTITY, execution-apis). The others are bytes (DATA). */
const NUMBERS = 'difficulty number gasLimit gasUsed timestamp baseFeePerGas blobGasUsed excessBlobGas slotNumber'.split(' ')
/** Characters of a field that are kept, as many as MAX_TEXT of src/wire/rpc/header.rs. */
const LONGEST_TEXT = 16_384

/**
 * The hash and the hashed fields of a header, and nothing else of what a stranger put into it. Throws
 * what the header's getters throw.
 */
export function headerFields(header) {
  return Object.fromEntries(['hash', ...HEADER_FIELDS].map((name) => [name, header[name]]).filter(([, value]) => value !== undefined))
}

/**
 * The same of texts alone, each of a bounded length and in the one form of execution-apis. Fields are
 * hashed however they are written, and readers may take `10`, which is 16, for ten.
 */
export function headerTexts(header) {
  const textOf = (value) => (Number.isSafeInteger(value) ? value.toString(16) : value)
  const isKept = ([, value]) => typeof value === 'string' && value.length <= LONGEST_TEXT
  return Object.fromEntries(Object.entries(headerFields(header)).map(([name, value]) => [name, textOf(value)]).filter(isKept).map(canonical))
}

function canonical([name, text]) {
  const digits = text.replace(/^0x/i, '').toLowerCase()
  if (NUMBERS.includes(name)) return [name, `0x${digits.replace(/^0+(?=.)/, '') || 0}`]
  return [name, `0x${digits.length % 2 ? 0 : ''}${digits}`]
}

/** Verified headers by their blocks' hashes, the oldest first. Bound: KEPT_HEADERS. */
export class KeptHeaders extends Map {
  /**
   * Keeps the verified header of a target, if it came as JSON.
   * @param {object} target Of `syncTarget`.
   */
  keep({ header }) {
    if (!header || isBytes(header)) return
    const texts = headerTexts(header)
    // The newest is the last one, also if it was there before.
    this.delete(texts.hash)
    this.set(texts.hash, texts)
    if (this.size > KEPT_HEADERS) this.delete(this.keys().next().value)
  }
}
