// The backend in this realm: the wasm module's Database, WebSockets, and a ticker for progress.

import { onCrash } from './crash.js'
import { ClosedError, adoptError, flattenError } from './errors.js'
import { peerUrl } from './input.js'
import { Channel, Follower } from './follower.js'
import { ignoredMessages } from './messages/shapes.js'
import { orLocked } from './locked.js'
import { guard, guardAsync, load } from './module.js'
import { closedByError, closedByUser, shapeClosed } from './peer.js'
import { openProvider } from './provider.js'
import { Attempts, mayReturn, onWake } from './reconnect.js'
import { checkSocket, connect, drop, hearErrors, onFailure, watchEnd, worded } from './socket.js'

/** Between two progresses of a sync: a display needs no more than ten a second. */
const PROGRESS_INTERVAL_MS = 100
/** The same while nothing syncs: what peers announce and whether they are there is still shown. */
const IDLE_INTERVAL_MS = 250

/** WebSocket close code of a broken connection (RFC 6455, 7.4.1). */
const ABNORMAL = 1006

/** Sockets that are a peer of some database of this realm. */
const inUse = new WeakSet()

/** Opens the database; `listener` is database.js's. */
export async function connectLocal({ name, memory, role, hold, network, wasm }, listener) {
  const { Database } = await prepare({ memory, wasm })
  const backend = new LocalBackend(listener)
  const { id, genesisHash, chainId } = network
  const database = await orLocked(name, () => guardAsync(() => Database.open(name, memory, role ?? '', hold ?? '', id, genesisHash, chainId, backend.events())))
  backend.adopt(database, memory ? null : name, role !== 'follower')
  return backend
}

/** Begins with what takes long before a database can be opened. */
export function prepare({ memory, wasm }) {
  if (!memory) warmUp()
  return load(wasm)
}

let isWarm = false

/**
 * Has the browser open its files of this origin while it fetches and compiles the module: a list of
 * databases needs that, and changes nothing. Once in a realm is enough.
 */
function warmUp() {
  // Without an origin there are no files. Chromium refuses, and besides leaves a rejection unhandled.
  if (isWarm || globalThis.origin === 'null') return
  isWarm = true
  try {
    globalThis.indexedDB?.databases?.().catch(() => {})
  } catch {
    // Where storage is forbidden, opening the database says so.
  }
}

class LocalBackend {
  #listener
  #database
  #channel
  /** What waits until this is the writer; `null` while it is the writer. */
  #follower = null
  /** The complete state. */
  #state = null
  #ticker = null
  /** The timer that tells of peers while nothing syncs. */
  #watch = null
  /** Aborted when the wait for the writer's place has to end. */
  #leaving = new AbortController()
  /**
   * Connections by the driver's number: `{ id, socket, url, provider, answers }`, with the peer's id
   * and what it has proven; `url` is there if we made the socket, and `provider`, of provider.js, if
   * it is one. A peer that is connected to again gets another number. Their sockets have to be closed
   * here when the module has crashed.
   */
  #connections = new Map()
  #lastConnection = 0
  /** Attempts by peer id, of peers that are connected to again. Bound: the caller's `addPeer`s. */
  #attempts = new Map()
  #unsubscribe
  #stopWaking
  /** The last call of startSync, in database.js's count. */
  #start = 0

  constructor(listener) {
    this.#listener = listener
  }

  /**
   * @param {string | null} name The name that other tabs know it by; `null` in memory.
   * @param {boolean} takesOver Whether it becomes the writer when it can.
   */
  adopt(database, name, takesOver) {
    this.#database = database
    this.#unsubscribe = onCrash((error) => this.#crashed(error))
    this.#stopWaking = onWake(() => this.wake())
    this.#channel = new Channel(name, (message) => this.#hear(message), () => !this.#follower)
    if (!database.isWriter()) this.#follow(takesOver)
    this.#listener.onRole(this.#follower ? 'follower' : 'writer')
  }

  addPeer(id, target, by, reconnect) {
    const url = peerUrl(target, by)
    if (url && reconnect) this.#attempts.set(id, new Attempts(() => this.#dial(id, url, by)))
    // A follower asks its peers nothing, so a connection would only cost the peer.
    if (url && this.#follower) {
      this.#follower.peers.set(id, { url, by })
      this.#listener.onPeer(id, 'waiting')
    } else {
      try {
        this.#connect(id, url, target, by)
      } catch (error) {
        this.#attempts.delete(id)
        throw error
      }
    }
  }

  closePeer(id) {
    for (const [number, connection] of this.#connections) {
      if (connection.id === id) return guard(() => this.#database.closePeer(number))
    }
    this.#follower?.peers.delete(id)
    this.#peerGone(id, closedByUser(), {})
  }

  /** Connects to all lost peers at once, because the network or the page is back. */
  wake() {
    for (const attempts of [...this.#attempts.values()]) attempts.hurry()
  }

  startSync(target, start = this.#start) {
    if (this.#follower?.error) throw this.#follower.error
    const before = this.#start
    this.#start = start
    this.#ticker ??= setInterval(() => this.#showProgress(), PROGRESS_INTERVAL_MS)
    if (this.#follower) {
      this.#follower.target = target
      this.#endIfComplete()
      return
    }
    try {
      const { root, blockHash, header } = target
      guard(() => {
        if (root) this.#database.startSync(root)
        else if (header) this.#database.startSyncToHeader(header, blockHash)
        else this.#database.startSyncToBlock(blockHash)
      })
    } catch (error) {
      this.#start = before
      this.#stopTicker()
      throw error
    }
  }

  cancelSync() {
    if (!this.#follower) return guard(() => this.#database.cancelSync())
    const error = this.#follower.cancel()
    if (error) this.#failed(error)
  }

  progress() {
    const raw = guard(() => this.#database.progress())
    for (const row of raw.peers) {
      const connection = this.#connections.get(row.id)
      row.id = connection.id
      row.lastError = connection.provider?.problem ?? null
      connection.answers = row.session?.answers ?? 0
    }
    return this.#follower ? this.#follower.show(raw) : raw
  }

  /** The engine's part of Diagnostics, and whose its connections are. */
  async diagnostics() {
    const peers = [...this.#connections].map(([connection, { id }]) => [id, connection])
    return { ...guard(() => this.#database.diagnostics()), ignoredMessages: ignoredMessages(), connections: peers }
  }

  async read(method, ...args) {
    try {
      return await guardAsync(() => this.#database[method](...args))
    } catch (error) {
      if (this.#follower && error.code === 'DAMAGED') this.#channel.post({ type: 'damaged', read: [method, ...args] })
      throw error
    }
  }

  async change(method, accounts) {
    if (!this.#follower) return guard(() => this.#database.change(method, accounts))
    return this.#follower.ask({ method, accounts }, (message) => this.#channel.post(message))
  }

  beside(options, listener) {
    return connectLocal(options, listener)
  }

  async close() {
    this.#stopTicker()
    this.#stopWatch()
    this.#stopAttempts()
    this.#channel.close()
    // The wait may last as long as another tab lives, and would keep all of this in memory.
    this.#leaving.abort()
    this.#follower?.rejectChanges(new ClosedError('CLOSED', 'The database was closed before the tab that writes to it answered.'))
    try {
      await guardAsync(() => this.#database.close())
      this.#database.free()
      // What is called too late must not get as far as the module, which would take it for its end.
      this.#database = null
    } catch {
      // The module crashed, before or now. Then nothing is open any more, which is what was asked
      // for.
    }
    this.#unsubscribe()
    for (const number of [...this.#connections.keys()]) this.#forget(number)
  }

  /** The listener of the wasm side, which may call it from within any of our calls into it. */
  events() {
    const listener = this.#listener
    return {
      onStates: (held) => {
        this.#state = held.states[0] ?? null
        listener.onStates(held)
        if (this.#follower) this.#endIfComplete()
        else this.#channel?.post({ type: 'switched' })
      },
      onSynced: (report) => this.#synced(report),
      onFailed: (error) => this.#failed(adoptError(error)),
      onEvent: (type, what, message) => {
        if (type === 'waiting') this.#showProgress()
        else if (type === 'ended') listener.onEnded()
        else listener.onEvent(type === 'damaged' ? { type, what, message } : { type })
        if (type === 'repaired') this.#channel?.post({ type })
      },
      onPeer: (number, state) => {
        const { id } = this.#connections.get(number)
        if (state === 'ready') this.#attempts.get(id)?.ready()
        listener.onPeer(id, state)
      },
      onLie: (number, lie) => listener.onLie(this.#connections.get(number).id, lie),
      onPeerClosed: (number, raw, row) => {
        const connection = this.#forget(number)
        const { id, answers } = connection
        const closed = shapeClosed({ ...raw, reason: worded(raw.reason, connection) })
        const attempts = this.#attempts.get(id)
        if (!attempts || !mayReturn(closed)) return this.#peerGone(id, closed, row)
        attempts.lost((row.session?.answers ?? answers) > 0)
        listener.onPeerClosed(id, closed, row, 'waiting')
      },
    }
  }

  async #follow(takesOver) {
    this.#follower = new Follower()
    // The writer may have completed a state between the opening and now, when nobody listened.
    this.#catchUp()
    if (!takesOver) return
    try {
      const { signal } = this.#leaving
      if ((await guardAsync(() => this.#database.takeOver(signal))) && !signal.aborted) this.#becomeWriter()
    } catch (error) {
      this.#follower.error = error
      if (this.#follower.takeTarget()) this.#failed(error)
    }
  }

  #becomeWriter() {
    const follower = this.#follower
    this.#follower = null
    this.#listener.onRole('writer')
    // The others ask this one from now on.
    this.#channel.post({ type: 'writer' })
    for (const { change, settle } of follower.takeChanges()) settle(this.#changed(change))
    for (const [id, { url, by }] of follower.takePeers()) this.#dial(id, url, by)
    const target = follower.takeTarget()
    try {
      if (target) this.startSync(target)
    } catch (error) {
      this.#failed(error)
    }
  }

  /** Connects to a URL outside of any call of the caller's, who hears of a failure by an event. */
  #dial(id, url, by) {
    this.#listener.onPeer(id, 'connecting')
    try {
      this.#connect(id, url, url, by)
    } catch (error) {
      this.#peerGone(id, closedByError(error), {})
    }
  }

  /** The peer is gone for good. */
  #peerGone(id, closed, row) {
    this.#attempts.get(id)?.stop()
    this.#attempts.delete(id)
    this.#listener.onPeerClosed(id, closed, row, 'closed')
  }

  /**
   * @param {string | null} url Of the peer, if we connect to it. Then nobody else closes the socket,
   *   and the server's choice of protocol is checked.
   * @param {object | string} target The socket or provider, if there is no URL.
   * @param {'snap' | 'hash' | 'rpc'} by How the peer is asked.
   */
  #connect(id, url, target, by) {
    const number = ++this.#lastConnection
    if (by === 'rpc') this.#ask(number, id, url ?? target)
    else this.#join(number, id, url ? connect(url) : target, by, url)
    this.#watch ??= setInterval(() => this.#ticker ?? this.#showProgress(), IDLE_INTERVAL_MS)
  }

  #join(number, id, socket, by, url) {
    const ours = url !== null
    checkSocket(socket, inUse)
    inUse.add(socket)
    const stopHearing = hearErrors(socket)
    onFailure(socket, () => this.#lost(number, ABNORMAL, ''))
    this.#connections.set(number, { id, socket, url, answers: 0 })
    try {
      guard(() => this.#database.addPeer(number, socket, by, ours))
    } catch (error) {
      this.#forget(number)
      if (ours) drop(socket)
      else stopHearing()
      throw error
    }
  }

  /** The line says that it has ended. Nobody is there to whom an error could be thrown. */
  #lost(number, code, reason) {
    this.#database?.loseProvider(number, code, reason)
  }

  #ask(number, id, target) {
    const provider = openProvider(target, (code, reason) => this.#lost(number, code, reason))
    this.#connections.set(number, { id, socket: provider, provider, answers: 0 })
    try {
      guard(() => this.#database.addProvider(number, provider))
    } catch (error) {
      this.#forget(number)
      provider.close()
      throw error
    }
  }

  #hear(message) {
    const { type, read } = message
    if (this.#follower) {
      if (type === 'switched') this.#catchUp()
      else if (type === 'repaired') this.#listener.onEvent({ type })
      else if (type === 'writer') this.#follower.askAgain((again) => this.#channel.post(again))
      else if (type === 'changed') this.#follower.answered(message)
    } else if (type === 'damaged') {
      // The read finds the damage and has it healed. Cached pages must not hide it.
      this.#database.forget()
      this.read(...read).catch(() => {})
    } else if (type === 'change') {
      this.#channel.post({ type: 'changed', id: message.id, ...this.#changed(message.change) })
    }
  }

  /** `{ version }` or `{ error }`, which can be posted. */
  #changed({ method, accounts }) {
    try {
      return { version: guard(() => this.#database.change(method, accounts)) }
    } catch (error) {
      return { error: flattenError(error) }
    }
  }

  #catchUp() {
    guardAsync(() => this.#database.catchUp()).catch(() => {
      // A closed database follows nothing, and any other failure shows at the next read.
    })
  }

  #endIfComplete() {
    const report = this.#follower.reportOn(this.#state)
    if (report) this.#synced(report)
  }

  #showProgress() {
    let raw
    try {
      raw = this.progress()
    } catch {
      // The module has stopped, here or before, which everybody is told.
      return
    }
    this.#listener.onProgress(raw, this.#start)
  }

  #synced(report) {
    this.#stopTicker()
    this.#listener.onSynced(report, this.progress(), this.#start)
  }

  #failed(error) {
    this.#stopTicker()
    this.#listener.onFailed(error, this.#start)
  }

  #crashed(error) {
    this.#stopTicker()
    this.#stopAttempts()
    this.#channel.close()
    this.#follower?.rejectChanges(error)
    for (const [number, { socket }] of [...this.#connections]) {
      this.#forget(number)
      drop(socket)
    }
    this.#listener.onCrashed(error)
  }

  #forget(number) {
    const connection = this.#connections.get(number)
    // A crash within a call has forgotten all of them already.
    if (!connection) return null
    this.#connections.delete(number)
    inUse.delete(connection.socket)
    watchEnd(connection.socket)
    if (this.#connections.size === 0) this.#stopWatch()
    return connection
  }

  #stopAttempts() {
    this.#stopWaking()
    for (const attempts of this.#attempts.values()) attempts.stop()
    this.#attempts.clear()
  }

  #stopWatch() {
    clearInterval(this.#watch)
    this.#watch = null
  }

  #stopTicker() {
    clearInterval(this.#ticker)
    this.#ticker = null
  }
}
