// What a database knows of following: the follow that runs, and what follows have left.

import { CancelledError } from '../errors.js'
import { Follow, followPlan } from '../follow.js'
import { headerTexts } from '../header.js'
import { toHex } from '../input.js'

/**
 * Headers that are remembered: those of as many states as can be read, MAX_KEPT of
 * src/state/record.rs.
 */
const KEPT_HEADERS = 8

export class Following {
  /** The Follow that runs, or `null`. */
  follow = null
  /** The newest Head that a follow completed, by its tag. */
  completed = { latest: null, safe: null, finalized: null }
  /** Verified headers of blocks that were synced to, by hash, the oldest first. Bound: KEPT_HEADERS. */
  headers = new Map()
  /** Ends the follow that runs. */
  #end = () => {}

  /** @param {object} engine Of loop.js, and `chainId`, and `listen(listener)` of Snaplight. */
  start(source, options, engine) {
    const plan = followPlan(source, options, engine.chainId)
    let controls
    const stopListening = engine.listen(({ type, error }) => {
      if (type === 'closed') controls.end(error)
      else if (type === 'states' || type === 'role') controls.refresh()
    })
    this.supersede('Another follow')
    const follow = new Follow(plan, engine, {
      handOver: (given) => {
        controls = given
      },
      completed: (head) => {
        this.completed[plan.tag] = head
      },
      ended: () => {
        stopListening()
        this.follow = null
        this.#end = () => {}
      },
    })
    this.follow = follow
    this.#end = controls.end
    controls.begin()
    return follow
  }

  /** @param {string} by What took over. */
  supersede(by) {
    this.#end(new CancelledError('CANCELLED', `${by} took over from this follow; what is stored stays.`))
  }

  /** Keeps the header of a sync's target, which the sync has verified, if it came as JSON. */
  keepHeader({ header, blockHash }) {
    if (!header || header instanceof Uint8Array) return
    const hash = toHex(blockHash)
    // The newest is the last one, also if it was there before.
    this.headers.delete(hash)
    this.headers.set(hash, Object.freeze({ ...headerTexts(header), hash }))
    if (this.headers.size > KEPT_HEADERS) this.headers.delete(this.headers.keys().next().value)
  }
}
