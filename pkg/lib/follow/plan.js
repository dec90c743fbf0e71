// What a follow was asked for, checked and in one form.

import { abortSignal, bad, boolean, callback, isProvider, oneOf, optionsOf, wholeNumber } from '../input.js'
import { providerTarget } from '../provider.js'

/** Chosen without a measurement: a third of the time between two blocks of mainnet. */
const EVERY_MS = 4_000
/** A day: ten times as long is still a time that timers take. */
const LONGEST_EVERY_MS = 86_400_000
/** Chosen without a measurement: each is asked for every block. */
const MAX_SOURCES = 16

/** Checks what `follow` was given, and brings it into one form. */
export function followPlan(source, options, chainId) {
  const isOne = !Array.isArray(source)
  const given = isOne ? [source] : source
  const { length } = given
  wholeNumber(length, MAX_SOURCES, 'the number of sources')
  // Of an array with holes, too.
  const sources = Array.from(given, (each, at) => checkedSource(each, `source ${at + 1}`, isOne))
  // One that is named twice would have two voices.
  if (new Set(sources.map(({ target }) => target)).size < length) bad('source', 'different sources', source)
  const { signal, tag = 'latest', agree = (length >> 1) + 1, everyMs = EVERY_MS, backwards = false, whileHidden = false, onProgress } = optionsOf(options)
  wholeNumber(agree, length, 'options.agree')
  wholeNumber(everyMs, LONGEST_EVERY_MS, 'options.everyMs')
  boolean(backwards, 'options.backwards')
  boolean(whileHidden, 'options.whileHidden')
  oneOf(tag, ['latest', 'safe', 'finalized'], 'options.tag')
  abortSignal(signal)
  callback(onProgress, 'options.onProgress')
  return { sources, tag, agree, everyMs, backwards, whileHidden, signal, onProgress, chainId }
}

function checkedSource(value, name, isOne) {
  if (isOne && typeof value === 'function' && !isProvider(value)) return { call: value, name }
  const target = providerTarget(value, 'source', 'a provider, a URL, a function, or an array')
  return { target, name: typeof target === 'string' ? new URL(target).host : name }
}
