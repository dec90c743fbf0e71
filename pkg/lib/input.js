// Checks what callers pass, and brings it into one form (bytes) before it reaches wasm. Each
// function throws a MisuseError that names the argument, shows what it got and says what is
// expected.

import { MisuseError } from './errors.js'
import { headerFields } from './header.js'
import { copyOf, isBytes, urlText } from './realms.js'

const SLOT_LIMIT = 1n << 256n
const NETWORK_ID_LIMIT = 1n << 64n

export function hashBytes(value, argument) {
  return fixedBytes(value, 32) ?? bad(argument, 'a hash: 0x and 64 hexadecimal digits, or a Uint8Array of 32 bytes', value)
}

/**
 * `{ root }`, `{ blockHash }` or `{ header, blockHash }`, in bytes. A hash by itself is a root. A
 * header is RLP, or plain JSON, whose hash is the block's.
 */
export function syncTarget(value) {
  if (!isPlain(value)) return { root: hashBytes(value, 'target') }
  const { root, blockHash, header } = value
  const hash = blockHash === undefined ? undefined : hashBytes(blockHash, 'target.blockHash')
  if (root !== undefined ? hash || header !== undefined : !hash && header === undefined) {
    bad('target', 'a state root, { root }, { blockHash } or { header }', value)
  }
  if (root !== undefined) return { root: hashBytes(root, 'target.root') }
  if (header === undefined) return { blockHash: hash }
  return isPlain(header) ? jsonHeader(header, hash) : { header: headerBytes(header), blockHash: hash }
}

/** A copy of a header's fields, which can be posted, and whose getters can do nothing later. */
function jsonHeader(value, blockHash) {
  let header
  try {
    header = JSON.parse(JSON.stringify(headerFields(value)))
  } catch (cause) {
    bad('target.header', 'plain JSON, as eth_getBlockByHash and newHeads have it', value, cause)
  }
  const hash = blockHash ?? hashBytes(header.hash, 'target.header.hash')
  return { header: { ...header, hash: toHex(hash) }, blockHash: hash }
}

function headerBytes(value) {
  if (isBytes(value)) return copyOf(value)
  const isHex = typeof value === 'string' && /^0x([0-9a-f]{2})+$/i.test(value)
  return isHex ? parseHex(value.slice(2)) : bad('target.header', "a header's RLP (0x and hexadecimal digits, or a Uint8Array) or its JSON", value)
}

/** A checked target in hexadecimal. A header is shown by its hash, if that is known. */
export function showTarget({ root, blockHash, header }) {
  return Object.freeze(root ? { root: toHex(root) } : blockHash ? { blockHash: toHex(blockHash) } : { header: toHex(header) })
}

export function addressBytes(value) {
  return fixedBytes(value, 20) ?? bad('address', 'an address: 0x and 40 hexadecimal digits, such as 0xd8da6bf26964af9d7eed9e03e53415d37aa96045, or a Uint8Array of 20 bytes', value)
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
  if (isBytes(value)) return value.length === 32 ? copyOf(value) : bad('slot', expected, value)
  if (typeof value === 'string' && /^0x[0-9a-f]{1,64}$/i.test(value)) return parseHex(value.slice(2).padStart(64, '0'))
  const number = typeof value === 'number' && Number.isSafeInteger(value) ? BigInt(value) : value
  if (typeof number !== 'bigint' || number < 0n || number >= SLOT_LIMIT) bad('slot', expected, value)
  return parseHex(number.toString(16).padStart(64, '0'))
}

/**
 * A slot's key as go-ethereum's eth_getProof gives it back: as it came if it had 32 bytes, else as
 * a number.
 */
export function slotKey(value) {
  const bytes = slotBytes(value)
  const isWhole = isBytes(value) || (typeof value === 'string' && value.length > 64)
  return isWhole ? toHex(bytes) : quantity(BigInt(toHex(bytes)))
}

/** What `check` makes of one value, or of each value of an array, as an array. */
export function listOf(values, check) {
  return (Array.isArray(values) ? values : [values]).map((value) => check(value))
}

export function joinBytes(parts) {
  const joined = new Uint8Array(parts.reduce((length, part) => length + part.length, 0))
  let at = 0
  for (const part of parts) {
    joined.set(part, at)
    at += part.length
  }
  return joined
}

const [CODE, SINGLE_SLOTS, ALL_SLOTS] = [1, 2, 4]

/**
 * The bytes of a list of accounts and parts of them, as src/state/scope/changes.rs reads it.
 * @param {boolean} [removes] An address alone then stands for all of its account, and an account
 *   whose parts are none for nothing.
 */
export function trackedBytes(accounts, argument = 'accounts', removes = false) {
  if (!Array.isArray(accounts)) bad(argument, 'an array of addresses or { address, slots, code }', accounts)
  const parts = []
  for (const account of accounts) {
    const { address, slots, code } = isPlain(account) ? account : { address: account }
    const bytes = addressBytes(address)
    if (code !== undefined) boolean(code, `code in ${argument}`)
    const isWhole = slots === 'all'
    if (slots !== undefined && !isWhole && !Array.isArray(slots)) bad(`slots in ${argument}`, "an array of slots, or 'all'", slots)
    const numbers = isWhole ? [] : listOf(slots ?? [], slotBytes)
    const isNamed = slots !== undefined || code !== undefined
    if (removes && isNamed && !isWhole && !code && numbers.length === 0) continue
    parts.push(bytes, [(code ? CODE : 0) | (isWhole ? ALL_SLOTS : SINGLE_SLOTS)])
    if (isWhole) continue
    const count = new Uint8Array(4)
    new DataView(count.buffer).setUint32(0, numbers.length, true)
    parts.push(count, joinBytes(numbers))
  }
  return joinBytes(parts)
}

/** The TrackedAccounts of such a list. */
export function trackedAccounts(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  const accounts = []
  let at = 0
  const take = (length) => bytes.subarray(at, (at += length))
  while (at < bytes.length) {
    const address = toHex(take(20))
    const flags = take(1)[0]
    const slots = flags & ALL_SLOTS ? 'all' : []
    if (flags & SINGLE_SLOTS) {
      const count = view.getUint32(at, true)
      at += 4
      for (let index = 0; index < count; index++) slots.push(toHex(take(32)))
    }
    accounts.push(Object.freeze({ address, slots: Object.freeze(slots), code: (flags & CODE) !== 0 }))
  }
  return accounts
}

/** What is watched, in bytes: an account, or a slot of it. */
export function watched(value) {
  const { address, slot } = isPlain(value) ? value : { address: value }
  if (isPlain(value) && slot === undefined) bad('target', 'an address or { address, slot }', value)
  return { address: addressBytes(address), slot: slot === undefined ? null : slotBytes(slot) }
}

/** A network's or a chain's id. */
export function networkId(value, argument = 'options.network.id') {
  const number = typeof value === 'number' && Number.isSafeInteger(value) ? BigInt(value) : value
  if (typeof number !== 'bigint' || number < 0n || number >= NETWORK_ID_LIMIT) {
    bad(argument, 'an id, such as 1: a bigint or safe integer from 0 and below 2^64', value)
  }
  return number
}

export function boolean(value, argument) {
  return typeof value === 'boolean' ? value : bad(argument, 'a boolean', value)
}

export function wholeNumber(value, most, argument) {
  return Number.isInteger(value) && value >= 1 && value <= most ? value : bad(argument, `a whole number from 1 to ${most}`, value)
}

export function oneOf(value, values, argument) {
  return values.includes(value) ? value : bad(argument, values.map((each) => (typeof each === 'string' ? `'${each}'` : each)).join(' or '), value)
}

/**
 * Half of a surrogate pair. Wasm takes such a string for another one, so two names would be one.
 */
const LONE_SURROGATE = /\p{Surrogate}/u

export function databaseName(value = 'snaplight') {
  if (typeof value !== 'string' || value === '' || LONE_SURROGATE.test(value)) {
    bad('name', 'a database name: a string that is not empty and has no lone surrogates', value)
  }
  return value
}

/**
 * The URL of a peer, or `null` if `value` is no URL and may be a socket or a provider.
 * @param {string} by How the peer is asked.
 */
export function peerUrl(value, by, argument = 'peer') {
  const text = urlText(value)
  if (text === null) return null
  const expected = by === 'rpc' ? 'a http:, https:, ws: or wss: URL' : "a ws: or wss: URL (a provider's URL needs { by: 'rpc' })"
  let url
  try {
    url = new URL(text)
  } catch (cause) {
    return bad(argument, expected, value, cause)
  }
  return (by === 'rpc' ? /^(ws|http)s?:$/ : /^wss?:$/).test(url.protocol) ? url.href : bad(argument, expected, url.href)
}

/**
 * How the peer `target` is asked: a provider in its own way, any other by snap unless told
 * otherwise.
 */
export function askedBy(value, target) {
  if (value === undefined) return isProvider(target) ? 'rpc' : 'snap'
  return oneOf(value, ['snap', 'hash', 'rpc'], 'options.by')
}

export function isProvider(target) {
  try {
    return typeof target?.request === 'function'
  } catch {
    return false
  }
}

/** Whether it is an object that is no bytes. */
function isPlain(value) {
  return value !== null && typeof value === 'object' && !isBytes(value)
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

/** A number as JSON-RPC writes it (QUANTITY of execution-apis). */
export function quantity(number) {
  return `0x${number.toString(16)}`
}

/**
 * Makes an object with bigints fit for `JSON.stringify`, which shows them as decimal strings. The
 * method is not enumerable, so a structured clone does not meet it.
 */
export function withJson(object) {
  return Object.defineProperty(object, 'toJSON', { value: toJSON })
}

function toJSON() {
  return Object.fromEntries(Object.entries(this).map(([key, value]) => [key, typeof value === 'bigint' ? `${value}` : value]))
}

/** @param {string} [what] What the value is, if that is known. */
export function bad(argument, expected, value, cause, what) {
  const options = cause === undefined ? undefined : { cause }
  throw new MisuseError('BAD_ARGUMENT', `${argument} must be ${expected}; got ${show(value)}${what ? `, which is ${what}` : ''}.`, options)
}

/** A copy, so that nothing changes here when the caller writes into its array. */
function fixedBytes(value, length) {
  if (isBytes(value)) return value.length === length ? copyOf(value) : null
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
export function show(value) {
  if (typeof value === 'string') return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value)
  if (typeof value === 'bigint') return `${value}n`.slice(0, 90)
  try {
    if (isBytes(value)) return `a Uint8Array of ${value.length} bytes`
    if (typeof value?.then === 'function') return 'a promise (await it)'
    if (Array.isArray(value)) return `an array of ${value.length}`
    if (Object(value) === value) return showObject(value)
  } catch {
    // A proxy, which throws when it is asked what it is.
  }
  return Object(value) === value ? `a value of type ${typeof value}` : String(value)
}

/** By its keys, or by its kind if it has none. */
function showObject(value) {
  const keys = Object.keys(value)
  if (keys.length === 0 || typeof value === 'function') return Object.prototype.toString.call(value)
  return `{ ${keys.join(', ').slice(0, 80)} }`
}
