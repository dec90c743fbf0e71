// What goes on until its end, as its caller sees it: a promise of the end, and an async iterable of
// where it stands. Sync and Follow are made of it.

export class Running {
  #promise
  /** What was published last; iterators compare `#version` with the one they showed. */
  #latest = null
  #version = 0
  /** Iterators wait for this. It is resolved and replaced at every publication. */
  #changed = deferred()
  /** `null` while it runs, then `{ result }` or `{ error }`. */
  #end = null

  /**
   * @param {(controls: object) => void} handOver Gets what moves this object: `publish(value)`,
   *   `settle(result, error)`, of which the first call decides, `latest()` and `end()`.
   */
  constructor(handOver) {
    const settlers = deferred()
    this.#promise = settlers.promise
    handOver({
      latest: () => this.#latest,
      end: () => this.#end,
      publish: (value) => {
        this.#latest = value
        this.#version += 1
        this.#wake()
      },
      settle: (result, error) => {
        if (this.#end) return
        this.#end = error ? { error } : { result }
        if (error) settlers.reject(error)
        else settlers.resolve(result)
        this.#wake()
      },
    })
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
