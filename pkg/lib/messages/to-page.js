// The messages of a worker to its page.

import { idle } from '../progress.js'
import { isError, isListOf, isNumber, isObject, isOneOf, isText } from './shapes.js'

const isProgress = (value) =>
  isObject(value) && Object.entries(idle()).every(([name, like]) => (like === null ? name in value : typeof value[name] === typeof like && value[name] !== null)) &&
  Array.isArray(value.peers) && value.peers.every(isObject)
const isHeld = (value) => isObject(value) && Array.isArray(value.states) && value.states.every(isObject) && isNumber(value.scope) && isText(value.holds)

/** The calls of database.js's listener that a worker may make, by their arguments. */
const EVENTS = {
  onProgress: isListOf(isProgress, isNumber),
  onStates: isListOf(isHeld),
  onSynced: isListOf((report) => isObject(report) && isObject(report.figures), isProgress, isNumber),
  onFailed: isListOf(isError, isNumber),
  onPeer: isListOf(isNumber, isText),
  onPeerClosed: isListOf(isNumber, isObject, isObject, isOneOf('waiting', 'closed')),
  onRole: isListOf(isOneOf('writer', 'follower')),
  onEvent: isListOf((event) => isObject(event) && isText(event.type)),
  onLie: isListOf(isNumber, isObject),
  onEnded: isListOf(),
  onCrashed: isListOf(isError),
}

/** Whether it is a call of the listener, of those that a worker posts. */
export function isEvent({ event, args }) {
  return Object.hasOwn(EVENTS, event) && EVENTS[event](args)
}

/** Whether it asks one of the page's providers. */
export function isRequest({ id, request }) {
  return isNumber(id) && isListOf(isNumber, isObject)(request)
}

/** Whether it answers one of these calls. */
export function isAnswer({ id, error }, calls) {
  return calls.has(id) && (error === undefined || isError(error))
}
