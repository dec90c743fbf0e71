// How one end of a MessagePort learns that the other is gone: by a Web Lock that the other one
// holds as long as it lives, and by the port's `close` event. Older browsers have no such event,
// and Node before 24 and frames without an origin have no locks.

/**
 * Takes a lock with a name that nobody else has.
 * @returns {Promise<{name: string | null, release: () => void}>} `name` is null where there are no
 *   locks.
 */
export function holdLock() {
  return new Promise((resolve) => {
    const withoutLock = () => resolve({ name: null, release() {} })
    const name = `snaplight:end:${crypto.getRandomValues(new Uint32Array(4)).join('-')}`
    request(name, {}, () => new Promise((release) => resolve({ name, release }))).catch(withoutLock)
  })
}

/** Waits for the other end to be gone. */
export class Ending {
  #stop = new AbortController()
  #onEnded

  /** @param {() => void} onEnded Called once, unless `stop` was called before. */
  constructor(port, onEnded) {
    this.#onEnded = onEnded
    port.addEventListener('close', () => this.#ended())
  }

  /** The other end holds the lock with this name, if it is no `null`. */
  watch(name) {
    // Shared, so that all who wait for one end hear of it.
    const options = { mode: 'shared', signal: this.#stop.signal }
    if (name !== null) request(name, options, () => this.#ended()).catch(() => {})
  }

  stop() {
    this.#stop.abort()
  }

  #ended() {
    if (this.#stop.signal.aborted) return
    this.stop()
    this.#onEnded()
  }
}

/** Rejects where there are no locks, or none for this page. */
async function request(name, options, granted) {
  return navigator.locks.request(name, options, granted)
}
