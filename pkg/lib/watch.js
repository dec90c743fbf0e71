// The changes of one account or slot, as `Snaplight.watch` yields them. It listens to the database
// only while a call of `next()` waits, so an iterator that is dropped leaves nothing behind.

/**
 * Who waits for each signal. They share one listener, because Node warns of more than ten. Bound: the
 * watches that wait.
 */
const aborts = new WeakMap()

/** What can make another read worthwhile, or end it. */
const NEWS = ['states', 'repaired', 'closed']

export class Watch {
  #db
  #signal
  /** What was yielded last; `null` before. */
  #value = null
  /** What `db.version()` was at the last read that gave a value. */
  #version = null
  #hasEnded = false
  /** The CrashError, once the module has stopped. */
  #crash = null
  /** The calls of `next()`, each of which waits for the one before. */
  #queue = Promise.resolve()
  /** Ends the wait of the call that waits. */
  #wake = () => {}

  /**
   * @param {object} db
   * @param {(listener: (event: object) => void) => () => void} db.listen As `Snaplight.listen`.
   * @param {() => boolean} db.isClosed
   * @param {() => string} db.version Another one when the value may be another.
   * @param {() => boolean} db.isSettled Whether what is not tracked now stays so by itself.
   * @param {() => Promise<object>} db.read Reads the value, an Account or StorageValue.
   * @param {AbortSignal} [signal]
   */
  constructor(db, signal) {
    this.#db = db
    this.#signal = signal
  }

  next() {
    const answer = this.#queue.then(() => this.#next())
    this.#queue = answer.catch(() => {})
    return answer
  }

  async return(value) {
    this.#hasEnded = true
    this.#wake()
    return { done: true, value }
  }

  [Symbol.asyncIterator]() {
    return this
  }

  async #next() {
    let stop = () => {}
    const stopHearing = onAbort(this.#signal, () => this.#wake())
    try {
      if (!this.#isOver()) stop = this.#db.listen((event) => this.#hear(event))
      while (!this.#isOver()) {
        if (this.#crash) throw this.#crash
        // Made before the read, so that what happens meanwhile is not missed.
        const news = new Promise((resolve) => {
          this.#wake = resolve
        })
        const change = await this.#look()
        if (change && !this.#isOver()) return { done: false, value: change }
        await news
      }
    } catch (error) {
      this.#hasEnded = true
      throw error
    } finally {
      stop()
      stopHearing()
      this.#wake = () => {}
    }
    this.#hasEnded = true
    return { done: true, value: undefined }
  }

  #hear({ type, error }) {
    if (type === 'closed' && error.code === 'CLOSED') this.#hasEnded = true
    else if (type === 'closed') this.#crash = error
    if (NEWS.includes(type)) this.#wake()
  }

  #isOver() {
    return this.#hasEnded || this.#db.isClosed() || this.#signal?.aborted === true
  }

  /** Reads if the value may be another. Resolves to the change, or to `null` if there is none yet. */
  async #look() {
    const version = this.#db.version()
    if (version === this.#version) return null
    let value
    try {
      value = await this.#db.read()
    } catch (error) {
      if (this.#isAwaited(error)) return null
      throw error
    }
    this.#version = version
    const old = this.#value
    if (old && isSame(old, value)) return null
    this.#value = value
    return Object.freeze({ old, new: value })
  }

  /** Whether the value is expected, by news that come by themselves. */
  #isAwaited({ code, pending }) {
    if (code === 'CLOSED') return true
    return code === 'NO_STATE' || code === 'DAMAGED' || (code === 'NOT_TRACKED' && (pending || !this.#db.isSettled()))
  }
}

/** Calls `wake` when the signal is aborted, if there is one. Returns what stops it. */
function onAbort(signal, wake) {
  if (!signal) return () => {}
  if (!aborts.has(signal)) {
    const wakes = new Set()
    aborts.set(signal, { wakes, wakeAll: () => [...wakes].forEach((each) => each()) })
  }
  const { wakes, wakeAll } = aborts.get(signal)
  if (wakes.size === 0) signal.addEventListener('abort', wakeAll)
  wakes.add(wake)
  return () => {
    wakes.delete(wake)
    if (wakes.size === 0) signal.removeEventListener('abort', wakeAll)
  }
}

/** Whether two reads of one account or slot have the same value, of whatever state. */
function isSame(one, other) {
  const fields = ['value', 'balance', 'nonce', 'codeHash', 'storageRoot']
  return fields.every((field) => one[field] === other[field])
}
