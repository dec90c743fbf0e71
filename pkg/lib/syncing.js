// The sync that runs, and those who wait for it: one sync for all calls that name one target.

import { CancelledError } from './errors.js'
import { showTarget, syncTarget } from './input.js'
import { call } from './running.js'
import { Sync } from './sync.js'

export class Syncing {
  #backend
  /** How often startSync was called. */
  #starts = 0
  /**
   * `{ target, start, waiting, isStopping }`, or `null`. `waiting`: those whose Sync this is.
   * Bound: the caller's calls of `sync` while it runs.
   */
  #running = null

  /** @param {object} backend `startSync(target, start)` and `cancelSync()`. */
  constructor(backend) {
    this.#backend = backend
  }

  /** The target of what runs, or `null`. */
  get target() {
    return this.#running?.target ?? null
  }

  /** Whether this is the call that the running sync began with. */
  isOf(start) {
    return this.#running?.start === start
  }

  /** Starts a sync, or joins the one to the same target, or moves the engine to another. */
  begin(target, signal, callbacks) {
    const one = { ...callbacks, sync: null, refused: null, stopListening: () => {} }
    one.sync = new Sync(showTarget(target), {
      stop: () => this.#leave(one),
      move: (next) => {
        const wanted = syncTarget(next)
        this.#aim(wanted, one)
        return showTarget(wanted)
      },
    })
    if (signal) {
      const onAbort = () => one.sync.cancel(signal.reason)
      signal.addEventListener('abort', onAbort, { once: true })
      one.stopListening = () => signal.removeEventListener('abort', onAbort)
    }
    try {
      this.#aim(target, one)
    } catch (error) {
      // The caller gets this error and no promise, so none may be unhandled.
      one.sync.catch(() => {})
      one.stopListening()
      throw error
    }
    if (signal?.aborted) one.sync.cancel(signal.reason)
    return one.sync
  }

  publish(progress) {
    for (const one of [...this.#running.waiting]) publish(one, progress)
  }

  /** Ends it for all, after showing them the last progress. */
  end(progress, report, error) {
    const { waiting } = this.#running
    this.#running = null
    for (const one of waiting) {
      publish(one, progress)
      settle(one, report, error)
    }
  }

  /** The engine keeps all it has; only those who waited for another target have to be told. */
  #aim(target, one) {
    const before = this.#running
    if (before && !before.isStopping && isSame(before.target, target)) return before.waiting.add(one)
    // Set before the call, because the sync may end within it.
    this.#running = { target, start: ++this.#starts, waiting: new Set([one]), isStopping: false }
    try {
      this.#backend.startSync(target, this.#starts)
    } catch (error) {
      this.#running = before
      throw error
    }
    if (!before) return
    const words = Object.entries(showTarget(target)).join(' ').replace(',', ' ')
    const error = new CancelledError('CANCELLED', `A newer sync, to ${words}, took over; nothing that this one stored is lost.`)
    for (const other of before.waiting) if (other !== one) settle(other, null, error)
  }

  /** Cancels it for one of those who wait. The last one stops the engine. */
  #leave(one) {
    const running = this.#running
    if (!running?.waiting.has(one)) return
    if (running.waiting.size === 1) {
      running.isStopping = true
      return this.#backend.cancelSync()
    }
    running.waiting.delete(one)
    settle(one, null, new CancelledError('CANCELLED', ''))
  }
}

function publish(one, progress) {
  Sync.publish(one.sync, progress)
  if (one.onProgress) call(one.onProgress, progress)
  const { needNewRoot } = progress
  // Called once for each root that all peers refuse.
  if (needNewRoot && needNewRoot.root !== one.refused && one.onNeedNewRoot) call(one.onNeedNewRoot, needNewRoot)
  one.refused = needNewRoot && needNewRoot.root
}

function settle(one, report, error) {
  one.stopListening()
  Sync.settle(one.sync, report, error)
}

/** Whether both are the same root, block or header, and so settle alike. */
function isSame(one, other) {
  return JSON.stringify(one) === JSON.stringify(other)
}
