// What a database knows of following: the follow that runs, and what follows have left.

import { CancelledError } from '../errors.js'
import { followPlan } from '../follow.js'
import { headerTexts } from '../header.js'
import { toHex } from '../input.js'
import { trim } from './line.js'
import { Loop } from './loop.js'

/**
 * Headers that are remembered: those of as many states as can be read, MAX_KEPT of
 * src/state/record.rs.
 */
const KEPT_HEADERS = 8

export class Following {
  /** The newest Head that a follow completed, by its tag. */
  heads = { latest: null, safe: null, finalized: null }
  /** Verified headers of complete states, by hash, the oldest first. Bound: KEPT_HEADERS. */
  headers = new Map()
  /** The Loop of the follow that runs, or `null`. */
  #loop = null

  get follow() {
    return this.#loop?.follow ?? null
  }

  /** @param {object} engine Of loop.js, and `chainId`. */
  start(source, options, engine) {
    const loop = new Loop(followPlan(source, options, engine.chainId), engine, this)
    this.supersede('Another follow')
    this.#loop = loop
    loop.begin()
    return loop.follow
  }

  /** @param {string} by What takes over. */
  supersede(by) {
    this.#loop?.end(new CancelledError('CANCELLED', `${by} took over from this follow; what is stored stays.`))
  }

  /** The follow has ended. */
  ended() {
    this.#loop = null
  }

  /** The follow has got so far: to a block, and to the target that names it, if they are known. */
  completed(tag, block, target) {
    if (block) this.heads[tag] = Object.freeze({ number: block.number, hash: block.hash })
    if (target) this.keepHeader(target)
  }

  /** Keeps the verified header of a target, if it came as JSON. */
  keepHeader({ header, blockHash }) {
    if (!header || header instanceof Uint8Array) return
    const hash = toHex(blockHash)
    // The newest is the last one, also if it was there before.
    this.headers.delete(hash)
    this.headers.set(hash, Object.freeze({ ...headerTexts(header), hash }))
    trim(this.headers, KEPT_HEADERS)
  }
}
