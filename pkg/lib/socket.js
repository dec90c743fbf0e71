// Makes sockets of URLs, checks sockets that were given, and listens to their errors until they
// have ended.

import { MisuseError, UnsupportedError } from './errors.js'
import { bad } from './input.js'

/** WebSocket subprotocol of docs/websocket-peers.md. */
const SUBPROTOCOL = 'devp2p.1'
/** A socket with this `readyState` or a higher one is of no use; data channels use words. */
const CLOSING = 2
const CLOSING_WORDS = ['closing', 'closed']
const EXPECTED = 'a URL, an object like a WebSocket (with send and close), or a provider (with request({ method, params }))'

/** @param {string[]} protocols The subprotocols to offer. */
export function connect(url, protocols = [SUBPROTOCOL]) {
  checkWebSocket()
  try {
    return new WebSocket(url, protocols)
  } catch (cause) {
    return bad('socket', 'a URL that this page may connect to', url, cause)
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
    throw new MisuseError('SOCKET_CLOSED', `The socket is closing or closed (readyState ${state}); connect again and pass the new one.`)
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
 * The one listener for errors. It does nothing, because a close event follows each error. It is one
 * function for all sockets, so that it keeps nothing in memory.
 */
const ignore = () => {}

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
      if (socket.onerror === ignore) socket.onerror = null
      socket.removeEventListener?.('error', ignore)
      socket.removeEventListener?.('close', end)
    })
  // A socket that cannot be listened to is refused by the module, which listens to its other events
  // next.
  ignoringErrors(() => {
    if (typeof socket.addEventListener === 'function') {
      socket.addEventListener('error', ignore)
      socket.addEventListener('close', end)
    } else {
      socket.onerror = ignore
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
    if (socket.onerror !== ignore) return
    const end = () => {
      if (socket.onerror === ignore) socket.onerror = null
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
