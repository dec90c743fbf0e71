// Makes sockets of URLs, checks sockets that were given, and listens to their errors until they
// have ended.

import { MisuseError, UnsupportedError } from './errors.js'
import { bad } from './input.js'
import { urlText } from './realms.js'

/** WebSocket subprotocol of docs/websocket-peers.md. */
const SUBPROTOCOL = 'devp2p.1'
/** `readyState` of a socket that is not open yet. */
const CONNECTING = 0
/** A socket with this `readyState` or a higher one is of no use; data channels use words. */
const CLOSING = 2
const CLOSING_WORDS = ['closing', 'closed']
const EXPECTED = 'a URL, an object like a WebSocket (with send and close), or a provider (with request({ method, params }))'

/** @param {string[]} protocols The subprotocols to offer. */
export function connect(url, protocols = [SUBPROTOCOL]) {
  checkWebSocket()
  let cause
  try {
    const socket = new WebSocket(url, protocols)
    // Chromium gives a socket that is closed already where Firefox throws.
    if (!(socket.readyState >= CLOSING)) return socket
  } catch (thrown) {
    cause = thrown
    if (cause?.name !== 'SecurityError') bad('peer', 'a URL that can be connected to', url, cause)
  }
  throw new UnsupportedError(
    'UNSUPPORTED',
    `This page may not connect to ${url}: its Content-Security-Policy has to allow it (connect-src), and an https page may connect to wss: only.`,
    cause && { cause },
  )
}

/** What src/web/driver/peers.rs says of a connection. */
const NOT_OPENED = 'the connection could not be opened'
const NO_SUBPROTOCOL = 'the server did not select the WebSocket subprotocol'

/**
 * The reason of a connection's end, with what is known here. Browsers do not tell pages why a
 * connection failed, so that no page can explore its user's network.
 * @param {{socket: object, url: string | null}} connection `url` is `null` if the caller made the socket.
 */
export function worded(reason, { socket, url }) {
  if (reason.startsWith(NO_SUBPROTOCOL)) return `${reason} (${url}); a JSON-RPC endpoint needs { by: 'rpc' }`
  if (reason !== NOT_OPENED) return reason
  return notOpened(socket, url ?? urlOf(socket), url ? "it is no snap peer (a JSON-RPC endpoint needs { by: 'rpc' })" : `the socket did not offer '${SUBPROTOCOL}' (new WebSocket(url, '${SUBPROTOCOL}'))`)
}

/** @param {string} last The likely cause that is left when nothing is wrong with the line. */
export function notOpened(socket, url, last) {
  const said = lastErrors.get(socket)
  const tls = /^wss/.test(url) ? 'it has no TLS (ws: instead of wss:) or a certificate that is not trusted; ' : ''
  // Not every browser refuses at once what the policy forbids.
  const policy = said ? '' : "; the page's Content-Security-Policy forbids it (connect-src)"
  return `${NOT_OPENED}${url ? ` (${url})` : ''}${said ? `: ${said}` : ''}. Likely causes: nothing listens there; ${tls}${last}${policy}`
}

function urlOf(socket) {
  try {
    return urlText({ href: socket.url })
  } catch {
    return null
  }
}

export function checkWebSocket() {
  if (typeof WebSocket === 'function') return
  throw new UnsupportedError('UNSUPPORTED', 'There is no WebSocket here to open a URL with: pass addPeer a WebSocket-like object, and follow a provider.')
}

/** @param {WeakSet} inUse Sockets that are a peer already. */
export function checkSocket(socket, inUse) {
  const state = readState(socket)
  if (state >= CLOSING || CLOSING_WORDS.includes(state)) {
    throw new MisuseError('SOCKET_CLOSED', `The socket${urlOf(socket) ? ` to ${urlOf(socket)}` : ''} is closing or closed (readyState ${state}); connect again and pass the new one.`)
  }
  if (inUse.has(socket)) {
    throw new MisuseError('SOCKET_IN_USE', 'This socket is a peer already; pass each socket once.')
  }
}

/** Closes a socket that is nobody's peer. */
export function drop(socket) {
  ignoringErrors(() => socket.close())
}

/**
 * What to call when a socket could not be opened and says so by an error alone: those of Node 20 and
 * 22 have no close event then.
 */
const failures = new WeakMap()

export function onFailure(socket, failed) {
  failures.set(socket, failed)
}

/** What the last error event of a socket said. Those of browsers say nothing. */
const lastErrors = new WeakMap()

/**
 * The one listener for errors. It only notes their words, because a close event follows each error.
 * It is one function for all sockets, so that it keeps nothing in memory.
 */
export const noteError = (event) =>
  ignoringErrors(() => {
    // Later, because a close event says more, if one comes.
    if (event.target.readyState === CONNECTING && failures.has(event.target)) setTimeout(failures.get(event.target))
    const { message, error } = event
    const words = message || error?.message || error?.code
    if (typeof words === 'string') lastErrors.set(event.target, words.trim().slice(0, LONGEST_WORDS))
  })
/** Characters of an error's words that are kept. */
const LONGEST_WORDS = 200

/**
 * Listens to the errors of a socket from now until its close event, even after we closed it. The
 * `ws` package emits an error for a socket that is closed while it connects, and Node ends the
 * process for an error without a listener.
 *
 * @returns {() => void} Stops it at once.
 */
export function hearErrors(socket) {
  const end = () =>
    ignoringErrors(() => {
      if (socket.onerror === noteError) socket.onerror = null
      socket.removeEventListener?.('error', noteError)
      socket.removeEventListener?.('close', end)
    })
  // A socket that cannot be listened to is refused by the module, which listens to its other events
  // next.
  ignoringErrors(() => {
    if (typeof socket.addEventListener === 'function') {
      socket.addEventListener('error', noteError)
      socket.addEventListener('close', end)
    } else {
      socket.onerror = noteError
    }
  })
  return end
}

/**
 * Ends `hearErrors` for a socket that has `on...` properties only. It has one listener for each
 * event, so this waits until the others have been removed.
 */
export function watchEnd(socket) {
  ignoringErrors(() => {
    if (socket.onerror !== noteError) return
    const end = () => {
      if (socket.onerror === noteError) socket.onerror = null
      if (socket.onclose === end) socket.onclose = null
    }
    if (socket.readyState > CLOSING || socket.readyState === 'closed') end()
    else socket.onclose ??= end
  })
}

/**
 * Calls a method of a caller's object, which may throw at anything. A listener that stays on it
 * then keeps nothing in memory.
 */
function ignoringErrors(call) {
  try {
    call()
  } catch {
    // The object is broken, and nothing of ours depends on it.
  }
}

/** Reads `readyState`. An object whose getters throw is no socket. */
function readState(socket) {
  try {
    if (typeof socket.send === 'function' && typeof socket.close === 'function') return socket.readyState
  } catch (cause) {
    bad('peer', EXPECTED, socket, cause)
  }
  return bad('peer', EXPECTED, socket)
}
