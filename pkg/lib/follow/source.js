// One source of heads: a provider that is asked and listened to. What it says counts as its voice
// when its chain is the right one and the header's fields have been hashed again.

import { headerTexts } from '../header.js'
import { hashBytes, quantity } from '../input.js'
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
/**
 * How long after its chain has changed a wallet is asked. Chosen without a measurement: it may say so
 * several times, and even at each call.
 */
const SETTLE_MS = 100
/** Characters of a chain's id: one of 32 bytes has 66. */
const LONGEST_ID = 100

export class Source {
  name
  /** Why it has no voice, or its voice may be old, in words; `null` if it has one. */
  problem = NEW
  /** The newest block that it names, a head of follow.js with its `parent`; `null` without a voice. */
  head = null
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
   * What is known of its chain. Of a block that it was asked for there is only the number until it is
   * there.
   */
  #line = new Line()
  /** Whether it is on the right chain; `null` while unknown. */
  #isOurChain = null
  #open = 0
  /** Counts what is asked and heard, and the newest of that which was taken. */
  #turn = 0
  #taken = 0
  /** What the subscription brought last and is not checked yet, and whether another one is. */
  #noticed = null
  #isChecking = false
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

  /** Whether it is a URL, and not a wallet or a library's object. */
  get #isUrl() {
    return typeof this.#target === 'string'
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
    return this.#line.get(number)
  }

  /** Asks for its block with this number, once until it is heard again. */
  async ask(number) {
    if (this.#line.get(number)) return
    this.#line.add({ number })
    const { result } = await this.#call('eth_getBlockByNumber', [quantity(number), false])
    const block = result && (await this.#verified(headerTexts(result)))
    // The chain may be another one by then.
    const isOther = !(number < this.head?.number) || this.#line.get(number)?.hash || (this.#line.get(number + 1)?.parent ?? block?.hash) !== block?.hash
    if (block?.number !== number || isOther) return
    this.#line.add(block)
    this.#heard()
  }

  #connect() {
    if (!this.#isActive || this.#provider) return
    try {
      const provider = openProvider(this.#target, (code, reason) => this.#lost(reason))
      this.#provider = provider
      if (this.#options.tag === 'latest') provider.listen?.((header) => this.#notice(header), () => this.#chainChanged())
      // An object may have ended the follow meanwhile.
      if (this.#isActive) this.#ask()
    } catch (error) {
      // A URL that this page may not connect to.
      this.#lost(error.message)
    }
  }

  #lost(reason) {
    // It has answered if its chain is known.
    this.#attempts?.lost(this.#isOurChain !== null)
    this.#provider = this.#isOurChain = null
    this.#hears = false
    this.#forget(reason)
  }

  /** Takes a new head, which may be any JSON. */
  async #notice(header) {
    if (!this.#isActive) return
    this.#hears = true
    this.#schedule()
    // Of those that come while one is checked, the newest counts.
    this.#noticed = header
    if (this.#isChecking) return
    this.#isChecking = true
    while (this.#noticed) {
      const header = this.#noticed
      this.#noticed = null
      const turn = ++this.#turn
      if (await this.#isSure()) await this.#take(header, turn)
    }
    this.#isChecking = false
  }

  /** A wallet's user has chosen another chain. */
  #chainChanged() {
    this.#isOurChain = null
    this.#forget(NEW)
    this.#schedule(SETTLE_MS)
  }

  #schedule(ms = this.#options.everyMs * (this.#hears ? SELDOM : 1)) {
    clearTimeout(this.#timer)
    if (this.#isActive) this.#timer = setTimeout(() => this.#ask(), ms)
  }

  async #ask() {
    const { tag, everyMs } = this.#options
    this.#schedule()
    const turn = ++this.#turn
    const chain = this.#isUrl && this.#isSure()
    const { result, error } = await this.#call('eth_getBlockByNumber', [tag, false])
    const isKnown = this.head && result?.hash === this.head.hash
    // A wallet is asked for its chain after it has named a new block, because that may have changed.
    if (!error && !isKnown && !(await (chain || this.#isSure()))) return
    // What was heard meanwhile is newer.
    if (turn < this.#taken || !this.#isActive) return
    if (error) {
      this.#schedule(Math.min(everyMs + error.retryAfterMs, everyMs * SELDOM))
      this.#fail(error.message)
    } else if (result) {
      // The subscription has missed it, and may have ended.
      if (this.#hears && result.hash !== this.head?.hash) {
        this.#hears = false
        this.#schedule()
      }
      this.#take(result, turn)
    } else if (result !== undefined) {
      this.#fail(`it names no block '${tag}'`)
    }
  }

  /** Resolves to whether it is on the right chain. The server of a URL stays on that. */
  async #isSure() {
    if (this.#isUrl && this.#isOurChain) return true
    const { result, error } = await this.#call('eth_chainId', [])
    if (error) this.#fail(error.message)
    if (result === undefined) return false
    const { chainId } = this.#options
    // An object has no number, and might throw instead.
    this.#isOurChain = typeof result !== 'object' && Number(result) === Number(chainId)
    if (!this.#isOurChain) this.#forget(`it is on chain ${JSON.stringify(result).slice(0, LONGEST_ID)}, and not on ${chainId}`)
    return this.#isOurChain
  }

  /** The outcome of a call; an empty one if the connection is another one by then. */
  async #call(method, params) {
    const provider = this.#provider
    if (!provider) return {}
    if (this.#open >= MAX_OPEN) return { error: { message: 'it does not answer', retryAfterMs: null } }
    this.#open += 1
    const outcome = await provider.call({ method, params })
    this.#open -= 1
    return provider === this.#provider ? outcome : {}
  }

  /** Takes a header for its newest block when it has been hashed again. */
  async #take(given, turn) {
    const header = headerTexts(given)
    const block = (header.hash === this.head?.hash && this.head) || (await this.#verified(header))
    if (turn < this.#taken) return
    this.#taken = turn
    if (block.problem) return this.#forget(block.problem)
    if (block !== this.head) {
      this.head = block
      this.#line.grow(block)
    }
    this.#fail(null)
  }

  /** It has no voice until it names another block. */
  #forget(problem) {
    this.head = null
    this.#line.clear()
    this.#fail(problem)
  }

  /** Resolves to the block of a header whose fields hash to its hash, or to a problem. */
  async #verified(header) {
    try {
      const blockHash = hashBytes(header.hash, "the header's hash")
      const { number, hash } = await this.#verify(header, blockHash)
      if (!Number.isSafeInteger(number)) return { problem: `it names block ${number}` }
      return { number, hash, parent: header.parentHash, target: { header, blockHash } }
    } catch (error) {
      return { problem: error.message }
    }
  }

  #fail(problem) {
    this.problem = problem
    this.#line.forgetAsked()
    this.#heard()
  }
}
