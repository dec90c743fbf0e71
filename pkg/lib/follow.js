// A database that follows a chain, as its caller sees it: a promise of the end, and an async
// iterable of where it stands. What it does is in follow/.

import { LONGEST_WAIT_MS } from './follow/source.js'
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
   * @param {object} loop Has the `standing`, and `end(error)`.
   */
  constructor(tag, loop, handOver) {
    super(handOver)
    this.#tag = tag
    this.#loop = loop
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
  const { length } = given
  if (length === 0 || length > MAX_SOURCES) bad('source', `1 to ${MAX_SOURCES} sources`, source)
  const sources = given.map((each, at) => checkedSource(each, `source ${at + 1}`, isOne))
  if (agree !== undefined && !(Number.isInteger(agree) && agree >= 1 && agree <= length)) bad('options.agree', `a whole number from 1 to ${length}`, agree)
  if (typeof everyMs !== 'number' || !(everyMs >= 1 && everyMs <= LONGEST_WAIT_MS)) bad('options.everyMs', 'milliseconds: a number from 1 to 2^31 - 1', everyMs)
  oneOf(backwards, [true, false], 'options.backwards')
  oneOf(whileHidden, [true, false], 'options.whileHidden')
  oneOf(tag, ['latest', 'safe', 'finalized'], 'options.tag')
  abortSignal(signal)
  callback(onProgress, 'options.onProgress')
  return { sources, tag, agree: agree ?? (length >> 1) + 1, everyMs, backwards, whileHidden, signal, onProgress, chainId }
}

function checkedSource(value, name, isOne) {
  if (isProvider(value)) return { target: value, name }
  if (isOne && typeof value === 'function') return { call: value, name }
  const target = peerUrl(value, 'rpc', 'source')
  if (!target) bad('source', 'a provider, a URL, a function, or an array of providers and URLs', value)
  if (/^ws/.test(target)) checkWebSocket()
  return { target, name: new URL(target).host }
}
