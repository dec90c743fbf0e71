// The public class Snaplight. It works on a backend: the wasm module in this realm (local.js), or a
// worker at the other end of a MessagePort (remote.js).
//
// A backend has: addPeer(id, target, by, reconnect), closePeer(id), startSync(target, start),
// cancelSync(), read(method, ...args) and change(method, accounts) with the methods of
// src/web/database.rs, close(), progress(), beside(options, listener), which opens another database in
// the same realm or worker. Arguments are checked, and bytes where they are
// hexadecimal for the user. It calls the listener given to it: onProgress(raw, start),
// onStates(held), onSynced(report, raw, start), onFailed(error, start), onPeer(id, state),
// onPeerClosed(id, closed, row, state), onRole(role), onEvent(event), onLie(id, lie), onEnded(),
// onCrashed(error). The state after a connection has ended is `waiting` or `closed`.
//
// `start` counts the calls of startSync. A worker's message may be on its way while the next call
// is made, so the end of a sync says which call it ends.

import { shapeDiagnostics } from './diagnostics.js'
import { ClosedError } from './errors.js'
import { Following } from './follow/following.js'
import { KeptHeaders } from './header.js'
import { Held } from './held.js'
import { abortSignal, callback, hashBytes, oneOf, optionsOf, syncTarget, toHex, trackedAccounts, trackedBytes, watched, withJson } from './input.js'
import { closedByError, closedByUser } from './peer.js'
import { Peers } from './peers.js'
import { idle, shapeProgress, shapeReport } from './progress.js'
import { Reads, Snapshot } from './reads.js'
import { call, quiet } from './running.js'
import { Syncing } from './syncing.js'
import { checkTarget } from './target.js'
import { Watch } from './watch.js'

export class Snaplight {
  #name
  #network
  #backend
  #role = 'writer'
  #onEvent
  #held = new Held()
  #reads = new Reads((method, ...args) => this.#read(method, ...args))
  /** Parts of the package that hear of events. Bound: the caller's watches and providers. */
  #listeners = new Set()
  #peers = new Peers()
  #syncing = new Syncing({
    startSync: (target, start) => {
      checkTarget(target, { network: this.#network, states: this.states, heads: Object.values(this.#following.heads) })
      this.#backend.startSync(target, start)
    },
    cancelSync: () => this.#backend.cancelSync(),
  })
  #following = new Following()
  #headers = new KeptHeaders()
  /** The report of the last sync, until the next one starts. */
  #report = null
  #raw = idle()
  /** The promise of `close()` once it was called. */
  #closing = null
  /** The CrashError, once the backend has crashed. */
  #crash = null

  /**
   * Made by `open`, which connects it to a backend through `connect`.
   * @param {(listener: object) => Promise<object>} connect Resolves to the backend.
   */
  static async open({ name, network }, onEvent, connect) {
    const database = new Snaplight()
    database.#name = name
    database.#network = Object.freeze(withJson({ ...network, genesisHash: toHex(network.genesisHash) }))
    database.#onEvent = onEvent
    database.#backend = await connect(database.#listener())
    return database
  }

  /** For `snaplight/provider`: verified headers of blocks that were synced to, as JSON, by hash. */
  static headers(database) {
    return database.#headers
  }

  /** For `snaplight/provider`: the newest Heads that were followed, by tag; none before. */
  static followed(database) {
    return database.#following.heads
  }

  /**
   * For other parts of the package: calls `listener` with each event that `onEvent` gets; with
   * `{ type: 'states' }` when the states, or what is to be held, have changed; with `{ type: 'added',
   * peer }`; and last, with `{ type: 'closed', error }`, when the database is closed or has crashed.
   * It must not throw.
   *
   * @returns {() => void} Stops it.
   * @throws {ClosedError} After `close()`.
   * @throws {CrashError}
   */
  static listen(database, listener) {
    database.#checkOpen()
    if (database.#crash) throw database.#crash
    database.#listeners.add(listener)
    return () => database.#listeners.delete(listener)
  }

  /** For reads on demand, which have a second database beside this one. */
  static inside(database) {
    return {
      /** The arguments of `addPeer` by Peer, of those peers that can be connected to once more. */
      sources: database.#peers.sources,
      /** Tells an event, as if it were this database's own. */
      tell: (event) => database.#tell(event),
      /** As `track` and `untrack`, and resolves as soon as the set is changed. */
      change: (method, accounts) => database.#change(method, accounts),
      read: (method, ...args) => database.#read(method, ...args),
      /** Opens a set in memory, in the same realm or worker. */
      beside: (onEvent) => {
        const { name, network } = database
        const options = { name, memory: true, hold: 'set', network: { ...network, genesisHash: hashBytes(network.genesisHash) } }
        return Snaplight.open(options, onEvent, (listener) => database.#backend.beside(options, listener))
      },
    }
  }

  get name() {
    return this.#name
  }

  get network() {
    return this.#network
  }

  get role() {
    return this.#role
  }

  get complete() {
    return this.#held.complete
  }

  get states() {
    return this.#held.states
  }

  get holds() {
    return this.#held.holds
  }

  get peers() {
    return this.#peers.list
  }

  addPeer(target, options) {
    this.#checkOpen()
    const peer = this.#peers.add(target, options, this.#backend)
    this.#tellParts({ type: 'added', peer })
    return peer
  }

  sync(target, options) {
    this.#checkOpen()
    const wanted = syncTarget(target)
    const { signal, onProgress, onNeedNewRoot } = optionsOf(options)
    abortSignal(signal)
    callback(onProgress, 'options.onProgress')
    callback(onNeedNewRoot, 'options.onNeedNewRoot')
    const sync = this.#start(wanted, signal, { onProgress, onNeedNewRoot })
    this.#following.supersede('A call of sync')
    return sync
  }

  follow(source, options) {
    this.#checkOpen()
    return this.#following.start(source, options, {
      chainId: this.#network.chainId,
      listen: (listener) => Snaplight.listen(this, listener),
      state: () => ({ complete: this.complete, role: this.#role, isFirst: !this.#held.isWhole, holds: this.holds }),
      verify: (header, hash) => this.#read('header', header, hash),
      sync: (target, onProgress) => this.#start(target, undefined, { onProgress }),
      keepHeader: (target) => this.#headers.keep(target),
      tell: (event) => this.#tell(event),
    })
  }

  get following() {
    return this.#following.follow
  }

  progress() {
    try {
      if (!this.#closing) this.#take(this.#backend.progress())
    } catch {
      // The module crashed, which every other method says. Here the last numbers stay.
    }
    const raw = this.#raw.waiting ? this.#raw : { ...this.#raw, ...this.#unaimed() }
    return shapeProgress(raw, this.#peers.rows, this.#report)
  }

  async diagnostics() {
    const isClosed = this.#closing !== null
    let engine = null
    try {
      if (!isClosed && !this.#crash) engine = await this.#backend.diagnostics()
    } catch {
      // It has ended meanwhile. What is known here is all there is.
    }
    const following = this.following?.standing ?? null
    const { network, role, holds, states } = this
    return shapeDiagnostics({ error: this.#crash, isClosed, network, role, holds, states, progress: this.progress(), following }, engine)
  }

  hold(hold, options) {
    return quiet(async () => {
      oneOf(hold, ['everything', 'set'], 'hold')
      const { track = [] } = optionsOf(options)
      const version = await this.#change(hold === 'set' ? 'holdSet' : 'holdEverything', trackedBytes(track, 'options.track'))
      return this.complete && this.#held.proven(version)
    })
  }

  track(accounts) {
    return quiet(async () => this.#held.proven(await this.#change('track', trackedBytes(accounts))))
  }

  untrack(accounts) {
    return quiet(async () => {
      const version = await this.#change('untrack', trackedBytes(accounts, undefined, true))
      // A follower reads on until it hears of it.
      await this.#held.scoped(version)
    })
  }

  tracked() {
    return quiet(async () => trackedAccounts(await this.#read('tracked')))
  }

  at(state) {
    this.#checkOpen()
    const found = this.#held.find(state)
    const root = hashBytes(found.root)
    return new Snapshot(found, (method, ...args) => this.#read(method, ...args, root))
  }

  getAccount(address) {
    return this.#reads.getAccount(address)
  }

  getStorage(address, slots) {
    return this.#reads.getStorage(address, slots)
  }

  getCode(addressOrHash) {
    return this.#reads.getCode(addressOrHash)
  }

  getProof(address, slots) {
    return this.#reads.getProof(address, slots)
  }

  watch(target, options) {
    this.#checkOpen()
    const { address, slot } = watched(target)
    const { signal } = optionsOf(options)
    return new Watch(
      {
        listen: (listener) => Snaplight.listen(this, listener),
        isClosed: () => this.#closing !== null,
        version: () => this.#held.version,
        isSettled: () => this.#held.isSettled,
        read: () => (slot ? this.getStorage(address, slot) : this.getAccount(address)),
      },
      abortSignal(signal),
    )
  }

  close() {
    this.#closing ??= this.#close(`The database ${JSON.stringify(this.#name)} was closed while it synced; what is stored stays.`)
    return this.#closing
  }

  [Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose')]() {
    return this.close()
  }

  async #read(method, ...args) {
    this.#checkOpen()
    return this.#backend.read(method, ...args)
  }

  /** Resolves to the version of the scope that the backend names. */
  async #change(method, accounts) {
    this.#checkOpen()
    try {
      return await this.#held.changing(this.#backend.change(method, accounts))
    } finally {
      // Watches may know more now.
      this.#tellParts({ type: 'states' })
    }
  }

  /** Why nothing moves, if somebody waits for what is tracked and no sync runs that could bring it. */
  #unaimed() {
    const isFollower = this.#role === 'follower'
    if (this.#syncing.target || !this.#held.isAwaited || (this.complete && !isFollower)) return {}
    if (isFollower) return { waiting: 'whoever writes to this database, here or in another tab, has not completed it yet', waitingFor: 'writer' }
    const { state, waiting } = this.following?.standing ?? { waiting: 'no block was named: call follow or sync' }
    const words = waiting ?? (state === 'resting' ? 'the page is hidden, so nothing is followed' : null)
    return { waiting: words, waitingFor: words && 'head' }
  }

  #start(target, signal, callbacks) {
    // First, because the sync may end within the call.
    this.#report = null
    return this.#syncing.begin(target, signal, callbacks)
  }

  /** Ends the running sync, if there is one. */
  #end(report, error) {
    const { target } = this.#syncing
    if (!target) return
    this.#report = report
    if (report) this.#headers.keep(target)
    this.#syncing.end(this.#shaped(), report, error)
  }

  #shaped() {
    return shapeProgress(this.#raw, this.#peers.rows, this.#report)
  }

  async #close(message) {
    this.#end(null, new ClosedError('CLOSED', message))
    this.#held.end(this.#closedError())
    this.#tellEnd(this.#closedError())
    await this.#backend.close()
    this.#closePeers(closedByUser('the database was closed'))
  }

  #checkOpen() {
    if (this.#closing) throw this.#closedError()
  }

  #closedError() {
    return new ClosedError('CLOSED', `The database ${JSON.stringify(this.#name)} is closed; open it again to use it.`)
  }

  /** Takes the backend's newest numbers. */
  #take(raw) {
    this.#raw = raw
    this.#peers.take(raw.peers)
  }

  #peerClosed(id, closed, raw, state) {
    const peer = this.#peers.ended(id, closed, raw, state)
    if (peer) this.#tell({ type: 'peer', peer, state, closed })
  }

  #closePeers(closed) {
    for (const { id } of this.#peers.list) this.#peerClosed(id, closed, {}, 'closed')
  }

  #tell(event) {
    Object.freeze(event)
    this.#tellParts(event)
    if (this.#onEvent) call(this.#onEvent, event)
  }

  #tellParts(event) {
    for (const listener of [...this.#listeners]) listener(event)
  }

  #tellEnd(error) {
    this.#tellParts({ type: 'closed', error })
    this.#listeners.clear()
  }

  #listener() {
    return {
      onProgress: (raw, start) => {
        this.#take(raw)
        if (this.#syncing.isOf(start)) this.#syncing.publish(this.#shaped())
      },
      onStates: (held) => {
        const isAnother = this.#held.take(held)
        // No event for the state that is there when the database is opened.
        if (this.#backend && isAnother) this.#tell({ type: 'complete', complete: this.complete })
        this.#held.wake()
        this.#tellParts({ type: 'states' })
      },
      onSynced: (report, raw, start) => {
        this.#take(raw)
        if (this.#syncing.isOf(start)) this.#end(shapeReport(report), null)
      },
      onFailed: (error, start) => {
        if (error.code !== 'CANCELLED') this.#held.fail(error)
        if (this.#syncing.isOf(start)) this.#end(null, error)
      },
      onPeer: (id, state) => {
        const peer = this.#peers.moved(id, state)
        if (peer && state === 'ready') this.#tell({ type: 'peer', peer, state, closed: null })
      },
      onPeerClosed: (id, closed, row, state) => this.#peerClosed(id, closed, row, state),
      onRole: (role) => {
        this.#role = role
        if (this.#backend) this.#tell({ type: 'role', role })
      },
      onEvent: (event) => this.#tell(event),
      onLie: (id, lie) => this.#tell({ type: 'lie', peer: this.#peers.get(id), ...lie }),
      onEnded: () => {
        const message = `The database ${JSON.stringify(this.#name)} was deleted, by another tab or by the browser.`
        this.#closing ??= this.#close(message)
        this.#tell({ type: 'ended', message })
      },
      onCrashed: (error) => {
        this.#end(null, error)
        this.#held.end(error)
        this.#crash = error
        this.#tellEnd(error)
        this.#closePeers(closedByError(error))
      },
    }
  }
}
