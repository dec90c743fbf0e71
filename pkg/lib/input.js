// Checks what callers pass, and brings it into one form (bytes) before it reaches wasm. Each
// function throws a MisuseError that names the argument, shows what it got and says what is
// expected.

import { MisuseError } from './errors.js'

const SLOT_LIMIT = 1n << 256n
const NETWORK_ID_LIMIT = 1n << 64n

export function hashBytes(value, argument) {
  return fixedBytes(value, 32) ?? bad(argument, 'a hash: 0x and 64 hexadecimal digits, or a Uint8Array of 32 bytes', value)
}

/** `{ root }` or `{ blockHash }`, in bytes. A hash by itself is a root. */
export function syncTarget(value) {
  const isTarget = value !== null && typeof value === 'object' && !(value instanceof Uint8Array)
  if (!isTarget) return { root: hashBytes(value, 'target') }
  const { root, blockHash } = value
  if ((root === undefined) === (blockHash === undefined)) bad('target', 'a state root, { root } or { blockHash }', value)
  return root === undefined ? { blockHash: hashBytes(blockHash, 'target.blockHash') } : { root: hashBytes(root, 'target.root') }
}

/** A checked target in hexadecimal. */
export function showTarget({ root, blockHash }) {
  return Object.freeze(root ? { root: toHex(root) } : { blockHash: toHex(blockHash) })
}

export function addressBytes(value) {
  return fixedBytes(value, 20) ?? bad('address', 'an address: 0x and 40 hexadecimal digits, or a Uint8Array of 20 bytes', value)
}

/** 20 or 32 bytes: `getCode` takes either. */
export function addressOrHashBytes(value) {
  return (
    fixedBytes(value, 20) ?? fixedBytes(value, 32) ??
    bad('addressOrHash', 'an address or a code hash: 0x and 40 or 64 hexadecimal digits, or a Uint8Array of 20 or 32 bytes', value)
  )
}

export function slotBytes(value) {
  const expected = 'a slot: a bigint or safe integer from 0 and below 2^256, 0x and up to 64 hexadecimal digits, or a Uint8Array of 32 bytes'
  if (value instanceof Uint8Array) return value.length === 32 ? value.slice() : bad('slot', expected, value)
  if (typeof value === 'string' && /^0x[0-9a-f]{1,64}$/i.test(value)) return parseHex(value.slice(2).padStart(64, '0'))
  const number = typeof value === 'number' && Number.isSafeInteger(value) ? BigInt(value) : value
  if (typeof number !== 'bigint' || number < 0n || number >= SLOT_LIMIT) bad('slot', expected, value)
  return parseHex(number.toString(16).padStart(64, '0'))
}

export function networkId(value) {
  const number = typeof value === 'number' && Number.isSafeInteger(value) ? BigInt(value) : value
  if (typeof number !== 'bigint' || number < 0n || number >= NETWORK_ID_LIMIT) {
    bad('options.network.id', 'a network id: a bigint or safe integer from 0 and below 2^64', value)
  }
  return number
}

export function databaseName(value = 'snaplight') {
  if (typeof value !== 'string' || value === '') bad('name', 'a database name: a string that is not empty', value)
  return value
}

/** The URL of a WebSocket, or `null` if `value` is no URL and may be a socket. */
export function peerUrl(value) {
  if (typeof value !== 'string' && !(value instanceof URL)) return null
  let url
  try {
    url = new URL(value)
  } catch (cause) {
    return bad('socket', 'a ws: or wss: URL', value, cause)
  }
  return /^wss?:$/.test(url.protocol) ? url.href : bad('socket', 'a ws: or wss: URL', url.href)
}

/** How a peer is asked. */
export function askedBy(value = 'snap') {
  return value === 'snap' || value === 'hash'
    ? value
    : bad('options.by', "'snap' (for a peer that speaks eth/69 with snap/1; the default) or 'hash' (for one that speaks eth/66)", value)
}

/** The object `value`, or an empty one if it is left out. */
export function optionsOf(value, argument = 'options') {
  if (value === undefined) return {}
  return value !== null && typeof value === 'object' ? value : bad(argument, 'an object', value)
}

export function abortSignal(value) {
  const works = value === undefined || (typeof value?.addEventListener === 'function' && typeof value.aborted === 'boolean')
  return works ? value : bad('options.signal', 'an AbortSignal', value)
}

export function callback(value, argument) {
  return value === undefined || typeof value === 'function' ? value : bad(argument, 'a function', value)
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

/** `0x` and the digits of `bytes`. */
export function toHex(bytes) {
  let hex = '0x'
  for (let at = 0; at < bytes.length; at++) hex += HEX[bytes[at]]
  return hex
}

export function bad(argument, expected, value, cause) {
  const options = cause === undefined ? undefined : { cause }
  throw new MisuseError('BAD_ARGUMENT', `${argument} must be ${expected}; got ${show(value)}.`, options)
}

/** A copy, so that nothing changes here when the caller writes into its array. */
function fixedBytes(value, length) {
  if (value instanceof Uint8Array) return value.length === length ? value.slice() : null
  const isHex = typeof value === 'string' && value.length === 2 + 2 * length && /^0x[0-9a-f]+$/i.test(value)
  return isHex ? parseHex(value.slice(2)) : null
}

function parseHex(digits) {
  const bytes = new Uint8Array(digits.length / 2)
  for (let at = 0; at < bytes.length; at++) bytes[at] = Number.parseInt(digits.slice(2 * at, 2 * at + 2), 16)
  return bytes
}

/**
 * Shows any value in a few characters. It must not throw, not even for an object whose `toString`
 * does.
 */
function show(value) {
  if (typeof value === 'string') return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value)
  if (typeof value === 'bigint') return `${value}n`.slice(0, 90)
  if (value instanceof Uint8Array) return `a Uint8Array of ${value.length} bytes`
  if (value !== null && (typeof value === 'object' || typeof value === 'function')) return `a value of type ${typeof value}`
  return String(value)
}
