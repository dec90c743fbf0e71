// One source of heads: a provider that is asked and listened to. What it says counts as its voice
// when its chain is the right one and the header's fields have been hashed again.

import { headerTexts } from '../header.js'
import { hashBytes } from '../input.js'
import { openProvider } from '../provider.js'
import { Attempts } from '../reconnect.js'
import { Line } from './line.js'

/**
 * A source whose subscription works is asked only after so many times `everyMs`, because
 * subscriptions end without a word. Chosen without a measurement: 40 s by default.
 */
const SELDOM = 10
/**
 * Most unanswered questions to one source, so that a silent one does not pile them up. A call that
 * the network has lost does not keep the next one from being made.
 */
const MAX_OPEN = 3
/** What is said of a source that has said nothing. */
export const NEW = 'no answer yet'
/** Characters of a chain's id, and of a subscription's: go-ethereum's has 34. */
const LONGEST_ID = 100

export class Source {
  name
  /** Why it has no voice, or its voice may be old, in words; `null` if it has one. */
  problem = NEW
  #target
  #options
  #verify
  #heard
  /** `null` while there is no connection. */
  #provider = null
  /** Of a WebSocket. */
  #attempts
  #isActive = false
  #timer
  /**
   * The newest block that it named, and what is known of its chain. Of a block that it was asked for
   * there is only the number until it is there.
   */
  #head = null
  #line = new Line()
  /** `null` while unknown, else whether it is the right chain. */
  #isOurChain = null
  #open = 0
  /** Counts what is asked and heard, and the newest of that which was taken. */
  #turn = 0
  #taken = 0
  #subscription = null
  /** Whether the subscription works: it brought the newest block. */
  #hears = false

  /**
   * @param {object | string} target A provider, or its URL.
   * @param {{tag: string, everyMs: number, chainId: bigint}} options
   * @param {object} engine `verify(header, hash)` resolves to what the header says; `heard()` is
   *   called after each change.
   */
  constructor({ target, name }, options, { verify, heard }) {
    this.name = name
    this.#target = target
    this.#options = options
    this.#verify = verify
    this.#heard = heard
    if (/^ws/.test(target)) this.#attempts = new Attempts(() => this.#connect())
  }

  /** The newest block that it names, `{ number, hash, parent, header }`; `null` without a voice. */
  get head() {
    return this.#isOurChain ? this.#head : null
  }

  /** Asks at once, and from now on. */
  start() {
    this.#isActive = true
    if (this.#provider) return this.#ask()
    this.#attempts?.hurry()
    this.#connect()
  }

  /** No calls from now on, until the next `start`. */
  rest() {
    this.#isActive = false
    clearTimeout(this.#timer)
  }

  /** Ends it, after `rest`. */
  stop() {
    this.#attempts?.stop()
    this.#provider?.close()
    this.#provider = null
  }

  /** Its block with this number, if it is known. */
  at(number) {
    return this.head && this.#line.at(number)
  }

  /** Asks for its block with this number, once. */
  async ask(number) {
    if (this.#line.at(number)) return
    this.#line.add({ number })
    const { result } = await this.#call('eth_getBlockByNumber', [`0x${number.toString(16)}`, false])
    const block = result && (await this.#verified(headerTexts(result)))
    // The chain may be another one by then.
    if (block?.number !== number || !this.#line.at(number)) return
    this.#line.add(block)
    this.#heard()
  }

  #connect() {
    if (!this.#isActive || this.#provider) return
    try {
      this.#provider = openProvider(this.#target, (code, reason) => this.#lost(reason))
      if (this.#options.tag === 'latest' && this.#provider.listen?.((notice) => this.#notice(notice), () => this.#chainChanged())) this.#subscribe()
      this.#ask()
    } catch (error) {
      // A URL that this page may not connect to.
      this.#lost(error.message)
    }
  }

  #lost(reason) {
    // It has answered if its chain is known.
    this.#attempts?.lost(this.#isOurChain !== null)
    this.#provider = this.#subscription = this.#isOurChain = null
    this.#hears = false
    this.#fail(reason)
  }

  async #subscribe() {
    const provider = this.#provider
    const { result } = await provider.call({ method: 'eth_subscribe', params: ['newHeads'] })
    if (provider === this.#provider && typeof result === 'string' && result.length <= LONGEST_ID) this.#subscription = result
  }

  /** Takes what a subscription brings, which may be any JSON. */
  async #notice(notice) {
    if (!this.#subscription || notice?.subscription !== this.#subscription || !notice.result) return
    // Of a flood some are left out. A question brings what was missed.
    if (!this.#isActive || this.#open >= MAX_OPEN) return
    this.#hears = true
    this.#schedule()
    this.#open += 1
    await this.#take(headerTexts(notice.result), ++this.#turn)
    this.#open -= 1
  }

  /** A wallet's user has chosen another chain. */
  #chainChanged() {
    this.#isOurChain = null
    this.#forget(NEW)
    if (this.#isActive) this.#ask()
  }

  #schedule(ms = this.#options.everyMs * (this.#hears ? SELDOM : 1)) {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#ask(), ms)
  }

  async #ask() {
    const { tag, everyMs } = this.#options
    this.#schedule()
    if (this.#isOurChain === null) this.#askChain()
    if (this.#isOurChain === false) return
    const turn = ++this.#turn
    const { result, error } = await this.#call('eth_getBlockByNumber', [tag, false])
    // What was heard meanwhile is newer.
    if (turn < this.#taken || !this.#isActive) return
    if (error) {
      this.#schedule(Math.min(everyMs + error.retryAfterMs, everyMs * SELDOM))
      this.#fail(error.message)
    } else if (result) {
      // The subscription has missed it, and may have ended.
      if (result.hash !== this.#head?.hash && this.#hears) {
        this.#hears = false
        this.#schedule()
      }
      this.#take(headerTexts(result), turn)
    } else if (result === null) {
      this.#fail(`it names no block '${tag}'`)
    }
  }

  async #askChain() {
    const { result, error } = await this.#call('eth_chainId', [])
    if (error) return this.#fail(error.message)
    if (result === undefined) return
    const named = JSON.stringify(result).slice(0, LONGEST_ID)
    const ours = `"0x${this.#options.chainId.toString(16)}"`
    this.#isOurChain = named === ours
    if (this.#isOurChain) this.#heard()
    else this.#fail(`it is on chain ${named}, and not on ${ours}`)
  }

  /** The outcome of a call; an empty one if the connection is another one by then. */
  async #call(method, params) {
    const provider = this.#provider
    if (!provider) return {}
    if (this.#open >= MAX_OPEN) return { error: { message: 'it does not answer' } }
    this.#open += 1
    const outcome = await provider.call({ method, params })
    this.#open -= 1
    return provider === this.#provider ? outcome : {}
  }

  /** Takes a header for its newest block when it has been hashed again. */
  async #take(header, turn) {
    const block = (header.hash === this.#head?.hash && this.#head) || (await this.#verified(header))
    if (turn < this.#taken) return
    this.#taken = turn
    if (block.problem) return this.#forget(block.problem)
    if (block !== this.#head) {
      this.#head = block
      this.#line.grow(block)
    }
    this.#fail(null)
  }

  /** It has no voice until it names another block. */
  #forget(problem) {
    this.#head = null
    this.#line.clear()
    this.#fail(problem)
  }

  /** Resolves to the block of a header whose fields hash to its hash, or to a problem. */
  async #verified(header) {
    try {
      const { number, hash } = await this.#verify(header, hashBytes(header.hash, "the header's hash"))
      if (!Number.isSafeInteger(number)) return { problem: `it names block ${number}` }
      return { number, hash, parent: header.parentHash.toLowerCase(), header: { ...header, hash } }
    } catch (error) {
      return { problem: error.message }
    }
  }

  #fail(problem) {
    if (problem || this.#isOurChain) this.problem = problem
    this.#heard()
  }
}
