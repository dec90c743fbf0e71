// Takes the parameters of a call apart. What go-ethereum accepts is accepted, and what it refuses is
// refused with its code. A caller's value may be anything, so each is read once. What its getters
// throw comes out of here.

import { invalidParams } from './errors.js'

/** Most slots of one call, as go-ethereum has it. */
const MAX_SLOTS = 1_024
/** go-ethereum's numbers of blocks have 63 bits. */
const MAX_BLOCK = 2n ** 63n - 1n
const TAGS = ['latest', 'safe', 'finalized', 'earliest', 'pending']

/** `{ address, block }` of `[address, block]`. */
export function accountParams(params) {
  const [address, block] = positional(params, 2)
  return { address: addressParam(address), block: blockParam(block) }
}

/** `{ address, slots, block }` of `[address, slot, block]`. */
export function slotParams(params) {
  const [address, slot, block] = positional(params, 3)
  return { address: addressParam(address), slots: [slotParam(slot)], block: blockParam(block) }
}

/** `{ address, slots, block }` of `[address, slots, block]`. */
export function proofParams(params) {
  const [address, slots, block] = positional(params, 3)
  return { address: addressParam(address), slots: slotsParam(slots), block: blockParam(block) }
}

/** `{ accounts, block }` of `[slots by address, block]`: `{ address, slots }` of each account. */
export function storageParams(params) {
  const [slots, block] = positional(params, 2)
  return { accounts: slotsByAddress(slots), block: blockParam(block) }
}

/** `{ block, isFull }` of `[number or tag, with all transactions]`. */
export function numberParams(params) {
  const [block, isFull] = positional(params, 2)
  return { block: numberOrTag(block), isFull: flagParam(isFull) }
}

/** `{ block, isFull }` of `[hash, with all transactions]`. */
export function hashParams(params) {
  const [block, isFull] = positional(params, 2)
  return { block: { hash: hashParam(block) }, isFull: flagParam(isFull) }
}

/** The parameters by position. Trailing ones may be left out. */
function positional(params, most) {
  const given = params ?? []
  if (!Array.isArray(given)) throw invalidParams('the parameters must be an array')
  if (given.length > most) throw invalidParams(`too many arguments, want at most ${most}`)
  // By index: an array of the caller's may have any iterator.
  return Array.from({ length: most }, (_, at) => given[at])
}

function addressParam(value) {
  if (typeof value === 'string' && /^0x[0-9a-f]{40}$/i.test(value)) return value.toLowerCase()
  throw invalidParams(`an address is 0x and 40 hexadecimal digits; got ${shown(value)}`)
}

/**
 * A slot as `getProof` echoes it as go-ethereum does: of 32 bytes as 64 digits, else as fewer. The
 * prefix may be missing, and so may the first digit of a byte.
 */
function slotParam(value) {
  if (typeof value !== 'string') throw invalidParams(`a storage key is text; got ${shown(value)}`)
  const digits = value.replace(/^0x/i, '')
  const whole = digits.length % 2 ? `0${digits}` : digits
  if (whole.length > 64) throw invalidParams(`storage key too long (want at most 32 bytes): ${shown(value)}`)
  if (!/^[0-9a-f]*$/i.test(whole)) throw invalidParams(`invalid hex in storage key: ${shown(value)}`)
  return `0x${whole || '0'}`
}

function slotsParam(value) {
  const given = value ?? []
  if (!Array.isArray(given)) throw invalidParams(`storage keys are an array; got ${shown(value)}`)
  const { length } = given
  checkCount(length)
  return Array.from({ length }, (_, at) => slotParam(given[at]))
}

function slotsByAddress(value) {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) throw invalidParams(`storage keys by address are an object; got ${shown(value)}`)
  const accounts = Object.keys(value).map((address) => ({ address: addressParam(address), slots: slotsParam(value[address]) }))
  const count = accounts.reduce((sum, { slots }) => sum + slots.length, 0)
  if (count === 0) throw invalidParams('empty request')
  checkCount(count)
  return accounts
}

function checkCount(count) {
  if (count > MAX_SLOTS) throw invalidParams(`too many storage keys requested (max ${MAX_SLOTS}, got ${count})`)
}

function flagParam(value) {
  if (value === undefined || typeof value === 'boolean') return value ?? false
  throw invalidParams(`whether all transactions are wanted is a boolean; got ${shown(value)}`)
}

/**
 * A block: `{ tag }`, `{ number }` (a bigint) or `{ hash, requireCanonical }` (EIP-1898). Left out it
 * is `latest`.
 */
function blockParam(value) {
  if (value === undefined || value === null) return { tag: 'latest' }
  if (typeof value !== 'object') return String(value).length === 66 ? { hash: hashParam(value) } : numberOrTag(value)
  const { blockNumber, blockHash, requireCanonical } = value
  const isNumber = blockNumber !== undefined && blockNumber !== null
  const isHash = blockHash !== undefined && blockHash !== null
  if (isNumber === isHash) throw invalidParams('a block is either blockNumber or blockHash')
  return isNumber ? numberOrTag(blockNumber) : { hash: hashParam(blockHash), requireCanonical: requireCanonical === true }
}

function hashParam(value) {
  if (typeof value === 'string' && /^0x[0-9a-f]{64}$/i.test(value)) return value.toLowerCase()
  throw invalidParams(`a hash is 0x and 64 hexadecimal digits; got ${shown(value)}`)
}

function numberOrTag(value) {
  if (TAGS.includes(value)) return { tag: value }
  const number = typeof value === 'string' && /^0x(0|[1-9a-f][0-9a-f]{0,15})$/i.test(value) ? BigInt(value) : MAX_BLOCK + 1n
  if (number <= MAX_BLOCK) return { number }
  throw invalidParams(`a block is a number (0x and hexadecimal digits, without leading zeros), a hash or a tag; got ${shown(value)}`)
}

/** Any value in a few characters, without calling anything of it. */
function shown(value) {
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 80)) : value === null ? 'null' : typeof value
}
