// What a database knows of following: the follow that runs, and what follows have left.

import { CancelledError } from '../errors.js'
import { Follow } from '../follow.js'
import { headOf } from './line.js'
import { followPlan } from './plan.js'

export class Following {
  /** The newest Head that a follow completed, by its tag; none before. */
  heads = {}
  /** The Follow that runs, or `null`. */
  follow = null

  /** @param {object} engine Of follow.js, and `chainId`. */
  start(source, options, engine) {
    const follow = new Follow(followPlan(source, options, engine.chainId), engine, this)
    // Whoever hears of the end of one may start another one.
    while (this.follow) this.supersede('Another follow')
    this.follow = follow
    Follow.begin(follow)
    return follow
  }

  /** @param {string} by What takes over. */
  supersede(by) {
    if (this.follow) Follow.supersede(this.follow, new CancelledError('CANCELLED', `${by} took over; what is stored stays.`))
  }

  /** A follow has ended. */
  ended(follow) {
    if (this.follow === follow) this.follow = null
  }

  /** The follow has got to this block, if it is one. */
  completed(tag, block) {
    if (block) this.heads[tag] = headOf(block)
  }
}
