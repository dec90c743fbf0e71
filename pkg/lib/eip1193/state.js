// The state that a block stands for, and reads of it.

import { Snaplight } from '../database.js'
import { readable } from '../held.js'
import { INTERNAL, ProviderRpcError, invalidParams, notFound } from './errors.js'

export class States {
  #db
  #onDemand
  /**
   * The Snapshot of each state that was read: to make one takes a quarter of a read. Bound: the
   * states of the database.
   */
  #snapshots = new WeakMap()
  /** The promise of the reads on demand, once there was a need. */
  #loaded = null

  /** @param {boolean} onDemand Whether what is not tracked is fetched. */
  constructor(db, onDemand) {
    this.#db = db
    this.#onDemand = onDemand
  }

  /** The number of the complete state's block. */
  number() {
    const { block } = this.locate({ tag: 'latest' })
    if (!block) throw notFound('NO_STATE', 'The complete state is known by its root only.')
    return block.number
  }

  /** The CompleteState of a block of params.js. */
  locate({ tag, number, hash, requireCanonical }) {
    const { complete, states } = this.#db
    if (tag === 'pending') throw invalidParams('nobody can prove "pending"; ask for "latest"')
    if (tag === 'latest') {
      if (!complete) throw notFound('NO_STATE', 'No state is complete yet.')
      return complete
    }
    const wantedHash = tag ? this.#followed(tag)?.hash : hash
    const state = states.find(({ block }) => block && (wantedHash ? block.hash === wantedHash : BigInt(block.number) === number))
    // The newest state comes first: of two blocks with a number, it replaced the other.
    const isReplaced = requireCanonical && state && states.find(({ block }) => block?.number === state.block.number) !== state
    if (!state || isReplaced) {
      throw notFound('NO_SUCH_STATE', `There is no state of the block ${wantedHash ?? number ?? tag} here${isReplaced ? ' any more' : ''}. ${readable(states)}`)
    }
    return state
  }

  /**
   * What is read of one state, as an array in the order of `wanted`.
   * @param {object[]} wanted Of accounts `{ address, slots, code }`, as `OnDemand` takes them.
   * @param {string} name The method of `Reads` that reads one of them.
   */
  async read(reference, wanted, name) {
    for (;;) {
      const state = this.locate(reference)
      try {
        return await this.#readOf(state, wanted, name)
      } catch (error) {
        // In a database of everything, a state is gone as soon as the next one is complete.
        const isGone = error.code === 'NO_SUCH_STATE' && reference.tag === 'latest' && this.#db.complete !== state
        if (!isGone) throw error
      }
    }
  }

  close() {
    this.#loaded?.then((onDemand) => onDemand.close()).catch(() => {})
  }

  async #readOf(state, wanted, name) {
    const read = (reads, { address, slots }) => reads[name](address, slots)
    const snapshot = this.#snapshots.get(state) ?? this.#db.at(state.block?.hash ?? state.root)
    this.#snapshots.set(state, snapshot)
    if (!this.#onDemand) return Promise.all(wanted.map((each) => read(snapshot, each)))
    const values = await Promise.all(wanted.map((each) => read(snapshot, each).catch(nullIfUntracked)))
    const missing = wanted.filter((_, at) => values[at] === null)
    if (missing.length === 0) return values
    const reads = await (await this.#load()).reads(state, missing)
    return Promise.all(wanted.map((each, at) => values[at] ?? read(reads, each)))
  }

  /** Most pages never need it, so it is loaded at the first need. */
  #load() {
    this.#loaded ??= import('../on-demand.js').then(
      ({ OnDemand }) => new OnDemand(this.#db),
      (cause) => {
        this.#loaded = null
        throw new ProviderRpcError(INTERNAL, 'Reads on demand could not be loaded. Bundle a service worker into one file.', undefined, cause)
      },
    )
    return this.#loaded
  }

  /** The Head that was followed by a tag. */
  #followed(tag) {
    const { safe, finalized } = Snaplight.followed(this.#db)
    // A block that is final is safe.
    return tag === 'finalized' || finalized?.number > (safe?.number ?? -1) ? finalized : safe
  }
}

function nullIfUntracked(error) {
  if (error.code === 'NOT_TRACKED' && !error.pending) return null
  throw error
}
