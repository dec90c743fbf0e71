// A running sync as its caller sees it: a promise of the report and an async iterable of the
// progress.

import { CancelledError, MisuseError } from './errors.js'
import { Running } from './running.js'

export class Sync extends Running {
  #target
  #stop
  #move
  #cancelled = null

  /**
   * Made by `Snaplight.sync`.
   * @param {{root: string} | {blockHash: string}} target
   * @param {object} engine
   * @param {() => void} engine.stop Asks the engine to stop; the end comes through `settle`.
   * @param {(target) => object} engine.move Gives it another target; returns the target as shown.
   */
  constructor(target, { stop, move }) {
    super()
    this.#target = target
    this.#stop = stop
    this.#move = move
  }

  static settle(sync, report, error) {
    super.settle(sync, report, sync.#worded(error))
  }

  get target() {
    return this.#target
  }

  /** See snaplight.d.ts: for a block it is known when the header is there. */
  get root() {
    return this.#target.root ?? Sync.end(this)?.result?.root ?? Sync.latest(this)?.root ?? null
  }

  retarget(target) {
    if (Sync.end(this) || this.#cancelled) {
      throw new MisuseError('SYNC_ENDED', 'This sync has ended or was cancelled, so it cannot be moved: call db.sync with the new target.')
    }
    this.#target = this.#move(target)
    return this
  }

  cancel(reason) {
    if (Sync.end(this) || this.#cancelled) return
    this.#cancelled = { cause: reason }
    this.#stop()
  }

  get [Symbol.toStringTag]() {
    return 'Sync'
  }

  /** The error of a cancelled sync has the reason of whoever cancelled it. */
  #worded(error) {
    if (error?.code !== 'CANCELLED' || !this.#cancelled) return error
    const message = `The sync to ${Object.values(this.#target)} was cancelled; what it stored stays.`
    return new CancelledError('CANCELLED', message, this.#cancelled)
  }
}
