// Takes the parameters of a call apart. What go-ethereum accepts is accepted, and what it refuses
// is refused with its code. A caller's value may be anything, and its getters may throw, so each is
// read once.

import { show } from '../input.js'
import { ProviderRpcError, invalidParams } from './errors.js'

/** Most slots of one call, as go-ethereum has it. */
const MAX_SLOTS = 1_024
/** go-ethereum's numbers of blocks have 63 bits. */
const MAX_BLOCK = 2n ** 63n - 1n
const TAGS = ['latest', 'safe', 'finalized', 'pending']

/** `{ address, block }` */
export const accountParams = taking({ address, block })
/** `{ address, slots, block }` of one slot */
export const slotParams = taking({ address, slots: (value) => [slot(value)], block })
/** `{ address, slots, block }` */
export const proofParams = taking({ address, slots, block })
/** `{ accounts, block }`: `{ address, slots }` of each account */
export const storageParams = taking({ accounts, block })
/** `{ block, isFull }`: whether all transactions are wanted */
export const numberParams = taking({ block: numberOrTag, isFull })
export const hashParams = taking({ block: hash, isFull })

/** What takes parameters by their positions apart. Trailing ones may be left out. */
function taking(parsers) {
  const positions = Object.entries(parsers)
  return (params) => {
    const given = params ?? []
    try {
      if (!Array.isArray(given)) throw expected('an array of parameters', given)
      const { length } = given
      if (length > positions.length) throw expected(`${positions.length} parameters at most`, length)
      // By index: an array of the caller's may have any iterator.
      return Object.fromEntries(positions.map(([name, parse], at) => [name, parse(given[at])]))
    } catch (error) {
      throw error instanceof ProviderRpcError ? error : invalidParams('the parameters cannot be read', error)
    }
  }
}

function address(value) {
  if (typeof value === 'string' && /^0x[0-9a-f]{40}$/i.test(value)) return value.toLowerCase()
  throw expected('an address (0x and 40 digits)', value)
}

/**
 * A slot as `getProof` echoes it as go-ethereum does: of 32 bytes as 64 digits, else as fewer. The
 * prefix may be missing, and so may the first digit of a byte.
 */
function slot(value) {
  if (typeof value === 'string' && /^(0x)?[0-9a-f]{0,64}$/i.test(value)) {
    const digits = value.replace(/^0x/i, '')
    return `0x${digits.length % 2 ? 0 : ''}${digits || '0'}`
  }
  throw expected('a storage key (0x and 64 digits at most)', value)
}

function slots(value) {
  const given = value ?? []
  if (!Array.isArray(given)) throw expected('an array of storage keys', given)
  const { length } = given
  checkCount(length)
  return Array.from({ length }, (_, at) => slot(given[at]))
}

function accounts(value) {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) throw expected('an object of storage keys by address', value)
  const asked = Object.keys(value).map((key) => ({ address: address(key), slots: slots(value[key]) }))
  const count = asked.reduce((sum, { slots }) => sum + slots.length, 0)
  if (count === 0) throw expected('a storage key', 'none')
  checkCount(count)
  return asked
}

function checkCount(count) {
  if (count > MAX_SLOTS) throw expected(`${MAX_SLOTS} storage keys at most`, count)
}

function isFull(value = false) {
  if (typeof value === 'boolean') return value
  throw expected('a boolean', value)
}

/**
 * A block: `{ tag }`, `{ number }` (a bigint) or `{ hash, requireCanonical }` (EIP-1898). Left out
 * it is `latest`.
 */
function block(value) {
  if (value === undefined || value === null) return { tag: 'latest' }
  if (typeof value !== 'object') return value.length === 66 ? hash(value) : numberOrTag(value)
  const { blockNumber = null, blockHash = null, requireCanonical } = value
  if ((blockNumber === null) === (blockHash === null)) throw expected('either blockNumber or blockHash', value)
  return blockHash === null ? numberOrTag(blockNumber) : { ...hash(blockHash), requireCanonical: requireCanonical === true }
}

function hash(value) {
  if (typeof value === 'string' && /^0x[0-9a-f]{64}$/i.test(value)) return { hash: value.toLowerCase() }
  throw expected('a hash (0x and 64 digits)', value)
}

function numberOrTag(value) {
  if (value === 'earliest') return { number: 0n }
  if (TAGS.includes(value)) return { tag: value }
  const number = typeof value === 'string' && /^0x(0|[1-9a-f][0-9a-f]{0,15})$/i.test(value) ? BigInt(value) : MAX_BLOCK + 1n
  if (number <= MAX_BLOCK) return { number }
  throw expected('a block: its number (0x and digits, no leading zeros), its hash or a tag', value)
}

function expected(what, value) {
  return invalidParams(`expected ${what}; got ${show(value)}`)
}
