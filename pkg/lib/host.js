// Workers that hold databases: how ours is started, and what is the matter with one that does not
// answer.

import { startWorker } from '../start-worker.js'
import { LoadError, UnsupportedError } from './errors.js'
import { WORKER_BROWSERS } from './features.js'
import { otherVersion, version } from './version.js'

/**
 * How long a worker may take to say that it serves, which it does before it opens anything: 30
 * seconds, in which a line of 3.5 kB/s brings its script of 15 kB several times over. It is counted
 * in turns of a timer, so that a page that stood still counts one and not many.
 */
const ANSWER_TURNS = 6
const ANSWER_TURN_MS = 5_000

const CHAPTER = '"In a worker" of the README of snaplight says how'

/** A worker with the databases that are open in it. */
export class Host {
  endpoint
  #isOurs
  /** Where its script is, if we know. */
  #script
  /** The URL that it was started from, if it was made for that. */
  #blob
  #users = 0
  #hasServed = false

  /** @param {object} endpoint A worker of the caller's, or what `startWorker` has started. */
  constructor(endpoint, { isOurs = false, script = null, blob = null } = {}) {
    this.endpoint = endpoint
    this.#isOurs = isOurs
    this.#script = script
    this.#blob = blob
  }

  /** Starts a worker, which ends with the last of its databases. */
  static start() {
    if (typeof Worker !== 'function') {
      throw new UnsupportedError('UNSUPPORTED', 'There is no Worker here, as in a service worker: use open of snaplight, which works in this thread, or pass openInWorker a MessagePort to a worker that serves.')
    }
    const script = scriptUrl()
    const blob = script && isElsewhere(script) ? importOf(script) : null
    try {
      return new Host(blob ? startFrom(blob) : startWorker(), { isOurs: true, script, blob })
    } catch (cause) {
      if (blob) URL.revokeObjectURL(blob)
      throw notLoaded(`The worker could not be started${from(script)}: ${cause?.message}. ${remedyFor(cause)}`, cause)
    }
  }

  join() {
    this.#users += 1
  }

  leave() {
    this.#users -= 1
    if (this.#users > 0 || !this.#isOurs) return
    this.endpoint.terminate()
    if (this.#blob) URL.revokeObjectURL(this.#blob)
  }

  /**
   * Watches whether the worker comes to serve.
   * @param {(error: LoadError) => void} fail Called if it does not.
   * @returns {{begin: () => void, stop: () => void}} `begin` counts the time from now on; `stop` is
   *   called when the worker serves, or when nobody waits any more.
   */
  expect(fail) {
    let turns = 0
    let last = null
    let timer
    const onError = (event) => {
      // An event without a message is of a script that did not load. Any other error may be of any
      // code in the worker, and ours runs no other while it starts.
      if (event.message && (!this.#isOurs || this.#hasServed)) last = event.message
      else if (this.#isOurs && !hasModuleWorkers()) fail(new UnsupportedError('UNSUPPORTED', `Workers cannot be modules here: openInWorker needs ${WORKER_BROWSERS}. Use open of snaplight, which works in this thread.`))
      else fail(notLoaded(`The worker's script could not be loaded${from(this.#script)}${event.message ? `: ${event.message}` : ''}. Check that it is served as JavaScript and that the page's Content-Security-Policy allows it (worker-src); ${CHAPTER}.`, event.error))
    }
    const look = () => {
      turns += 1
      if (turns < ANSWER_TURNS) return
      const words = last ? `; its last uncaught error: ${last}` : ''
      fail(notLoaded(`The worker did not answer within ${(ANSWER_TURNS * ANSWER_TURN_MS) / 1000} s${from(this.#script)}${words}. It has to run snaplight/worker-entry, or to call serve of snaplight/worker before anything that it awaits; ${CHAPTER}.`))
    }
    this.endpoint.addEventListener?.('error', onError)
    return {
      begin: () => {
        timer = setInterval(look, ANSWER_TURN_MS)
      },
      stop: () => {
        clearInterval(timer)
        // A worker of the caller's own lives on, and this listener would keep the database in memory.
        this.endpoint.removeEventListener?.('error', onError)
      },
    }
  }

  /**
   * The worker says in which version it serves.
   * @returns {LoadError | null} The error, if that is not this one.
   */
  served(theirs) {
    this.#hasServed = true
    return theirs === version ? null : otherVersion(theirs)
  }
}

/** Whether a new worker is asked for its type, which browsers do that know modules. */
function hasModuleWorkers() {
  let isAsked = false
  try {
    // Parcel refuses to build `new Worker` with a text.
    new globalThis.Worker('data:text/javascript,', {
      get type() {
        isAsked = true
        return 'module'
      },
    }).terminate()
  } catch {
    // It may be forbidden here. The type was asked for before.
  }
  return isAsked
}

function startFrom(url) {
  return new Worker(url, { type: 'module', name: 'snaplight' })
}

/** This file, and the worker's script: `xtask/node/dist.mjs` has others. */
const [HERE, SCRIPT] = ['/lib/host.js', '/worker-entry.js']

/**
 * Where the worker's script is. `null` in a bundle of others, whose files have other names. Not in
 * the form of start-worker.js, because that would make bundlers include the script once more, as it
 * is.
 */
function scriptUrl() {
  const [here] = String(import.meta.url).split('?')
  return /^https?:/.test(here) && here.endsWith(HERE) ? here.slice(0, -HERE.length) + SCRIPT : null
}

/** Whether browsers refuse a worker of this script, because it is not of the page's origin. */
function isElsewhere(script) {
  return globalThis.origin !== undefined && new URL(script).origin !== globalThis.origin
}

/**
 * The URL of a script of the page's own origin that imports the other one, which its server has to
 * allow (CORS). In a frame without an origin, Chromium loads no module from a Blob, but from a data
 * URL.
 */
function importOf(script) {
  const text = `import ${JSON.stringify(script)}`
  const type = 'text/javascript'
  return globalThis.origin === 'null' ? `data:${type},${encodeURIComponent(text)}` : URL.createObjectURL(new Blob([text], { type }))
}

function remedyFor(cause) {
  const own = `make the worker yourself and pass it to openInWorker; ${CHAPTER}`
  if (!import.meta.url) return `This bundle does not know its own URL (import.meta.url): ${own}.`
  // Chromium names them, and Firefox speaks of a sink type.
  if (/Trusted|Sink type/.test(cause?.message)) return `Trusted Types are required here: with a policy of your own, ${own}.`
  return `If the script is of another origin, or the Content-Security-Policy forbids it (worker-src), ${own}.`
}

function from(script) {
  return script ? ` (${script})` : ''
}

function notLoaded(message, cause) {
  return new LoadError('LOAD_FAILED', message, cause === undefined || cause === null ? undefined : { cause })
}
