// The public classes Snaplight and Peer, written once on top of a backend: the wasm module in this realm (local.js),
// or a worker at the other end of a MessagePort (remote.js).
//
// A backend has: addPeer(id, target), closePeer(id), startSync(root), cancelSync(), account(address),
// storage(address, slot), code(addressOrHash), close(), progress(). Arguments are checked and in bytes. It tells the
// listener given to it: onProgress(raw), onComplete(state), onSynced(report, raw), onFailed(error), onPeer(id, state),
// onPeerClosed(id, by, code, reason, row), onCrashed(error).

import { ClosedError, MisuseError } from './errors.js'
import { abortSignal, addressBytes, addressOrHashBytes, callback, hashBytes, optionsOf, slotBytes, toHex } from './input.js'
import { IDLE, forgetOldRows, newRow, shapeProgress, shapeReport, updateRows } from './progress.js'
import { Sync } from './sync.js'

export class Snaplight {
  #name
  #network
  #backend
  /** The last complete state, as the backend last told. */
  #complete = null
  /** Peers that are not closed, by id. */
  #peers = new Map()
  /** PeerStats of open peers and of the last closed ones, by id. */
  #rows = new Map()
  #nextPeer = 1
  /** The controls of the running sync, or `null`. */
  #running = null
  /** The report of the last sync, until the next one starts. */
  #report = null
  #raw = IDLE
  /** The promise of `close()` once it was called. */
  #closing = null

  /**
   * Made by `open`, which connects it to a backend through `connect`.
   * @param {(listener: object) => Promise<object>} connect Resolves to the backend.
   */
  static async open(name, network, connect) {
    const database = new Snaplight()
    database.#name = name
    database.#network = Object.freeze({ id: network.id, genesisHash: toHex(network.genesisHash) })
    database.#backend = await connect(database.#listener())
    return database
  }

  get name() {
    return this.#name
  }

  get network() {
    return this.#network
  }

  get complete() {
    return this.#complete
  }

  get peers() {
    return [...this.#peers.values()]
  }

  addPeer(target, options) {
    this.#checkOpen()
    const { name } = optionsOf(options)
    const id = this.#nextPeer++
    const peer = new Peer(id, () => this.#rows.get(id), () => this.#backend.closePeer(id))
    // Known before the backend hears of it: an open socket may be greeted, or even be lost, before its call returns.
    this.#rows.set(id, newRow(id, name === undefined ? defaultName(id, target) : String(name)))
    this.#peers.set(id, peer)
    try {
      this.#backend.addPeer(id, target)
    } catch (error) {
      this.#rows.delete(id)
      this.#peers.delete(id)
      throw error
    }
    return peer
  }

  sync(root, options) {
    this.#checkOpen()
    const rootBytes = hashBytes(root, 'root')
    const { signal, onProgress } = optionsOf(options)
    abortSignal(signal)
    callback(onProgress, 'options.onProgress')
    if (this.#running) {
      throw new MisuseError('SYNC_RUNNING', `The sync to ${this.#running.root} is still running; await or cancel it before starting another.`)
    }
    return this.#start(rootBytes, signal, onProgress)
  }

  progress() {
    try {
      if (!this.#closing) this.#take(this.#backend.progress())
    } catch {
      // It crashed, which everything else says; here the last numbers stand.
    }
    return shapeProgress(this.#raw, this.#rows, this.#report)
  }

  async getAccount(address) {
    this.#checkOpen()
    const bytes = addressBytes(address)
    const found = await this.#backend.account(bytes)
    return { address: toHex(bytes), ...found, balance: BigInt(found.balance) }
  }

  async getStorage(address, slot) {
    this.#checkOpen()
    const [addressAsBytes, slotAsBytes] = [addressBytes(address), slotBytes(slot)]
    const { value, root } = await this.#backend.storage(addressAsBytes, slotAsBytes)
    return { address: toHex(addressAsBytes), slot: toHex(slotAsBytes), value: BigInt(value), root }
  }

  async getCode(addressOrHash) {
    this.#checkOpen()
    return this.#backend.code(addressOrHashBytes(addressOrHash))
  }

  close() {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose')]() {
    return this.close()
  }

  #start(rootBytes, signal, onProgress) {
    const root = toHex(rootBytes)
    const running = { root, onProgress, publish: null, settle: null, stopListening: () => {} }
    const sync = new Sync(root, () => this.#cancel(running), (controls) => Object.assign(running, controls))
    this.#running = running
    this.#report = null
    if (signal) {
      const onAbort = () => sync.cancel(signal.reason)
      signal.addEventListener('abort', onAbort, { once: true })
      running.stopListening = () => signal.removeEventListener('abort', onAbort)
    }
    try {
      this.#backend.startSync(rootBytes)
    } catch (error) {
      // Thrown, and so not also the rejection of a promise that nobody has.
      this.#running = null
      running.stopListening()
      throw error
    }
    if (signal?.aborted) sync.cancel(signal.reason)
    return sync
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
    if (!running.onProgress) return
    try {
      running.onProgress(progress)
    } catch (error) {
      reportUncaught(error)
    }
  }

  async #close() {
    const message = `The database ${JSON.stringify(this.#name)} was closed while it synced; what is stored stays.`
    this.#end(null, new ClosedError('CLOSED', message))
    await this.#backend.close()
    for (const id of this.#peers.keys()) this.#peerClosed(id, { by: 'user', code: 1000, reason: 'the database was closed' })
  }

  #checkOpen() {
    if (this.#closing) {
      throw new ClosedError('CLOSED', `The database ${JSON.stringify(this.#name)} is closed; open it again to use it.`)
    }
  }

  /** Takes the driver's newest numbers over. */
  #take(raw) {
    this.#raw = raw
    updateRows(this.#rows, raw.peers)
  }

  #peerClosed(id, closed, row) {
    const peer = this.#peers.get(id)
    if (!peer) return
    this.#peers.delete(id)
    this.#rows.set(id, { ...this.#rows.get(id), ...row, state: 'closed', requestsInFlight: 0 })
    forgetOldRows(this.#rows)
    Peer.closed(peer, closed, this.#rows.get(id))
  }

  #listener() {
    return {
      onProgress: (raw) => {
        this.#take(raw)
        if (this.#running) this.#publish(this.#running)
      },
      onComplete: (state) => {
        this.#complete = state && Object.freeze({ ...state })
      },
      onSynced: (report, raw) => {
        this.#take(raw)
        this.#end(shapeReport(report), null)
      },
      onFailed: (error) => this.#end(null, error),
      onPeer: (id, state) => {
        const row = this.#rows.get(id)
        if (row && row.state !== 'closed') this.#rows.set(id, { ...row, state })
      },
      onPeerClosed: (id, by, code, reason, row) => this.#peerClosed(id, { by, code, reason }, row),
      onCrashed: (error) => {
        this.#end(null, error)
        for (const id of this.#peers.keys()) this.#peerClosed(id, { by: 'fault', code: 1006, reason: error.message })
      },
    }
  }
}

export class Peer {
  #id
  #row
  #close
  #closed
  #resolveClosed

  /** Made by `Snaplight.addPeer`. */
  constructor(id, row, close) {
    this.#id = id
    this.#row = row
    this.#close = close
    this.#closed = new Promise((resolve) => {
      this.#resolveClosed = resolve
    })
  }

  get id() {
    return this.#id
  }

  get name() {
    return this.stats.name
  }

  get state() {
    return this.stats.state
  }

  get stats() {
    return this.#row()
  }

  get closed() {
    return this.#closed
  }

  close() {
    if (this.state !== 'closed') this.#close()
  }

  /** Internal: the connection is gone; `lastRow` is what stays of its numbers, since the database forgets old ones. */
  static closed(peer, closed, lastRow) {
    peer.#row = () => lastRow
    peer.#resolveClosed(closed)
  }
}

function defaultName(id, target) {
  try {
    return typeof target === 'string' || target instanceof URL ? new URL(target).host : `peer ${id}`
  } catch {
    return `peer ${id}`
  }
}

/** A caller's own error in a callback goes where its other uncaught errors go, not into the sync. */
function reportUncaught(error) {
  if (typeof reportError === 'function') reportError(error)
  else setTimeout(() => { throw error })
}
