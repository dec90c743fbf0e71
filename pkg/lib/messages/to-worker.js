// The messages of a page to its worker.

import { isBytes } from '../realms.js'
import { DAMAGED_READS, isCallOf, isFlag, isHash, isListOf, isMaybe, isMethodOfChange, isNumber, isObject, isOneOf, isState, isText } from './shapes.js'

const READS = { ...DAMAGED_READS, tracked: isListOf(), header: isListOf(isObject, isMaybe(isHash)) }
const isTarget = (value) =>
  isObject(value) && isState(value.root) && isState(value.blockHash) && isMaybe(isObject)(value.header) && isObject(value.root ?? value.blockHash ?? value.header)

/** The backend's methods that a page may call, by the arguments they take. */
const METHODS = {
  read: isCallOf(READS),
  change: isListOf(isMethodOfChange, isBytes),
  diagnostics: isListOf(),
  close: isListOf(),
  addPeer: isListOf(isNumber, isMaybe(isText), isOneOf('snap', 'hash', 'rpc'), isFlag),
  closePeer: isListOf(isNumber),
  startSync: isListOf(isTarget, isNumber),
  cancelSync: isListOf(),
  wake: isListOf(),
  requested: isListOf(isNumber, isNumber, isObject),
}
/** Methods that return a promise. Failures of the others are told by an event. */
const ANSWERED = ['read', 'change', 'diagnostics', 'close']

/** Whether it opens a database, in whatever version and with whatever options. */
export function isOpening(data) {
  return typeof data.port?.postMessage === 'function' && typeof data.port.start === 'function' && isMaybe(isText)(data.lock)
}

/** Whether it is what a page posts over the port of its database. */
export function isCall(data) {
  return isObject(data) && Object.hasOwn(METHODS, data.method) && METHODS[data.method](data.args) && (isNumber(data.id) || !isAnswered(data.method))
}

export function isAnswered(method) {
  return ANSWERED.includes(method)
}
