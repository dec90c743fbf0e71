// The state that a block stands for, and reads of it.

import { Snaplight } from '../database.js'
import { NotTrackedError } from '../errors.js'
import { invalidParams, notFound } from './errors.js'

/** Stands for an answer that has to be fetched first. */
const MISSING = Symbol('missing')

export class States {
  #db
  #onDemand
  /** The promise of the reads on demand, once there was a need. */
  #loaded = null

  /** @param {boolean} onDemand Whether what is not tracked is fetched. */
  constructor(db, onDemand) {
    this.#db = db
    this.#onDemand = onDemand
  }

  /** The complete state. */
  newest() {
    return this.#db.complete ?? missing('NO_STATE', 'No state is complete yet, so there is nothing to read.')
  }

  /** The number of the complete state's block. */
  number() {
    return this.newest().block?.number ?? missing('NO_STATE', 'The complete state was synced to by its root, so the number of its block is not known.')
  }

  /** The hash of a block (of params.js), or the root of a state without one. */
  locate({ tag, number, hash, requireCanonical }) {
    if (tag === 'pending') throw invalidParams('the block "pending" cannot be proven, because its state is in no block yet; ask for "latest"')
    if (tag === 'latest') return keyOf(this.newest())
    if (tag === 'safe' || tag === 'finalized') return this.#followed(tag)
    if (!hash) return keyOf(this.#db.at(number ?? 0))
    // A state can be named by its root elsewhere. Here the hash is a block's.
    const block = this.#db.states.find(({ block }) => block?.hash === hash)?.block
    if (!block) return missing('NO_SUCH_STATE', `There is no state of the block ${hash} here.`)
    if (requireCanonical && this.#db.at(block.number).block.hash !== hash) return missing('NO_SUCH_STATE', `The block ${hash} was replaced by another one.`)
    return hash
  }

  /** What one read gives. */
  async readOne(reference, wanted, read) {
    return (await this.read(reference, [{ wanted, read }]))[0]
  }

  /**
   * What is read of one state, as an array in the order of `parts`.
   * @param {object[]} parts `{ wanted, read }` each: `read(reads)` reads it of a `Reads`, and `wanted`
   *   is what `OnDemand` is asked for if it is not tracked.
   */
  async read(reference, parts) {
    for (;;) {
      const key = this.locate(reference)
      try {
        return await this.#readAt(this.#db.at(key), parts)
      } catch (error) {
        // In a database of everything, a state is gone as soon as the next one is complete.
        const isGone = error.code === 'NO_SUCH_STATE' && reference.tag === 'latest' && keyOf(this.newest()) !== key
        if (!isGone) throw error
      }
    }
  }

  close() {
    this.#loaded?.then((onDemand) => onDemand.close()).catch(() => {})
  }

  async #readAt(snapshot, parts) {
    if (!this.#onDemand) return Promise.all(parts.map(({ read }) => read(snapshot)))
    const values = await Promise.all(parts.map(({ read }) => read(snapshot).catch(missingIfUntracked)))
    const missing = parts.filter((_, at) => values[at] === MISSING)
    if (missing.length === 0) return values
    const state = this.#db.states.find((each) => keyOf(each) === keyOf(snapshot))
    if (!state) throw new NotTrackedError('NO_SUCH_STATE', 'The state cannot be read any more.')
    const reads = await (await this.#load()).reads(state, missing.map(({ wanted }) => wanted))
    return Promise.all(parts.map(({ read }, at) => (values[at] === MISSING ? read(reads) : values[at])))
  }

  #load() {
    this.#loaded ??= import('../on-demand.js').then(({ OnDemand }) => new OnDemand(this.#db))
    this.#loaded.catch(() => (this.#loaded = null))
    return this.#loaded
  }

  #followed(tag) {
    const { safe, finalized } = Snaplight.followed?.(this.#db) ?? {}
    // A block that is final is safe.
    const head = tag === 'safe' && (!finalized || safe?.number >= finalized.number) ? safe : finalized
    return head?.hash ?? missing('NO_SUCH_STATE', `No block was followed by the tag ${tag}.`)
  }
}

function keyOf({ root, block }) {
  return block?.hash ?? root
}

function missing(code, message) {
  throw notFound(code, message)
}

function missingIfUntracked(error) {
  if (error.code === 'NOT_TRACKED' && !error.pending) return MISSING
  throw error
}
