// What a follower keeps until it is the writer, and how the tabs of one database hear of each
// other.

import { CancelledError, LockedError, flattenError, reviveError } from './errors.js'
import { showTarget } from './input.js'
import { TABS_VERSION, isOfTab } from './messages/of-tabs.js'
import { ignore } from './messages/shapes.js'
import { reportOf } from './progress.js'

const WAITING = 'another tab has this database open to write; this one takes over when that closes'

/**
 * Carries messages between the tabs of one database. From the writer: `{ type: 'switched' |
 * 'repaired' | 'writer' }`, where `writer` is said by a new one, and `{ type: 'changed', id,
 * version | error }`. To it: `{ type: 'damaged', read }`, and `{ type: 'change', id, change }`,
 * which it answers. All of them have the `protocol` TABS_VERSION.
 */
export class Channel {
  #channel = null
  #isWriter

  /**
   * @param {string | null} name The database's; `null` for one in memory, which nobody shares.
   * @param {(message: object) => void} hear Gets what other tabs of this version post.
   * @param {() => boolean} isWriter Whether this is the writer.
   */
  constructor(name, hear, isWriter) {
    this.#isWriter = isWriter
    if (name === null || typeof BroadcastChannel !== 'function') return
    this.#channel = new BroadcastChannel(`snaplight:${name}`)
    this.#channel.onmessage = ({ data }) => {
      if (isOfTab(data)) return hear(data)
      ignore()
      this.#refuse(data)
    }
  }

  post(message) {
    this.#channel?.postMessage({ protocol: TABS_VERSION, ...message })
  }

  close() {
    this.#channel?.close()
    this.#channel = null
  }

  /** A tab of another version that asks for a change would wait for ever, so it gets an error. */
  #refuse(data) {
    if (data?.type !== 'change' || data.protocol === TABS_VERSION || !this.#isWriter()) return
    const error = new LockedError('LOCKED', 'The tab that writes to this database runs another version of Snaplight: reload it, and this page.')
    this.post({ protocol: data.protocol, type: 'changed', id: data.id, error: flattenError(error) })
  }
}

/** What waits until this is the writer: a sync, and the peers to be connected to. */
export class Follower {
  /** The target of a sync that waits, in bytes, or `null`. */
  target = null
  /** `{ url, by }` of peers by id. Bound: the caller's `addPeer`s. */
  peers = new Map()
  /** Why this can never be the writer, if it cannot. */
  error = null
  /**
   * Changes of the set that the writer has not answered, `{ change, resolve, reject }` by a random
   * id. Bound: the caller's calls.
   */
  #changes = new Map()

  /** Has the writer make a change. Resolves to the version of the scope that it names. */
  ask(change, post) {
    return new Promise((resolve, reject) => {
      const id = Math.random()
      this.#changes.set(id, { change, resolve, reject })
      post({ type: 'change', id, change })
    })
  }

  /** There is a new writer, and what was asked of the one before may be lost. Twice is as once. */
  askAgain(post) {
    for (const [id, { change }] of this.#changes) post({ type: 'change', id, change })
  }

  answered({ id, version, error }) {
    const asked = this.#changes.get(id)
    this.#changes.delete(id)
    if (error) asked?.reject(reviveError(error))
    else asked?.resolve(version)
  }

  rejectChanges(error) {
    for (const { reject } of this.#changes.values()) reject(error)
    this.#changes.clear()
  }

  /** What waits to be made by this one, with what takes its end. */
  takeChanges() {
    return [...this.#changes].map(([id, { change }]) => ({ change, settle: (end) => this.answered({ id, ...end }) }))
  }

  /** The report of the waiting sync, if the writer has completed its state meanwhile. */
  reportOn(state) {
    const wanted = this.target && showTarget(this.target)
    const isIt = wanted && state && (wanted.root === state.root || (state.block && wanted.blockHash === state.block.hash))
    if (!isIt) return null
    this.target = null
    return reportOf(state)
  }

  /** Gives up the waiting sync. Returns its error, or `null` if none waits. */
  cancel() {
    const { target } = this
    this.target = null
    return target && new CancelledError('CANCELLED', 'The sync was cancelled while it waited for another tab.')
  }

  /** Adds the waiting sync to the driver's progress, which does not know of it. */
  show(raw) {
    if (!this.target) return raw
    const { root = null } = showTarget(this.target)
    return { ...raw, phase: 'resuming', root, waiting: WAITING, waitingFor: 'writer' }
  }

  takeTarget() {
    const { target } = this
    this.target = null
    return target
  }

  takePeers() {
    const peers = [...this.peers]
    this.peers.clear()
    return peers
  }
}
