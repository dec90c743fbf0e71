/** One life of a browser with a sync in it: from its start to its kill, or to the sync's end. */

import { launch } from '../browser.mjs'
import { follow, readDisk, tap } from './inside.mjs'

/** Frames that arrived and were not proven wait for their turn, or were of no use; what never goes below so long was of no use. */
const SAMPLES = 6
/** What one request asks for at most, and all of them together. */
const REQUEST_BYTES = 512 * 1024
const ASKED_BYTES = 2 * 1024 * 1024

export class Life {
  /** What the page told, in order, with the moment at which it was heard here. */
  #told = []
  #browser

  /** @param {{profile: string, features: string[], origin: string, name: string}} options */
  static async begin(options) {
    const life = new Life()
    life.#browser = await launch(options)
    const { context } = life.#browser
    life.page = await context.newPage()
    await life.page.exposeFunction('tell', (what) => life.#told.push({ ...what, heard: performance.now() }))
    await life.page.addInitScript(tap)
    await life.page.goto(`${options.origin}/blank`)
    life.disk = await life.page.evaluate(readDisk, options.name)
    return life
  }

  /**
   * Syncs until the end, or for so many milliseconds; then the browser is killed. What is known of this life afterwards is in
   * its fields.
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

  /** Bytes of answers with state or codes that reached the page. */
  get received() {
    const { state = 0, codes = 0 } = this.#told.findLast(({ type }) => type === 'frame') ?? {}
    return { state, codes, bytes: state + codes }
  }

  /** How many batches of this life the next one found. */
  landed(next) {
    return next.disk.sequence - this.disk.sequence
  }

  /**
   * What the kill cost: bytes that had arrived and were in no batch that the next life found, and bytes that were on their way.
   * `carried`: bytes that were proven when the last of these batches was made; the first may be made before anything has arrived.
   *
   * @param {Life} next
   * @param {number} [throttle] bytes a second and connection; at full speed what was asked for counts as on its way
   */
  cost(next, throttle) {
    const sampled = this.#told.filter(({ proven }) => proven !== undefined)
    // What the page told of the very last one may have died with it.
    const at = sampled.findLastIndex(({ type, sequence }) => type === 'batch' && sequence <= next.disk.sequence)
    const batch = sampled[at] ?? { proven: 0, codes: 0 }
    // Answers that were of no use any more were received in vain, whether or not there was a kill. At full speed there is always
    // something that waits, so there it has to be seen from before the batch on.
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
      // What was heard after the end was on its way before it.
      const seconds = Math.max(this.ended - frame.heard, 0) / 1000
      return sum + Math.min(seconds * throttle, REQUEST_BYTES)
    }, 0)
  }
}
