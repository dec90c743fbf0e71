// A block's header as JSON, as providers give it: what of it is kept.

/**
 * The fields that the hash covers, in the order of the forks that added them: those of NAMES in
 * src/wire/rpc/header.rs. Nothing else of a header's JSON is proven.
 */
const HEADER_FIELDS = (
  'parentHash sha3Uncles miner stateRoot transactionsRoot receiptsRoot logsBloom difficulty number gasLimit gasUsed timestamp extraData mixHash ' +
  'nonce baseFeePerGas withdrawalsRoot blobGasUsed excessBlobGas parentBeaconBlockRoot requestsHash blockAccessListHash slotNumber'
).split(' ')
/** Characters of a field that are kept, as many as MAX_TEXT of src/wire/rpc/header.rs. */
const LONGEST_TEXT = 16_384

/**
 * The hash and the hashed fields of a header, and nothing else of what a stranger put into it. Throws
 * what the header's getters throw.
 */
export function headerFields(header) {
  return Object.fromEntries(['hash', ...HEADER_FIELDS].map((name) => [name, header[name]]).filter(([, value]) => value !== undefined))
}

/** The same of texts alone, each of a bounded length. What came as a number becomes text. */
export function headerTexts(header) {
  const textOf = (value) => (Number.isSafeInteger(value) ? `0x${value.toString(16)}` : value)
  const isKept = ([, value]) => typeof value === 'string' && value.length <= LONGEST_TEXT
  return Object.fromEntries(Object.entries(headerFields(header)).map(([name, value]) => [name, textOf(value)]).filter(isKept))
}
