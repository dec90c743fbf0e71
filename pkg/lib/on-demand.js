// Reads of what a database does not track, proven for this once: a second set in memory tracks it
// and is synced to the state that is asked for (lib/on-demand/).

import { Snaplight } from './database.js'
import { ClosedError, NotTrackedError } from './errors.js'
import { hashBytes } from './input.js'
import { Beside } from './on-demand/beside.js'
import { Keys, MAX_KEYS, joined, keysOf } from './on-demand/keys.js'
import { Reads } from './reads.js'

/**
 * How long one sync for reads on demand may take. Chosen without a measurement: a provider that
 * lacks a state is asked for it again after 10 seconds, and whoever waits for a read gives up soon
 * after.
 */
const LONGEST_SYNC_MS = 20_000
/**
 * How long a read may wait for those before it. Chosen without a measurement: as long as one sync, so
 * that a page that reads at each block does not pile them up while no peer answers.
 */
const LONGEST_QUEUE_MS = LONGEST_SYNC_MS
/**
 * How long calls are collected before they are fetched together. Chosen without a measurement: in a
 * worker the calls of one turn come back in several.
 */
const COLLECT_MS = 2

/**
 * How long the second database stays open when nobody reads. Chosen without a measurement: its
 * sockets do not stay for one read, and who reads at each block finds it open.
 */
const IDLE_MS = 60_000

/** What is shared by all OnDemands of a database. */
const queues = new WeakMap()

/** Two of one database share what they fetch. */
export class OnDemand {
  #queue
  #isClosed = false

  /**
   * Nothing is opened before the first read.
   * @throws {ClosedError} The database is closed.
   * @throws {CrashError}
   */
  constructor(db) {
    this.#queue = queues.get(db) ?? new Queue(db)
    queues.set(db, this.#queue)
    this.#queue.users += 1
  }

  /**
   * Proves what is wanted in a state of the database. Resolves to its reads, which have to be called
   * at once: what is asked for later may take their place.
   *
   * @param {object} state A CompleteState of `db.states`.
   * @param {{address, slots?: [], code?: boolean}[]} wanted At most 1,024 accounts, slots and codes.
   * @returns {Promise<Reads>}
   * @throws {NotTrackedError} `NOT_TRACKED`: no peer proves it, or it is too much; the message says
   *   which.
   * @throws {MisuseError} `BAD_ARGUMENT`: not an address or not a slot.
   * @throws {ClosedError}
   * @throws {CrashError}
   */
  async reads(state, wanted) {
    if (this.#isClosed) throw closedError()
    return this.#queue.ask(state, keysOf(wanted))
  }

  /** What waits rejects with a ClosedError, unless another one of the same database goes on. */
  close() {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#queue.users -= 1
    if (this.#queue.users === 0) this.#queue.close(closedError())
  }
}

class Queue {
  /** How many OnDemands use it. */
  users = 0
  #db
  #stopListening
  /** The promise of the second database, and it itself; `null` while there is no need. */
  #opening = null
  #beside = null
  #keys = new Keys()
  /**
   * What waits, in the order in which it was asked for: `{ state, keys, asks, limit }`, with all that
   * was asked for of one state. Bound: the callers' calls of LONGEST_QUEUE_MS.
   */
  #jobs = []
  #isRunning = false
  /** Whether the set is about to change, so that no read may begin. */
  #isChanging = false
  /** Reads that are under way. Bound: the callers' calls. */
  #reading = new Set()
  #idle = null
  /** Why it is closed. */
  #closed = null

  constructor(db) {
    this.#db = db
    this.#stopListening = Snaplight.listen(db, ({ type, error }) => type === 'closed' && this.close(error))
  }

  ask(state, keys) {
    if (this.#closed) throw this.#closed
    if (this.#db.holds === 'everything') throw notTracked('the database is to hold everything')
    if (keys.size > MAX_KEYS) throw notTracked(`at most ${MAX_KEYS} accounts, slots and codes are fetched at a time, and these are ${keys.size}`)
    if (!this.#isChanging && this.#keys.areProven(keys, state.root)) {
      this.#keys.use(keys)
      return this.#readsOf(state)
    }
    return new Promise((resolve, reject) => {
      this.#join(state, keys).push({ resolve, reject })
      if (!this.#isRunning) this.#run()
    })
  }

  close(error) {
    this.#closed = error
    queues.delete(this.#db)
    this.#stopListening()
    clearTimeout(this.#idle)
    for (const job of [...this.#jobs]) this.#drop(job, error)
    this.#release()
  }

  /** The asks of a job of this state that has room for these keys. */
  #join(state, keys) {
    for (const job of this.#jobs) {
      const together = joined(job.keys, keys)
      if (job.state.root !== state.root || together.size > MAX_KEYS) continue
      job.keys = together
      return job.asks
    }
    const job = { state, keys, asks: [] }
    job.limit = setTimeout(() => this.#drop(job, notTracked('what was asked for before it took too long')), LONGEST_QUEUE_MS)
    this.#jobs.push(job)
    return job.asks
  }

  /** Ends a job that waits. */
  #drop(job, error) {
    clearTimeout(job.limit)
    this.#jobs = this.#jobs.filter((each) => each !== job)
    for (const { reject } of job.asks) reject(error)
  }

  /** Serves one job after the other. */
  async #run() {
    this.#isRunning = true
    clearTimeout(this.#idle)
    while (this.#jobs.length > 0) {
      // Meanwhile those who got their reads have called them.
      await new Promise((resolve) => setTimeout(resolve, COLLECT_MS))
      this.#isChanging = true
      await Promise.allSettled([...this.#reading])
      const job = this.#jobs.shift()
      clearTimeout(job?.limit)
      if (job) await this.#serve(job)
      this.#isChanging = false
    }
    this.#isRunning = false
    if (!this.#closed) this.#rest()
  }

  async #serve({ state, keys, asks }) {
    try {
      await this.#open()
      if (this.#keys.areProven(keys, state.root)) this.#keys.use(keys)
      else await this.#prove(state, keys)
      // It may have been closed as the last of it was proven.
      if (this.#closed) throw this.#closed
      for (const { resolve } of asks) resolve(this.#readsOf(state))
    } catch (error) {
      for (const { reject } of asks) reject(this.#closed ?? error)
    }
  }

  async #open() {
    this.#opening ??= Beside.open(this.#db)
    try {
      this.#beside = await this.#opening
    } catch (error) {
      this.#opening = null
      throw error
    }
    if (this.#closed) throw this.#closed
  }

  /** Adds the keys to the set, and syncs it to the state. */
  async #prove(state, keys) {
    const beside = this.#beside
    if (!beside.hasPeers) throw notTracked('no peer that is open was given by its URL or is a provider')
    const unused = beside.root === state.root ? new Map() : this.#keys.move(keys)
    const oldest = this.#keys.makeRoom(keys)
    const added = this.#keys.use(keys)
    const limit = new Limit(beside, () => this.#db.complete?.root === state.root)
    try {
      // All in one turn, so that nothing is asked for the state before.
      const sync = async () => beside.sync(this.#target(state), limit.options)
      const done = Promise.all([beside.untrack(new Map([...unused, ...oldest])), beside.track(keys), sync()])
      this.#isChanging = false
      await done
      this.#keys.proven(state.root, beside.roots)
    } catch (error) {
      await beside.untrack(this.#keys.forget(added)).catch(() => {})
      throw limit.why ? notTracked(limit.why) : error
    } finally {
      limit.end()
    }
  }

  /** With its header nothing is asked for that; with a root alone, providers only know the newest. */
  #target({ root, block }) {
    if (!block) return { root }
    const header = Snaplight.headers(this.#db).get(block.hash)
    return header ? { header, blockHash: block.hash } : { blockHash: block.hash }
  }

  #readsOf({ root, block }) {
    const beside = this.#beside
    const hash = hashBytes(root)
    return new Reads(async (method, ...args) => {
      const reading = beside.read(method, ...args, hash)
      this.#reading.add(reading)
      try {
        const [, ...answer] = await reading
        // The block as the caller's database has it, in case several have this root.
        return [{ root, block }, ...answer]
      } finally {
        this.#reading.delete(reading)
      }
    })
  }

  /** Closes the second database if nobody reads for a while. */
  #rest() {
    this.#idle = setTimeout(() => (this.#reading.size > 0 ? this.#rest() : this.#release()), IDLE_MS)
    this.#idle.unref?.()
  }

  #release() {
    this.#opening?.then((beside) => beside.close()).catch(() => {})
    this.#opening = null
    this.#beside = null
    this.#keys = new Keys()
  }
}

/** Ends a sync that takes too long, or that no peer can serve. */
class Limit {
  /** Why it was ended, if it was. */
  why = null
  #beside
  #isNewest
  #aborter = new AbortController()
  #timer

  /** @param {() => boolean} isNewest Whether peers that lack the state will have it soon. */
  constructor(beside, isNewest) {
    this.#beside = beside
    this.#isNewest = isNewest
    this.#timer = setTimeout(() => this.#stop(`no peer proved it within ${LONGEST_SYNC_MS / 1000} seconds${this.#waiting()}`), LONGEST_SYNC_MS)
  }

  get options() {
    return { signal: this.#aborter.signal, onProgress: (progress) => this.#look(progress) }
  }

  end() {
    clearTimeout(this.#timer)
    this.#aborter.abort()
  }

  #look({ needNewRoot }) {
    if (!this.#beside.hasPeers) this.#stop('all peers that could be asked are closed')
    else if (needNewRoot && !this.#isNewest()) this.#stop('no peer has this state any more')
  }

  #waiting() {
    const { waiting, waitingFor, peers } = this.#beside.progress()
    // Where peers are what is missing, the words have their faults already.
    const faults = waitingFor === 'peers' ? [] : peers.filter(({ lastFault }) => lastFault).map(({ name, lastFault }) => `${name}: ${lastFault}`)
    const why = [waiting, ...faults].filter(Boolean).join('; ')
    return why && ` (${why})`
  }

  #stop(why) {
    this.why ??= why
    this.#aborter.abort()
  }
}

function notTracked(why) {
  return new NotTrackedError('NOT_TRACKED', `This is not tracked, and could not be fetched on demand: ${why}.`)
}

function closedError() {
  return new ClosedError('CLOSED', 'The reads on demand were closed.')
}
