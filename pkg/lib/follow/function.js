// A source of heads that is a function of the caller's. It is believed.

import { showTarget, syncTarget } from '../input.js'
import { openProvider } from '../provider.js'
import { NEW } from './source.js'

export class FunctionSource {
  #call
  #name
  #everyMs
  #verify
  #heard
  /** What it gave last, a head of loop.js, and why it gives none now, in words. */
  #head = null
  #problem = NEW
  #isAsking = false
  #timer

  constructor({ call, name }, { everyMs }, { verify, heard }) {
    this.#call = call
    this.#name = name
    this.#everyMs = everyMs
    this.#verify = verify
    this.#heard = heard
  }

  start() {
    this.#ask()
  }

  rest() {
    clearTimeout(this.#timer)
  }

  /** As an Agreement's. */
  find() {
    return { head: this.#head, number: this.#head?.number, waiting: this.#problem && `${this.#name}: ${this.#problem}` }
  }

  async #ask() {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#ask(), this.#everyMs)
    if (this.#isAsking) return
    this.#isAsking = true
    let head = null
    // As a provider, so that it ends in any case, and with words, also where what it gives throws.
    const request = async () => {
      const given = await this.#call()
      if (given != null) head = await this.#read(given)
    }
    const { error } = await openProvider({ request }).call({})
    this.#head = head ?? this.#head
    this.#problem = error ? error.message : head ? null : 'it names no block'
    this.#isAsking = false
    this.#heard()
  }

  async #read(given) {
    const target = syncTarget(given)
    const { header, blockHash } = target
    if (header) return { target, ...(await this.#verify(header, blockHash)) }
    const { root, blockHash: hash } = showTarget(target)
    return { target, root, hash, number: hash && given.number >= 0 && Number.isSafeInteger(given.number) ? given.number : undefined }
  }
}
