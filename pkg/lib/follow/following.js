// What a database knows of following: the follow that runs, and what follows have left.

import { CancelledError } from '../errors.js'
import { followPlan } from '../follow.js'
import { headOf } from './line.js'
import { Loop } from './loop.js'

export class Following {
  /** The newest Head that a follow completed, by its tag; none before. */
  heads = {}
  /** The Loop of the follow that runs, or `null`. */
  #loop = null

  get follow() {
    return this.#loop?.follow ?? null
  }

  /** @param {object} engine Of loop.js, and `chainId`. */
  start(source, options, engine) {
    const loop = new Loop(followPlan(source, options, engine.chainId), engine, this)
    // Whoever hears of the end of one may start another one.
    while (this.#loop) this.supersede('Another follow')
    this.#loop = loop
    loop.begin()
    return loop.follow
  }

  /** @param {string} by What takes over. */
  supersede(by) {
    this.#loop?.end(new CancelledError('CANCELLED', `${by} took over; what is stored stays.`))
  }

  /** A follow has ended. */
  ended(loop) {
    if (this.#loop === loop) this.#loop = null
  }

  /** The follow has got to this block, if it is one. */
  completed(tag, block) {
    if (block) this.heads[tag] = headOf(block)
  }
}
