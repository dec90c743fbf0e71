// A running sync as its caller sees it: a promise of the report and an async iterable of the
// progress.

import { CancelledError, MisuseError } from './errors.js'

export class Sync {
  #target
  #stop
  #move
  #promise
  #settlers
  /** Newest progress; iterators compare `#version` with the one they showed last. */
  #latest = null
  #version = 0
  /** Iterators wait for this. It is resolved and replaced at every publication. */
  #changed = deferred()
  /** `null` while running, then `{ report }` or `{ error }`. */
  #end = null
  #cancelled = null

  /**
   * Made by `Snaplight.sync`.
   * @param {{root: string} | {blockHash: string}} target
   * @param {object} engine
   * @param {() => void} engine.stop Asks the engine to stop; the end comes through `settle`.
   * @param {(target) => object} engine.move Gives it another target; returns the target as shown.
   * @param {(controls: {publish: Function, settle: Function}) => void} engine.handOver Gets the
   *   functions that move this object.
   */
  constructor(target, { stop, move, handOver }) {
    this.#target = target
    this.#stop = stop
    this.#move = move
    this.#settlers = deferred()
    this.#promise = this.#settlers.promise
    handOver({
      publish: (progress) => this.#publish(progress),
      settle: (report, error) => this.#settle(report, error),
    })
  }

  get target() {
    return this.#target
  }

  /** See snaplight.d.ts: for a block it is known when the header is there. */
  get root() {
    return this.#target.root ?? this.#end?.report?.root ?? this.#latest?.root ?? null
  }

  retarget(target) {
    if (this.#end || this.#cancelled) {
      throw new MisuseError('SYNC_ENDED', 'This sync has ended or was cancelled, so it cannot be moved: call db.sync with the new target.')
    }
    this.#target = this.#move(target)
    return this
  }

  cancel(reason) {
    if (this.#end || this.#cancelled) return
    this.#cancelled = { cause: reason }
    this.#stop()
  }

  then(onFulfilled, onRejected) {
    return this.#promise.then(onFulfilled, onRejected)
  }

  catch(onRejected) {
    return this.#promise.catch(onRejected)
  }

  finally(onFinally) {
    return this.#promise.finally(onFinally)
  }

  [Symbol.asyncIterator]() {
    // `next` throws the failure, so it is handled even if nobody awaits the promise.
    this.#promise.catch(() => {})
    let shown = 0
    let left = false
    const next = async () => {
      while (!left) {
        if (shown !== this.#version) {
          shown = this.#version
          return { done: false, value: this.#latest }
        }
        if (this.#end) {
          left = true
          if (this.#end.error) throw this.#end.error
          break
        }
        await this.#changed.promise
      }
      return { done: true, value: undefined }
    }
    return {
      next,
      return: async (value) => {
        left = true
        return { done: true, value }
      },
      [Symbol.asyncIterator]() {
        return this
      },
    }
  }

  get [Symbol.toStringTag]() {
    return 'Sync'
  }

  #publish(progress) {
    this.#latest = progress
    this.#version += 1
    this.#wake()
  }

  /** Ends it with a report or an error; the first call decides. */
  #settle(report, error) {
    if (this.#end) return
    if (error?.code === 'CANCELLED' && this.#cancelled) {
      const message = `The sync to ${Object.values(this.#target)} was cancelled; what it stored stays.`
      error = new CancelledError('CANCELLED', message, this.#cancelled)
    }
    this.#end = error ? { error } : { report }
    if (error) this.#settlers.reject(error)
    else this.#settlers.resolve(report)
    this.#wake()
  }

  #wake() {
    const { resolve } = this.#changed
    this.#changed = deferred()
    resolve()
  }
}

/** As `Promise.withResolvers`, which browsers of 2023 do not have. */
function deferred() {
  const settlers = {}
  settlers.promise = new Promise((resolve, reject) => Object.assign(settlers, { resolve, reject }))
  return settlers
}
