// The peers of a database: those that are not closed, and the PeerStats of these and of the last
// closed ones.

import { askedBy, bad, boolean, isProvider, optionsOf, peerUrl } from './input.js'
import { Peer, defaultName } from './peer.js'
import { forgetOldRows, newRow, shapePeer, updateRows } from './progress.js'

export class Peers {
  /** Those that are not closed, by id. Bound: the caller's `addPeer`s. */
  #open = new Map()
  /** `[target, options]` of those that were given by a URL or are providers, by Peer. */
  #sources = new Map()
  /** PeerStats of open peers and of the last closed ones, by id. */
  #rows = new Map()
  /** The rows of open peers as they were when their last connection ended, by id. */
  #earlier = new Map()
  #lastId = 0

  get list() {
    return [...this.#open.values()]
  }

  get rows() {
    return this.#rows
  }

  get sources() {
    return this.#sources
  }

  get(id) {
    return this.#open.get(id)
  }

  /**
   * Notes a new peer, and has the backend connect to it.
   * @param {{addPeer: Function, closePeer: Function}} backend
   */
  add(target, options, backend) {
    const { name, by: wantedBy, reconnect = true } = optionsOf(options)
    const by = askedBy(wantedBy, target)
    boolean(reconnect, 'options.reconnect')
    const isUrl = peerUrl(target, by) !== null
    if (!isUrl && by === 'rpc' && !isProvider(target)) bad('peer', "a provider's URL, or an object with request({ method, params })", target)
    const isSource = isUrl || by === 'rpc'
    const id = ++this.#lastId
    const peer = new Peer(id, () => this.#rows.get(id), () => backend.closePeer(id))
    // Noted before the backend hears of it: an open socket may be greeted, or even be lost, before
    // the call returns.
    this.#rows.set(id, newRow(id, name === undefined ? defaultName(id, target) : String(name), by))
    this.#open.set(id, peer)
    if (isSource) this.#sources.set(peer, [target, { name: peer.name, by, reconnect }])
    try {
      backend.addPeer(id, target, by, reconnect)
    } catch (error) {
      this.#rows.delete(id)
      this.#forget(id, peer)
      throw error
    }
    return peer
  }

  /** Takes the backend's newest numbers. */
  take(raw) {
    updateRows(this.#rows, raw, this.#earlier)
  }

  /** A peer's connection has come so far. Returns the peer, or `null` if it is closed. */
  moved(id, state) {
    const row = this.#rows.get(id)
    if (!row || row.state === 'closed') return null
    this.#rows.set(id, { ...row, state, closed: state === 'ready' ? null : row.closed })
    return this.#open.get(id)
  }

  /**
   * A connection has ended. The state is `waiting` if the peer is connected to again. Returns the
   * peer, or `null` if it is closed already.
   */
  ended(id, closed, raw, state) {
    const peer = this.#open.get(id)
    if (!peer) return null
    const row = { ...this.#rows.get(id), ...shapePeer(raw, this.#earlier.get(id)), state, closed, requestsInFlight: 0 }
    this.#rows.set(id, row)
    if (state === 'waiting') {
      this.#earlier.set(id, row)
    } else {
      this.#forget(id, peer)
      forgetOldRows(this.#rows)
      Peer.closed(peer, closed, row)
    }
    return peer
  }

  #forget(id, peer) {
    this.#earlier.delete(id)
    this.#open.delete(id)
    this.#sources.delete(peer)
  }
}
