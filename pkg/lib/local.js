// The backend in this realm: the wasm module's Database, WebSockets, and the ticker that turns numbers into progress.

import { MisuseError, UnsupportedError, adoptError } from './errors.js'
import { bad, peerUrl } from './input.js'
import { guard, guardAsync, load, onCrash } from './module.js'

/** WebSocket subprotocol of docs/websocket-peers.md. */
const SUBPROTOCOL = 'devp2p.1'
/** `readyState` from which on a socket is of no use; data channels use words. */
const CLOSING = 2
const CLOSING_WORDS = ['closing', 'closed']
/** A display needs no more than ten a second. */
const PROGRESS_INTERVAL_MS = 100

/** Sockets that are a peer of some database of this realm. */
const inUse = new WeakSet()

/** Opens the database; `listener` is database.js's. */
export async function connectLocal({ name, memory, network, wasm }, listener) {
  const { Database } = await load(wasm)
  const backend = new LocalBackend(listener)
  const { id, genesisHash } = network
  backend.adopt(await guardAsync(() => Database.open(name, memory, id, genesisHash, backend.events())))
  return backend
}

class LocalBackend {
  #listener
  #database
  #ticker = null
  /** Sockets by peer id: what is left to close when the module has crashed. */
  #sockets = new Map()
  #stopMourning

  constructor(listener) {
    this.#listener = listener
  }

  adopt(database) {
    this.#database = database
    this.#stopMourning = onCrash((error) => this.#crashed(error))
  }

  addPeer(id, target) {
    const url = peerUrl(target)
    const socket = url ? connect(url) : target
    checkSocket(socket)
    inUse.add(socket)
    this.#sockets.set(id, socket)
    try {
      guard(() => this.#database.addPeer(id, socket, url !== null))
    } catch (error) {
      this.#forget(id)
      throw error
    }
  }

  closePeer(id) {
    guard(() => this.#database.closePeer(id))
  }

  startSync(root) {
    this.#ticker ??= setInterval(() => this.#listener.onProgress(this.progress()), PROGRESS_INTERVAL_MS)
    try {
      guard(() => this.#database.startSync(root))
    } catch (error) {
      this.#stopTicker()
      throw error
    }
  }

  cancelSync() {
    guard(() => this.#database.cancelSync())
  }

  progress() {
    return guard(() => this.#database.progress())
  }

  account(address) {
    return guardAsync(() => this.#database.account(address))
  }

  storage(address, slot) {
    return guardAsync(() => this.#database.storage(address, slot))
  }

  code(addressOrHash) {
    return guardAsync(() => this.#database.code(addressOrHash))
  }

  async close() {
    this.#stopTicker()
    try {
      await guardAsync(() => this.#database.close())
      this.#database.free()
    } catch {
      // It crashed, before or now: nothing is open any more, which is what was asked for.
    }
    this.#stopMourning()
    for (const id of [...this.#sockets.keys()]) this.#forget(id)
  }

  /** What the wasm side calls; it may do so from within any of our calls into it. */
  events() {
    const listener = this.#listener
    return {
      onComplete: (state) => listener.onComplete(state),
      onSynced: (report) => {
        this.#stopTicker()
        listener.onSynced(report, this.progress())
      },
      onFailed: (error) => {
        this.#stopTicker()
        listener.onFailed(adoptError(error))
      },
      onPeer: (id, state) => listener.onPeer(id, state),
      onPeerClosed: (id, by, code, reason, row) => {
        this.#forget(id)
        listener.onPeerClosed(id, by, code, reason, row)
      },
    }
  }

  #crashed(error) {
    this.#stopTicker()
    for (const [id, socket] of [...this.#sockets]) {
      this.#forget(id)
      try {
        socket.close()
      } catch {
        // Not our socket, and nothing more to do about it.
      }
    }
    this.#listener.onCrashed(error)
  }

  #forget(id) {
    const socket = this.#sockets.get(id)
    if (!socket) return
    this.#sockets.delete(id)
    inUse.delete(socket)
  }

  #stopTicker() {
    clearInterval(this.#ticker)
    this.#ticker = null
  }
}

function connect(url) {
  if (typeof WebSocket !== 'function') {
    throw new UnsupportedError('UNSUPPORTED', 'There is no WebSocket here to open a URL with: pass addPeer a WebSocket-like object.')
  }
  try {
    return new WebSocket(url, [SUBPROTOCOL])
  } catch (cause) {
    return bad('socket', 'a URL that this page may connect to', url, cause)
  }
}

function checkSocket(socket) {
  const state = readState(socket)
  if (state >= CLOSING || CLOSING_WORDS.includes(state)) {
    throw new MisuseError('SOCKET_CLOSED', `The socket is closing or closed (readyState ${state}); connect again and pass the new one.`)
  }
  if (inUse.has(socket)) {
    throw new MisuseError('SOCKET_IN_USE', 'This socket is a peer already; pass each socket once.')
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
