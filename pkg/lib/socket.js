// What this realm does to sockets: makes one of a URL, checks one that was given, and hears its
// errors until it has ended.

import { MisuseError, UnsupportedError } from './errors.js'
import { bad } from './input.js'

/** WebSocket subprotocol of docs/websocket-peers.md. */
const SUBPROTOCOL = 'devp2p.1'
/** `readyState` from which on a socket is of no use; data channels use words. */
const CLOSING = 2
const CLOSING_WORDS = ['closing', 'closed']

export function connect(url) {
  if (typeof WebSocket !== 'function') {
    throw new UnsupportedError('UNSUPPORTED', 'There is no WebSocket here to open a URL with: pass addPeer a WebSocket-like object.')
  }
  try {
    return new WebSocket(url, [SUBPROTOCOL])
  } catch (cause) {
    return bad('socket', 'a URL that this page may connect to', url, cause)
  }
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
  unharmed(() => socket.close())
}

/**
 * The one listener for errors. It holds nothing; the close event that follows an error says all
 * that is told.
 */
const ignore = () => {}

/**
 * Hears the errors of a socket from now until its close event, also after we closed it: the `ws`
 * package emits one for a socket that is closed while it connects, and Node ends the process for an
 * error that nobody hears.
 *
 * @returns {() => void} What stops it at once.
 */
export function hearErrors(socket) {
  const end = () =>
    unharmed(() => {
      if (socket.onerror === ignore) socket.onerror = null
      socket.removeEventListener?.('error', ignore)
      socket.removeEventListener?.('close', end)
    })
  // Whoever lets nobody listen is refused by whoever listens to its other events next.
  unharmed(() => {
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
 * Ends `hearErrors` with a socket that has `on...` properties only: there is one place for each
 * event, so it has to wait until everybody else has let go of the socket.
 */
export function watchEnd(socket) {
  unharmed(() => {
    if (socket.onerror !== ignore) return
    const end = () => {
      if (socket.onerror === ignore) socket.onerror = null
      if (socket.onclose === end) socket.onclose = null
    }
    if (socket.readyState > CLOSING || socket.readyState === 'closed') end()
    else socket.onclose ??= end
  })
}

/** A caller's object may throw at anything. What then stays on it holds nothing. */
function unharmed(call) {
  try {
    call()
  } catch {
    // It is broken or does not want to, and nothing of ours depends on it.
  }
}

/** Reads what a hostile getter might throw on; a socket that does is none. */
function readState(socket) {
  try {
    if (typeof socket.send === 'function' && typeof socket.close === 'function') return socket.readyState
  } catch (cause) {
    bad('socket', 'a ws: or wss: URL, or an object like a WebSocket', socket, cause)
  }
  return bad('socket', 'a ws: or wss: URL, or an object like a WebSocket (with send and close)', socket)
}
