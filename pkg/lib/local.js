// The backend in this realm: the wasm module's Database, WebSockets, and a ticker for progress.

import { adoptError } from './errors.js'
import { peerUrl } from './input.js'
import { Channel, Follower } from './follower.js'
import { guard, guardAsync, load, onCrash } from './module.js'
import { checkSocket, connect, drop, hearErrors, watchEnd } from './socket.js'

/** Between two progresses of a sync: a display needs no more than ten a second. */
const PROGRESS_INTERVAL_MS = 100
/** The same while nothing syncs: what peers announce and whether they are there is still shown. */
const IDLE_INTERVAL_MS = 250

/** Sockets that are a peer of some database of this realm. */
const inUse = new WeakSet()

/** Methods that a follower may ask the writer to call, so that it meets the damage too. */
const READS = ['account', 'storage', 'code']

/** Opens the database; `listener` is database.js's. */
export async function connectLocal({ name, memory, role, network, wasm }, listener) {
  const { Database } = await load(wasm)
  const backend = new LocalBackend(listener)
  const { id, genesisHash } = network
  const database = await guardAsync(() => Database.open(name, memory, role ?? '', id, genesisHash, backend.events()))
  backend.adopt(database, memory ? null : name, role !== 'follower')
  return backend
}

class LocalBackend {
  #listener
  #database
  #channel
  /** What waits until this is the writer; `null` while it is the writer. */
  #follower = null
  /** The last complete state. */
  #state = null
  #ticker = null
  /** The timer that tells of peers while nothing syncs. */
  #watch = null
  /** Aborted when the wait for the writer's place has to end. */
  #leaving = new AbortController()
  /** Sockets by peer id, which have to be closed here when the module has crashed. */
  #sockets = new Map()
  #unsubscribe
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
    this.#channel = new Channel(name, (message) => this.#hear(message))
    if (!database.isWriter()) this.#follow(takesOver)
    this.#listener.onRole(this.#follower ? 'follower' : 'writer')
  }

  addPeer(id, target) {
    const url = peerUrl(target)
    // A follower asks its peers nothing, so a connection would only cost the peer.
    if (url && this.#follower) this.#follower.urls.set(id, url)
    else this.#connect(id, url ? connect(url) : target, url !== null)
  }

  closePeer(id) {
    if (this.#follower?.urls.delete(id)) this.#listener.onPeerClosed(id, 'user', 1000, 'closed by the user', {})
    else guard(() => this.#database.closePeer(id))
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
      guard(() => (target.root ? this.#database.startSync(target.root) : this.#database.startSyncToBlock(target.blockHash)))
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
    return this.#follower ? this.#follower.show(raw) : raw
  }

  account(address) {
    return this.#read('account', address)
  }

  storage(address, slot) {
    return this.#read('storage', address, slot)
  }

  code(addressOrHash) {
    return this.#read('code', addressOrHash)
  }

  async close() {
    this.#stopTicker()
    this.#stopWatch()
    this.#channel.close()
    // The wait may last as long as another tab lives, and would keep all of this in memory.
    this.#leaving.abort()
    try {
      await guardAsync(() => this.#database.close())
      this.#database.free()
    } catch {
      // The module crashed, before or now. Then nothing is open any more, which is what was asked
      // for.
    }
    this.#unsubscribe()
    for (const id of [...this.#sockets.keys()]) this.#forget(id)
  }

  /** The listener of the wasm side, which may call it from within any of our calls into it. */
  events() {
    const listener = this.#listener
    return {
      onComplete: (state) => {
        this.#state = state
        listener.onComplete(state)
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
      onPeer: (id, state) => listener.onPeer(id, state),
      onPeerClosed: (id, by, code, reason, row) => {
        this.#forget(id)
        listener.onPeerClosed(id, by, code, reason, row)
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
    for (const [id, url] of follower.takeUrls()) {
      try {
        this.#connect(id, connect(url), true)
      } catch (error) {
        this.#listener.onPeerClosed(id, 'fault', 1006, error.message, {})
      }
    }
    const target = follower.takeTarget()
    try {
      if (target) this.startSync(target)
    } catch (error) {
      this.#failed(error)
    }
  }

  /**
   * @param {boolean} ours Whether we made the socket. Then nobody else closes it, and the server's
   * choice of protocol is checked.
   */
  #connect(id, socket, ours) {
    checkSocket(socket, inUse)
    inUse.add(socket)
    const stopHearing = hearErrors(socket)
    this.#sockets.set(id, socket)
    try {
      guard(() => this.#database.addPeer(id, socket, ours))
    } catch (error) {
      this.#forget(id)
      if (ours) drop(socket)
      else stopHearing()
      throw error
    }
    this.#watch ??= setInterval(() => this.#ticker ?? this.#showProgress(), IDLE_INTERVAL_MS)
  }

  async #read(method, ...args) {
    try {
      return await guardAsync(() => this.#database[method](...args))
    } catch (error) {
      if (this.#follower && error.code === 'DAMAGED') this.#channel.post({ type: 'damaged', read: [method, ...args] })
      throw error
    }
  }

  #hear({ type, read }) {
    if (this.#follower) {
      if (type === 'switched') this.#catchUp()
      else if (type === 'repaired') this.#listener.onEvent({ type })
    } else if (type === 'damaged' && READS.includes(read[0])) {
      // The read finds the damage and has it healed. Cached pages must not hide it.
      this.#database.forget()
      this.#read(...read).catch(() => {})
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
    this.#listener.onProgress(this.progress(), this.#start)
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
    this.#channel.close()
    for (const [id, socket] of [...this.#sockets]) {
      this.#forget(id)
      drop(socket)
    }
    this.#listener.onCrashed(error)
  }

  #forget(id) {
    const socket = this.#sockets.get(id)
    if (!socket) return
    this.#sockets.delete(id)
    inUse.delete(socket)
    watchEnd(socket)
    if (this.#sockets.size === 0) this.#stopWatch()
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
