// The database in memory beside the one that is open. It has connections of its own to the same
// peers, and its set is what is asked for on demand.

import { Snaplight } from '../database.js'
import { trackedBytes } from '../input.js'
import { listed } from './keys.js'

export class Beside {
  #open
  #inside
  #stop
  /** The peers here by those of the open database, and the other way round. Bound: its peers. */
  #peers = new Map()
  #originals = new Map()
  #database

  /** Opens it beside `open`. */
  static async open(open) {
    const beside = new Beside()
    beside.#open = open
    const { beside: opened } = Snaplight.inside(open)
    beside.#database = await opened((event) => beside.#hear(event))
    beside.#inside = Snaplight.inside(beside.#database)
    try {
      beside.#stop = Snaplight.listen(open, (event) => beside.#follow(event))
    } catch (error) {
      await beside.#database.close()
      throw error
    }
    for (const peer of Snaplight.inside(open).sources.keys()) beside.#add(peer)
    return beside
  }

  get hasPeers() {
    return this.#database.peers.length > 0
  }

  /** Roots of the states that can be read. */
  get roots() {
    return this.#database.states.map(({ root }) => root)
  }

  get root() {
    return this.#database.complete?.root
  }

  progress() {
    return this.#database.progress()
  }

  sync(target, options) {
    return this.#database.sync(target, options)
  }

  read(...args) {
    return this.#inside.read(...args)
  }

  /** Changes the set. Resolves when it is changed; what is proven comes by a sync. */
  track(keys) {
    return this.#inside.change('track', trackedBytes(listed(keys).parts))
  }

  /** The same for keys that are not wanted any more. */
  async untrack(keys) {
    const { parts, whole } = listed(keys)
    const list = parts.map((part) => (whole.has(part.address) ? part.address : part))
    if (list.length > 0) await this.#inside.change('untrack', trackedBytes(list, undefined, true))
  }

  close() {
    this.#stop()
    return this.#database.close()
  }

  #add(original) {
    const [target, options] = Snaplight.inside(this.#open).sources.get(original) ?? []
    if (!target) return
    try {
      const peer = this.#database.addPeer(target, options)
      this.#peers.set(original, peer)
      this.#originals.set(peer, original)
      peer.closed.then(() => {
        this.#peers.delete(original)
        this.#originals.delete(peer)
      })
    } catch {
      // It is closed or has crashed, which the next call says.
    }
  }

  /** What happens to the open database. */
  #follow({ type, peer, state }) {
    if (type === 'added') this.#add(peer)
    else if (type === 'peer' && state === 'closed') this.#peers.get(peer)?.close()
  }

  /** What happens here. A lie is told as one of the peer that the caller knows. */
  #hear({ type, peer, ...event }) {
    const original = this.#originals.get(peer)
    if (type === 'lie' && original) Snaplight.inside(this.#open).tell({ type, peer: original, ...event })
  }
}
