// One source of heads: a provider that is asked and listened to. What it says counts as its voice
// when its chain is the right one and the header's fields have been hashed again.

import { headerTexts } from '../header.js'
import { hashBytes } from '../input.js'
import { openProvider } from '../provider.js'
import { Attempts } from '../reconnect.js'

/**
 * A source whose subscription works is asked only after so many times `everyMs`, because
 * subscriptions end without a word. Chosen without a measurement: 40 s by default.
 */
const SELDOM = 10
/** How long the newest block is waited for. Chosen without a measurement: nodes take some ms. */
const ANSWER_MS = 10_000
/**
 * How long the block of a number is waited for when sources are compared. It is short, because one
 * that never answers must not hold the others back. Chosen without a measurement.
 */
export const PATIENCE_MS = 2_000
/** Most unanswered questions to one source, so that a silent one does not pile them up. */
const MAX_OPEN = 4
/** Blocks that are remembered of a source. Sources are seldom apart by more. */
const KNOWN_BLOCKS = 16
/** Characters of a chain's id, and of a subscription's: go-ethereum's has 34. */
const LONGEST_ID = 100
/** The longest wait of a timer (HTML: a long). */
export const LONGEST_WAIT_MS = 2 ** 31 - 1

export class Source {
  name
  /** Why it has no voice now, or its voice may be old, in words; `null` if it has one. */
  problem = null
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
  /** The newest block that it named. */
  #head = null
  /** Blocks of its chain by number, that one included. Bound: KNOWN_BLOCKS. */
  #known = new Map()
  /**
   * Numbers that it was asked for since it named its newest block, and whether the answer is still
   * waited for. Bound: the numbers that the other sources name meanwhile, at most
   * KNOWN_BLOCKS.
   */
  #asked = new Map()
  /** `null` while unknown, else whether it is the right chain. */
  #isOurChain = null
  #open = 0
  /** Counts what is asked and heard, and the newest of that which was taken. */
  #turn = 0
  #taken = 0
  #isChecking = false
  /** The header to be checked next, `{ header, turn }`. */
  #next = null
  #subscription = null
  /** Whether the subscription works, and whether it brought anything since the last answer. */
  #hears = false
  #noticed = false

  /**
   * @param {object | string} target A provider, or its URL.
   * @param {{tag: string, everyMs: number, chainId: bigint}} options
   * @param {object} engine `verify(header, hash)` resolves to what the header says; `heard()` is
   *   called after each change.
   */
  constructor(target, name, options, { verify, heard }) {
    this.name = name
    this.#target = target
    this.#options = options
    this.#verify = verify
    this.#heard = heard
    if (/^ws/i.test(target)) this.#attempts = new Attempts(() => this.#connect())
  }

  /** The newest block that it names, `{ number, hash, parent, header }`; `null` without a voice. */
  get head() {
    return this.#isOurChain ? this.#head : null
  }

  /** Whether nothing is known of it yet. */
  get isNew() {
    return !this.head && this.problem === null
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

  stop() {
    this.rest()
    this.#attempts?.stop()
    this.#provider?.close()
    this.#provider = null
  }

  /** Its block with this number, if it is known. */
  at(number) {
    return number === this.head?.number ? this.head : this.#known.get(number)
  }

  /** Asks for it. Returns whether the answer is still waited for. */
  ask(number) {
    if (!this.#asked.has(number)) this.#askFor(number)
    return this.#asked.get(number)
  }

  #connect() {
    if (!this.#isActive || this.#provider) return
    try {
      const provider = openProvider(this.#target, (code, reason) => this.#lost(reason))
      this.#provider = provider
      const listens = this.#options.tag === 'latest' && provider.listen?.((notice) => this.#notice(notice), () => this.#chainChanged())
      if (listens) this.#subscribe()
      this.#ask()
    } catch (error) {
      // A URL that this page may not connect to.
      this.#lost(error.message)
    }
  }

  #lost(reason) {
    const answered = this.#isOurChain !== null
    this.#provider = this.#subscription = this.#isOurChain = null
    this.#hears = false
    this.#attempts?.lost(answered)
    this.#fail(reason)
  }

  async #subscribe() {
    const provider = this.#provider
    if (this.#subscription !== null) provider.call({ method: 'eth_unsubscribe', params: [this.#subscription] })
    this.#subscription = null
    const { result } = await provider.call({ method: 'eth_subscribe', params: ['newHeads'] })
    if (provider === this.#provider && typeof result === 'string' && result.length <= LONGEST_ID) this.#subscription = result
  }

  /** Takes what a subscription brings, which may be anything. */
  #notice(notice) {
    let header
    try {
      if (this.#subscription === null || notice.subscription !== this.#subscription) return
      header = headerTexts(notice.result)
    } catch {
      return
    }
    this.#hears = this.#noticed = true
    if (!this.#isActive) return
    this.#schedule(SELDOM)
    this.#check(header, ++this.#turn)
  }

  /** A wallet's user has chosen another chain. */
  #chainChanged() {
    this.#isOurChain = null
    this.#forget()
    if (this.#isActive && this.#provider) this.#ask()
  }

  #schedule(times = this.#hears ? SELDOM : 1, ms = times * this.#options.everyMs) {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#ask(), Math.min(ms, LONGEST_WAIT_MS))
  }

  async #ask() {
    this.#schedule()
    const { tag, everyMs } = this.#options
    if (this.#isOurChain === null) this.#askChain()
    if (this.#isOurChain === false) return
    const turn = ++this.#turn
    const answer = await this.#call('eth_getBlockByNumber', [tag, false], ANSWER_MS)
    // What was heard meanwhile is newer.
    if (!answer || turn < this.#taken || !this.#isActive) return
    const { result, error } = answer
    if (error) {
      if (error.retryAfterMs) this.#schedule(0, Math.min(Math.max(error.retryAfterMs, everyMs), SELDOM * everyMs))
      this.#fail(error.message)
    } else if (result === null || typeof result !== 'object') {
      this.#fail(`it names no block '${tag}'`)
    } else {
      this.#check(headerTexts(result), turn)
    }
  }

  async #askChain() {
    const { result, error } = (await this.#call('eth_chainId', [], ANSWER_MS)) ?? {}
    if (result === undefined && !error) return
    if (error) return this.#fail(error.message)
    const { chainId } = this.#options
    const named = ['string', 'number'].includes(typeof result) ? String(result).slice(0, LONGEST_ID) : 'none'
    this.#isOurChain = [`0x${chainId.toString(16)}`, String(chainId)].includes(named.toLowerCase())
    if (this.#isOurChain) this.#heard()
    else this.#fail(`it is on chain ${named}, and not on ${chainId}`)
  }

  async #askFor(number) {
    if (this.#asked.size >= KNOWN_BLOCKS) return
    this.#asked.set(number, true)
    const { result } = (await this.#call('eth_getBlockByNumber', [`0x${number.toString(16)}`, false], PATIENCE_MS)) ?? {}
    const block = result && typeof result === 'object' && (await this.#verified(headerTexts(result)))
    if (block?.number === number && number < this.#head?.number) this.#remember(block)
    if (this.#asked.has(number)) this.#asked.set(number, false)
    this.#heard()
  }

  /**
   * The outcome of a call, or an error if it takes too long; nothing if the connection is another
   * one by then.
   */
  async #call(method, params, patience) {
    const provider = this.#provider
    if (!provider) return null
    if (this.#open >= MAX_OPEN) return { error: { message: 'it does not answer' } }
    this.#open += 1
    const call = provider.call({ method, params }).finally(() => {
      this.#open -= 1
    })
    const outcome = await within(call, patience, () => ({ error: { message: `no answer within ${patience / 1000} s` } }))
    return provider === this.#provider ? outcome : null
  }

  /**
   * Takes a header for its newest block when it has been hashed again. One at a time: of those that
   * come meanwhile the newest counts.
   */
  async #check(header, turn) {
    if (!(turn < this.#next?.turn)) this.#next = { header, turn }
    if (this.#isChecking) return
    this.#isChecking = true
    while (this.#next) {
      const { header, turn } = this.#next
      this.#next = null
      const block = this.#head && header.hash === this.#head.hash ? this.#head : await this.#verified(header)
      if (turn < this.#taken) continue
      this.#taken = turn
      if (!block.problem) this.#take(block)
      else {
        this.#forget()
        this.#fail(block.problem)
      }
    }
    this.#isChecking = false
  }

  #take(block) {
    const isNews = block.hash !== this.#head?.hash
    // The subscription has missed it.
    if (isNews && this.#hears && !this.#noticed) {
      this.#hears = false
      this.#schedule()
      this.#subscribe()
    }
    this.#noticed = false
    if (isNews) {
      const { number, parent } = block
      if (this.#known.get(number - 1)?.hash !== parent) this.#known.clear()
      for (const known of this.#known.keys()) if (known >= number) this.#known.delete(known)
      this.#head = block
      this.#remember(block)
    }
    this.#asked.clear()
    if (this.#isOurChain) this.problem = null
    this.#heard()
  }

  #remember(block) {
    this.#known.set(block.number, block)
    if (this.#known.size > KNOWN_BLOCKS) this.#known.delete(this.#known.keys().next().value)
  }

  /** It has no voice until it names another block. */
  #forget() {
    this.#head = null
    this.#known.clear()
  }

  /** Resolves to the block of a header whose fields hash to its hash, or to a problem. */
  async #verified(header) {
    try {
      const { number, hash } = await this.#verify(header, hashBytes(header.hash, "the header's hash"))
      if (!Number.isSafeInteger(number)) return { problem: `it names block ${number}` }
      return { number, hash, parent: header.parentHash.toLowerCase(), header }
    } catch (error) {
      return { problem: error.message }
    }
  }

  #fail(problem) {
    this.problem = problem
    this.#asked.clear()
    this.#heard()
  }
}

/** What the promise resolves to, or what `late` returns if it takes longer. */
export function within(promise, ms, late) {
  let timer
  const end = new Promise((resolve) => {
    timer = setTimeout(() => resolve(late()), ms)
    // A question does not keep a Node process alive. The follow does, by its next one.
    timer.unref?.()
  })
  return Promise.race([promise, end]).finally(() => clearTimeout(timer))
}
