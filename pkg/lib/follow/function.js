// A source of heads that is a function of the caller's. It is believed.

import { syncTarget, toHex } from '../input.js'
import { LONGEST_WAIT_MS, within } from './source.js'

/** How long an answer is waited for before the function is called again, as a provider's call. */
const ANSWER_MS = 60_000

export class FunctionSource {
  name
  problem = null
  /** What it gave last: `{ target, root, hash, number }`, the last three where they are known. */
  head = null
  #call
  #everyMs
  #verify
  #heard
  #isActive = false
  #isAsking = false
  #timer

  constructor(call, name, { everyMs }, { verify, heard }) {
    this.name = name
    this.#call = call
    this.#everyMs = everyMs
    this.#verify = verify
    this.#heard = heard
  }

  get isNew() {
    return this.head === null && this.problem === null
  }

  start() {
    this.#isActive = true
    this.#ask()
  }

  rest() {
    this.#isActive = false
    clearTimeout(this.#timer)
  }

  stop() {
    this.rest()
  }

  async #ask() {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#ask(), Math.min(this.#everyMs, LONGEST_WAIT_MS))
    if (this.#isAsking) return
    this.#isAsking = true
    try {
      const given = await within((async () => this.#call())(), ANSWER_MS, () => {
        throw new Error(`no answer within ${ANSWER_MS / 1000} s`)
      })
      this.problem = given == null ? 'it names no block' : null
      if (given != null) this.head = await this.#read(given)
    } catch (error) {
      this.problem = typeof error?.message === 'string' ? error.message : 'it threw'
    }
    this.#isAsking = false
    if (this.#isActive) this.#heard()
  }

  async #read(given) {
    const target = syncTarget(given)
    const { root, blockHash, header } = target
    if (header) return { target, ...(await this.#verify(header, blockHash)) }
    const number = Number.isSafeInteger(given.number) && given.number >= 0 ? given.number : null
    return { target, root: root && toHex(root), hash: blockHash && toHex(blockHash), number: blockHash ? number : null }
  }
}
