// A source of heads that is a function of the caller's. It is believed.

import { showTarget, syncTarget } from '../input.js'
import { openProvider } from '../provider.js'
import { NEW } from './source.js'

/** It has `start()` and `rest()` as a Source, and `find()` as an Agreement. */
export function functionSource({ call, name }, { everyMs }, { verify, heard }) {
  /** What it gave last, a head of follow.js, and why it gives none now, in words. */
  let head = null
  let problem = NEW
  let isAsking = false
  let timer

  const start = async () => {
    clearTimeout(timer)
    timer = setTimeout(start, everyMs)
    if (isAsking) return
    isAsking = true
    let given = null
    // As a provider, so that it ends in any case, and with words, also where what it gives throws.
    const request = async () => {
      given = await readHead(await call(), verify)
    }
    const { error } = await openProvider({ request }).call({})
    head = given ?? head
    problem = error ? error.message : given ? null : 'it names no block'
    isAsking = false
    heard()
  }

  return {
    start,
    rest: () => clearTimeout(timer),
    find: () => ({ head, number: head?.number, waiting: problem && `${name}: ${problem}` }),
  }
}

/** The head that was given, if it was one. */
async function readHead(given, verify) {
  if (given == null) return null
  const target = syncTarget(given)
  const { header, blockHash } = target
  if (header) return { target, ...(await verify(header, blockHash)) }
  const { root, blockHash: hash } = showTarget(target)
  return { target, root, hash, number: hash && given.number >= 0 && Number.isSafeInteger(given.number) ? given.number : undefined }
}
