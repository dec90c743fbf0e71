// A source of heads that is a function of the caller's. It is believed.

import { syncTarget, toHex } from '../input.js'
import { openProvider } from '../provider.js'
import { lower } from './agreement.js'
import { LONGEST_WAIT_MS } from './source.js'

export class FunctionSource {
  #call
  #name
  #everyMs
  #verify
  #heard
  /** What it gave last, a head of loop.js, and why it gives none now, in words. */
  #head = null
  #problem = 'no answer yet'
  #isActive = false
  #isAsking = false
  #timer

  constructor({ call, name }, { everyMs }, { verify, heard }) {
    this.#call = call
    this.#name = name
    this.#everyMs = Math.min(everyMs, LONGEST_WAIT_MS)
    this.#verify = verify
    this.#heard = heard
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

  find(lowest) {
    const { number } = this.#head ?? {}
    const isLower = number < lowest
    const waiting = this.#problem ? `${this.#name}: ${this.#problem}` : isLower ? lower(number, lowest) : null
    return { head: isLower ? null : this.#head, waiting }
  }

  async #ask() {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#ask(), this.#everyMs)
    if (this.#isAsking) return
    this.#isAsking = true
    let given
    // As a provider, so that it ends in any case, and with words.
    const request = async () => {
      given = await this.#call()
    }
    const { error } = await openProvider({ request }).call({})
    try {
      this.#problem = error ? error.message : given == null ? 'it names no block' : null
      if (!this.#problem) this.#head = await this.#read(given)
    } catch (thrown) {
      this.#problem = thrown.message
    }
    this.#isAsking = false
    if (this.#isActive) this.#heard()
  }

  async #read(given) {
    const target = syncTarget(given)
    const { root, blockHash, header } = target
    if (header) return { target, ...(await this.#verify(header, blockHash)) }
    return { target, root: root && toHex(root), hash: blockHash && toHex(blockHash), number: blockHash && given.number >= 0 ? Number(given.number) : undefined }
  }
}
