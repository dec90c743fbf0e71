/** Opens this page's database in a worker of its own, which can be killed. */

import { open } from '/pkg/snaplight.js'
import { openInWorker } from '/pkg/worker.js'

/**
 * How long to wait for a killed worker's lock, which the browser frees some time later. No browser
 * needs this long.
 */
const LOCK_PATIENCE_MS = 5_000

export function createSession(options, thread) {
  let worker
  const session = {
    /** @type {import('/pkg/snaplight.js').Snaplight | undefined} */
    db: undefined,
    /** Whether the database can be killed without the page, because it runs in a worker. */
    killable: thread === 'worker',

    /**
     * @param {boolean} [patiently] whether to wait for the lock, which the browser frees after a
     * kill
     */
    async open(patiently = false) {
      const until = performance.now() + LOCK_PATIENCE_MS
      for (;;) {
        try {
          session.db = thread === 'main' ? await open(options) : await openHere()
          return session.db
        } catch (error) {
          if (!patiently || error.code !== 'LOCKED' || performance.now() > until) throw error
          await new Promise((resolve) => setTimeout(resolve, 50))
        }
      }
    },

    /**
     * Kills the worker as the browser would. The worker gets no notice, and writes and closes
     * nothing.
     */
    kill() {
      worker?.terminate()
      worker = session.db = undefined
    },
  }

  async function openHere() {
    const fresh = new Worker('/pkg/worker-entry.js', { type: 'module', name: 'snaplight' })
    try {
      const db = await openInWorker(fresh, options)
      worker = fresh
      return db
    } catch (error) {
      fresh.terminate()
      throw error
    }
  }

  return session
}
