/** One life of a browser with a sync in it: from its start to its kill, or to the sync's end. */

import { follow, readDisk, tap } from './inside.mjs'

/**
 * Bytes that have arrived and are not proven either wait for their turn or are of no use. The
 * smallest number of them in this many samples counts as useless.
 */
const SAMPLES = 6
/** The most that one request asks for, and the most that all of them together ask for. */
const REQUEST_BYTES = 512 * 1024
const ASKED_BYTES = 2 * 1024 * 1024

export class Life {
  /** What the page reported, in order, with the time at which it arrived here. */
  #told = []
  #browser

  /**
   * @param {{start: Function, profile: string, origin: string, name: string}} options `start`: starts
   *   a browser, as `launch` does
   */
  static async begin({ start, profile, ...options }) {
    const life = new Life()
    life.#browser = await start({ profile })
    const { context } = life.#browser
    life.page = await context.newPage()
    await life.page.exposeFunction('tell', (what) => life.#told.push({ ...what, heard: performance.now() }))
    await life.page.addInitScript(tap)
    await life.page.goto(`${options.origin}/blank`)
    life.disk = await life.page.evaluate(readDisk, options.name)
    return life
  }

  /**
   * Syncs until the end or for this many milliseconds; then the browser is killed. What is known of
   * this life afterwards is in its fields.
   *
   * @returns {Promise<object | undefined>} the report, if there was time for one
   */
  async spend(target, milliseconds) {
    const began = performance.now()
    let timer
    const time = new Promise((resolve) => {
      timer = setTimeout(resolve, milliseconds, 'killed')
    })
    const end = await Promise.race([this.page.evaluate(follow, target), time])
    clearTimeout(timer)
    this.ended = performance.now()
    this.lived = this.ended - began
    if (end !== 'killed') return end
    this.killed = true
    await this.#browser.kill()
    return undefined
  }

  async close() {
    await this.#browser.close()
  }

  get events() {
    return this.#told.filter(({ type }) => type === 'event').map(({ event }) => event)
  }

  get last() {
    return this.#told.findLast(({ type }) => type === 'progress')
  }

  /** The newest batch of which the page was told that it is committed. 0 if there is none. */
  get committed() {
    return this.#told.findLast(({ type }) => type === 'landed')?.sequence ?? 0
  }

  /** Bytes of answers with state or codes that reached the page. */
  get received() {
    const { state = 0, codes = 0 } = this.#told.findLast(({ type }) => type === 'frame') ?? {}
    return { state, codes, bytes: state + codes }
  }

  /** How many batches of this life the next life found on the disk. */
  landed(next) {
    return next.disk.sequence - this.disk.sequence
  }

  /**
   * What the kill cost: the bytes that had arrived and were in no batch that the next life found,
   * and the bytes that were on their way. `carried` are the bytes that were proven when the last of
   * these batches was made; the first batch may be made before anything has arrived.
   *
   * @param {Life} next
   * @param {number} [throttle] bytes per second for each connection. At full speed, what was asked
   *   for counts as on its way.
   */
  cost(next, throttle) {
    const sampled = this.#told.filter(({ proven }) => proven !== undefined)
    // The page's last report may have been lost in the kill.
    const at = sampled.findLastIndex(({ type, sequence }) => type === 'batch' && sequence <= next.disk.sequence)
    const batch = sampled[at] ?? { proven: 0, codes: 0 }
    // Useless answers were received in vain, with a kill or without one. At full speed something is
    // always waiting, so useless bytes must be seen from before the batch on.
    const after = sampled.slice(throttle ? -SAMPLES : Math.max(at - SAMPLES, 0))
    const dropped = after.length > 0 ? Math.min(...after.map(({ state, proven }) => Math.max(state - proven, 0))) : 0
    const { state, codes } = this.received
    const lost = Math.max(state - batch.proven - dropped, 0) + codes - batch.codes
    return { lost, onItsWay: this.#onItsWay(throttle), carried: batch.proven + batch.codes }
  }

  #onItsWay(throttle) {
    const inFlight = this.last?.inFlight ?? []
    if (!throttle) return Math.min(inFlight.reduce((sum, count) => sum + count, 0) * REQUEST_BYTES, ASKED_BYTES)
    return inFlight.reduce((sum, count, socket) => {
      const frame = this.#told.findLast((what) => what.type === 'frame' && what.socket === socket)
      if (count === 0 || !frame) return sum
      // What was reported after the end was on its way before it.
      const seconds = Math.max(this.ended - frame.heard, 0) / 1000
      return sum + Math.min(seconds * throttle, REQUEST_BYTES)
    }, 0)
  }
}
