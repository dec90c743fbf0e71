// The shapes of messages, between a page and its worker and between the tabs of one database. Any
// code of the origin can post to the same channels, also another version of this package. What has
// another shape is counted and ignored.

import { isBytes } from '../realms.js'

/**
 * The `type` of the message that opens a database in a worker. Other messages are left to the
 * worker's other code.
 */
export const OPEN = 'snaplight:open'

let ignored = 0

/** Counts a message that is ignored. */
export function ignore() {
  ignored += 1
}

/** How many messages were ignored in this realm. */
export function ignoredMessages() {
  return ignored
}

export const isNumber = Number.isFinite
export const isText = (value) => typeof value === 'string'
export const isFlag = (value) => typeof value === 'boolean'
export const isObject = (value) => value !== null && typeof value === 'object'
export const isBytesOf = (...lengths) => (value) => isBytes(value) && lengths.includes(value.length)
export const isWords = (value) => isBytes(value) && value.length % 32 === 0
export const isOneOf = (...values) => (value) => values.includes(value)
export const isMaybe = (is) => (value) => value === undefined || value === null || is(value)
/**
 * Whether it is an array of such values, of which the last ones may be left out if they allow that.
 */
export const isListOf = (...checks) => (values) =>
  Array.isArray(values) && values.length <= checks.length && checks.every((is, at) => is(values[at]))

export const isAddress = isBytesOf(20)
export const isHash = isBytesOf(32)
export const isState = isMaybe(isHash)

/**
 * Reads that a follower may ask the writer for, so that it meets the damage too: their arguments.
 */
export const DAMAGED_READS = {
  account: isListOf(isAddress, isState),
  storage: isListOf(isAddress, isWords, isState),
  code: isListOf(isBytesOf(20, 32), isState),
  proof: isListOf(isAddress, isWords, isState),
}
/** `[name, ...arguments]` of one of these. */
export const isCallOf = (calls) => (call) => Array.isArray(call) && Object.hasOwn(calls, call[0]) && calls[call[0]](call.slice(1))

export const isMethodOfChange = isOneOf('holdEverything', 'holdSet', 'track', 'untrack')
export const isError = (value) => isObject(value) && isText(value.code) && isText(value.message)
