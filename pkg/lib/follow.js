// A database that follows a chain, as its caller sees it: a promise of the end, and an async
// iterable of where it stands. What it does is in follow/.

import { LONGEST_WAIT_MS } from './follow/source.js'
import { Loop } from './follow/loop.js'
import { abortSignal, bad, callback, isProvider, oneOf, optionsOf, peerUrl } from './input.js'
import { Running } from './running.js'
import { checkWebSocket } from './socket.js'

/** Chosen without a measurement: a third of the time between two blocks of mainnet. */
const EVERY_MS = 4_000
/** Chosen without a measurement: each is asked for every block. */
const MAX_SOURCES = 16

export class Follow extends Running {
  #tag
  #loop

  /**
   * Made by `Snaplight.follow`.
   * @param {object} plan Of `followPlan`.
   * @param {object} engine Of loop.js.
   * @param {object} owner `handOver({ begin, refresh, end })` gets what moves this object;
   *   `completed(head)` and `ended()` are called when it has got so far.
   */
  constructor(plan, engine, { handOver, completed, ended }) {
    let controls
    super((given) => {
      controls = given
    })
    this.#tag = plan.tag
    const end = (error) => {
      const isQuiet = !error || error.code === 'CLOSED'
      controls.settle(undefined, isQuiet ? null : error)
      // It was the caller who started what took over.
      if (error?.code === 'CANCELLED') this.catch(() => {})
      ended()
    }
    this.#loop = new Loop(plan, engine, { publish: controls.publish, completed, end })
    handOver({ begin: () => this.#loop.begin(), refresh: () => this.#loop.refresh(), end: (error) => this.#loop.end(error) })
  }

  get tag() {
    return this.#tag
  }

  get standing() {
    return this.#loop.standing
  }

  stop() {
    this.#loop.end(null)
  }

  get [Symbol.toStringTag]() {
    return 'Follow'
  }
}

/** Checks what `follow` was given, and brings it into one form. */
export function followPlan(source, options, chainId) {
  const { signal, tag = 'latest', agree, everyMs = EVERY_MS, backwards = false, whileHidden = false, onProgress } = optionsOf(options)
  const isOne = !Array.isArray(source)
  const given = isOne ? [source] : source
  if (given.length === 0 || given.length > MAX_SOURCES) bad('source', `1 to ${MAX_SOURCES} sources`, source)
  const sources = given.map((each, at) => checkedSource(each, at, isOne))
  const least = (sources.length >> 1) + 1
  if (agree !== undefined && !(Number.isInteger(agree) && agree >= 1 && agree <= sources.length)) {
    bad('options.agree', `a whole number from 1 to the number of sources, ${sources.length}`, agree)
  }
  if (typeof everyMs !== 'number' || !(everyMs >= 1 && everyMs <= LONGEST_WAIT_MS)) bad('options.everyMs', 'milliseconds: a number from 1 to 2^31 - 1', everyMs)
  for (const [name, value] of Object.entries({ backwards, whileHidden })) {
    if (typeof value !== 'boolean') bad(`options.${name}`, 'a boolean', value)
  }
  oneOf(tag, ['latest', 'safe', 'finalized'], 'options.tag')
  abortSignal(signal)
  callback(onProgress, 'options.onProgress')
  return { sources, tag, agree: agree ?? least, everyMs, backwards, whileHidden, signal, onProgress, chainId }
}

function checkedSource(value, at, isOne) {
  const name = `source ${at + 1}`
  if (isProvider(value)) return { target: value, name }
  if (isOne && typeof value === 'function') return { call: value, name }
  const target = peerUrl(value, 'rpc', 'source')
  if (target === null) bad('source', `a provider, a URL${isOne ? ', a function, or an array of providers and URLs' : ''}`, value)
  if (/^ws/.test(target)) checkWebSocket()
  return { target, name: new URL(target).host }
}
