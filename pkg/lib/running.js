// What goes on until its end, as its caller sees it: a promise of the end, and an async iterable of
// where it stands. Sync and Follow are made of it.

export class Running {
  #settlers = deferred()
  /** What was published last; iterators compare `#version` with the one they showed. */
  #latest = null
  #version = 0
  /** Iterators wait for this. It is resolved and replaced at every publication. */
  #changed = deferred()
  /** `null` while it runs, then `{ result }` or `{ error }`. */
  #end = null

  /** For other parts of the package: iterators yield this next. */
  static publish(running, value) {
    running.#latest = value
    running.#version += 1
    running.#wake()
  }

  /** The same: it has ended, with an error if there is one. The first call decides. */
  static settle(running, result, error) {
    if (running.#end) return
    running.#end = error ? { error } : { result }
    if (error) rejectWith(error, running.#settlers)
    else running.#settlers.resolve(result)
    running.#wake()
  }

  /** For subclasses: what was published last, or `null`. */
  static latest(running) {
    return running.#latest
  }

  /** For subclasses: `null` while it runs, then `{ result }` or `{ error }`. */
  static end(running) {
    return running.#end
  }

  then(onFulfilled, onRejected) {
    return this.#settlers.promise.then(onFulfilled, onRejected)
  }

  catch(onRejected) {
    return this.#settlers.promise.catch(onRejected)
  }

  finally(onFinally) {
    return this.#settlers.promise.finally(onFinally)
  }

  [Symbol.asyncIterator]() {
    // `next` throws the failure, so it is handled even if nobody awaits the promise.
    this.#settlers.promise.catch(() => {})
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

  #wake() {
    const { resolve } = this.#changed
    this.#changed = deferred()
    resolve()
  }
}

/**
 * Calls a user's callback. An error that it throws is reported as uncaught and does not harm the
 * sync.
 */
export function call(callback, argument) {
  try {
    callback(argument)
  } catch (error) {
    if (typeof reportError === 'function') reportError(error)
    else setTimeout(() => { throw error })
  }
}

/**
 * The promise of `work()`. That of a call which the caller itself has ended, by closing the
 * database or by cancelling, need not be awaited: then nobody is told that it rejects. Whoever
 * awaits it is.
 */
export function quiet(work) {
  const settlers = deferred()
  work().then(settlers.resolve, (error) => rejectWith(error, settlers))
  return settlers.promise
}

function rejectWith(error, { promise, reject }) {
  reject(error)
  if (['CLOSED', 'CANCELLED'].includes(error.code)) promise.catch(() => {})
}

/** As `Promise.withResolvers`, which browsers of 2023 do not have. */
function deferred() {
  const settlers = {}
  settlers.promise = new Promise((resolve, reject) => Object.assign(settlers, { resolve, reject }))
  return settlers
}
