// The public class Snaplight. It works on a backend: the wasm module in this realm (local.js), or a
// worker at the other end of a MessagePort (remote.js).
//
// A backend has: addPeer(id, target, by, reconnect), closePeer(id), startSync(target, start),
// cancelSync(), account(address), storage(address, slot), code(addressOrHash), close(), progress().
// Arguments are checked, and bytes where they are hexadecimal for the user. It calls the listener
// given to it: onProgress(raw, start), onComplete(state), onSynced(report, raw, start),
// onFailed(error, start), onPeer(id, state), onPeerClosed(id, closed, row, state), onRole(role),
// onEvent(event), onEnded(), onCrashed(error). The state after a connection has ended is `waiting`
// or `closed`.
//
// `start` counts the calls of startSync. A worker's message may be on its way while the next call
// is made, so the end of a sync says which call it ends.

import { shapeAccount, shapeCode, shapeSlot } from './answers.js'
import { CancelledError, ClosedError } from './errors.js'
import { abortSignal, addressBytes, askedBy, bad, addressOrHashBytes, callback, optionsOf, showTarget, slotBytes, syncTarget, toHex } from './input.js'
import { Peer, closedByError, closedByUser, defaultName } from './peer.js'
import { forgetOldRows, idle, newRow, shapePeer, shapeProgress, shapeReport, updateRows } from './progress.js'
import { Sync } from './sync.js'

export class Snaplight {
  #name
  #network
  #backend
  #role = 'writer'
  #onEvent
  /** The last complete state that the backend has told of. */
  #complete = null
  /** Peers that are not closed, by id. */
  #peers = new Map()
  /** PeerStats of open peers and of the last closed ones, by id. */
  #rows = new Map()
  /** The rows of open peers as they were when their last connection ended, by id. */
  #earlier = new Map()
  #nextPeer = 1
  /** How often startSync was called. */
  #starts = 0
  /** The controls of the running sync, or `null`. */
  #running = null
  /** The report of the last sync, until the next one starts. */
  #report = null
  #raw = idle()
  /** The promise of `close()` once it was called. */
  #closing = null

  /**
   * Made by `open`, which connects it to a backend through `connect`.
   * @param {(listener: object) => Promise<object>} connect Resolves to the backend.
   */
  static async open({ name, network }, onEvent, connect) {
    const database = new Snaplight()
    database.#name = name
    database.#network = Object.freeze({ id: network.id, genesisHash: toHex(network.genesisHash) })
    database.#onEvent = onEvent
    database.#backend = await connect(database.#listener())
    return database
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
    return this.#complete
  }

  get peers() {
    return [...this.#peers.values()]
  }

  addPeer(target, options) {
    this.#checkOpen()
    const { name, by: wantedBy, reconnect = true } = optionsOf(options)
    const by = askedBy(wantedBy)
    if (typeof reconnect !== 'boolean') bad('options.reconnect', 'a boolean', reconnect)
    const id = this.#nextPeer++
    const peer = new Peer(id, () => this.#rows.get(id), () => this.#backend.closePeer(id))
    // Noted before the backend hears of it: an open socket may be greeted, or even be lost, before
    // the call returns.
    this.#rows.set(id, newRow(id, name === undefined ? defaultName(id, target) : String(name), by))
    this.#peers.set(id, peer)
    try {
      this.#backend.addPeer(id, target, by, reconnect)
    } catch (error) {
      this.#rows.delete(id)
      this.#peers.delete(id)
      throw error
    }
    return peer
  }

  sync(target, options) {
    this.#checkOpen()
    const wanted = syncTarget(target)
    const { signal, onProgress, onNeedNewRoot } = optionsOf(options)
    abortSignal(signal)
    callback(onProgress, 'options.onProgress')
    callback(onNeedNewRoot, 'options.onNeedNewRoot')
    return this.#start(wanted, signal, { onProgress, onNeedNewRoot })
  }

  progress() {
    try {
      if (!this.#closing) this.#take(this.#backend.progress())
    } catch {
      // The module crashed, which every other method says. Here the last numbers stay.
    }
    return shapeProgress(this.#raw, this.#rows, this.#report)
  }

  async getAccount(address) {
    this.#checkOpen()
    const bytes = addressBytes(address)
    return shapeAccount(bytes, await this.#backend.account(bytes))
  }

  async getStorage(address, slot) {
    this.#checkOpen()
    const [addressAsBytes, slotAsBytes] = [addressBytes(address), slotBytes(slot)]
    return shapeSlot(addressAsBytes, slotAsBytes, await this.#backend.storage(addressAsBytes, slotAsBytes))
  }

  async getCode(addressOrHash) {
    this.#checkOpen()
    return shapeCode(await this.#backend.code(addressOrHashBytes(addressOrHash)))
  }

  close() {
    this.#closing ??= this.#close(`The database ${JSON.stringify(this.#name)} was closed while it synced; what is stored stays.`)
    return this.#closing
  }

  [Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose')]() {
    return this.close()
  }

  /**
   * Starts a sync. If one runs, the engine moves to the new target and keeps all it has; only the
   * caller of the earlier sync has to be told.
   */
  #start(target, signal, callbacks) {
    const running = { ...callbacks, start: ++this.#starts, refused: null, publish: null, settle: null, stopListening: () => {} }
    const sync = new Sync(showTarget(target), {
      stop: () => this.#cancel(running),
      move: (next) => this.#move(running, next),
      handOver: (controls) => Object.assign(running, controls),
    })
    const before = this.#running
    this.#running = running
    this.#report = null
    if (signal) {
      const onAbort = () => sync.cancel(signal.reason)
      signal.addEventListener('abort', onAbort, { once: true })
      running.stopListening = () => signal.removeEventListener('abort', onAbort)
    }
    try {
      this.#backend.startSync(target, running.start)
    } catch (error) {
      // The caller gets this error and no promise, so no promise may reject.
      this.#running = before
      running.stopListening()
      throw error
    }
    if (before) this.#supersede(before, sync)
    if (signal?.aborted) sync.cancel(signal.reason)
    return sync
  }

  #supersede(before, sync) {
    before.stopListening()
    const words = Object.entries(sync.target).join(' ').replace(',', ' ')
    before.settle(null, new CancelledError('CANCELLED', `A newer sync, to ${words}, took over; nothing that this one stored is lost.`))
  }

  /** Gives the same sync another target. */
  #move(running, target) {
    this.#checkOpen()
    const wanted = syncTarget(target)
    if (this.#running === running) {
      const before = running.start
      // Set before the call, because the sync may end within it.
      running.start = ++this.#starts
      try {
        this.#backend.startSync(wanted, running.start)
      } catch (error) {
        running.start = before
        throw error
      }
    }
    return showTarget(wanted)
  }

  #cancel(running) {
    if (this.#running === running && !this.#closing) this.#backend.cancelSync()
  }

  /** Ends the running sync, if there is one, after showing it its last progress. */
  #end(report, error) {
    const running = this.#running
    if (!running) return
    this.#running = null
    this.#report = report
    running.stopListening()
    this.#publish(running)
    running.settle(report, error)
  }

  #publish(running) {
    const progress = shapeProgress(this.#raw, this.#rows, this.#report)
    running.publish(progress)
    if (running.onProgress) call(running.onProgress, progress)
    const { needNewRoot } = progress
    // Called once for each root that all peers refuse.
    if (needNewRoot && needNewRoot.root !== running.refused && running.onNeedNewRoot) call(running.onNeedNewRoot, needNewRoot)
    running.refused = needNewRoot && needNewRoot.root
  }

  async #close(message) {
    this.#end(null, new ClosedError('CLOSED', message))
    await this.#backend.close()
    this.#closePeers(closedByUser('the database was closed'))
  }

  #checkOpen() {
    if (this.#closing) {
      throw new ClosedError('CLOSED', `The database ${JSON.stringify(this.#name)} is closed; open it again to use it.`)
    }
  }

  /** Takes the backend's newest numbers. */
  #take(raw) {
    this.#raw = raw
    updateRows(this.#rows, raw.peers, this.#earlier)
  }

  /** A connection has ended. The state is `waiting` if the peer is connected to again. */
  #peerClosed(id, closed, raw, state) {
    const peer = this.#peers.get(id)
    if (!peer) return
    const row = { ...this.#rows.get(id), ...shapePeer(raw, this.#earlier.get(id)), state, closed, requestsInFlight: 0 }
    this.#rows.set(id, row)
    if (state === 'waiting') {
      this.#earlier.set(id, row)
    } else {
      this.#earlier.delete(id)
      this.#peers.delete(id)
      forgetOldRows(this.#rows)
      Peer.closed(peer, closed, row)
    }
    this.#tell({ type: 'peer', peer, state, closed })
  }

  #closePeers(closed) {
    for (const id of [...this.#peers.keys()]) this.#peerClosed(id, closed, {}, 'closed')
  }

  #tell(event) {
    if (this.#onEvent) call(this.#onEvent, Object.freeze(event))
  }

  #listener() {
    return {
      onProgress: (raw, start) => {
        this.#take(raw)
        if (this.#running?.start === start) this.#publish(this.#running)
      },
      onComplete: (state) => {
        const before = this.#complete
        this.#complete = state && Object.freeze({ ...state, block: state.block && Object.freeze(state.block) })
        // No event for new counts of the same state: codes that it does not name were deleted.
        const isSame = state?.root === before?.root && state?.block?.hash === before?.block?.hash
        // No event for the state that is there when the database is opened.
        if (this.#backend && !isSame) this.#tell({ type: 'complete', complete: this.#complete })
      },
      onSynced: (report, raw, start) => {
        this.#take(raw)
        if (this.#running?.start === start) this.#end(shapeReport(report), null)
      },
      onFailed: (error, start) => {
        if (this.#running?.start === start) this.#end(null, error)
      },
      onPeer: (id, state) => {
        const row = this.#rows.get(id)
        if (!row || row.state === 'closed') return
        const isReady = state === 'ready'
        this.#rows.set(id, { ...row, state, closed: isReady ? null : row.closed })
        if (isReady) this.#tell({ type: 'peer', peer: this.#peers.get(id), state, closed: null })
      },
      onPeerClosed: (id, closed, row, state) => this.#peerClosed(id, closed, row, state),
      onRole: (role) => {
        this.#role = role
        if (this.#backend) this.#tell({ type: 'role', role })
      },
      onEvent: (event) => this.#tell(event),
      onEnded: () => {
        const message = `The database ${JSON.stringify(this.#name)} was deleted, by another tab or by the browser.`
        this.#closing ??= this.#close(message)
        this.#tell({ type: 'ended', message })
      },
      onCrashed: (error) => {
        this.#end(null, error)
        this.#closePeers(closedByError(error))
      },
    }
  }
}

/**
 * Calls a user's callback. An error that it throws is reported as uncaught and does not harm the
 * sync.
 */
function call(callback, argument) {
  try {
    callback(argument)
  } catch (error) {
    if (typeof reportError === 'function') reportError(error)
    else setTimeout(() => { throw error })
  }
}
