// Which block several sources agree on.

import { hashBytes } from '../input.js'
import { Line, trim } from './line.js'
import { Source } from './source.js'

/** Disagreements that are remembered, so that each is told once. */
const MAX_REPORTED = 256

export class Agreement {
  /** Bound: MAX_SOURCES of follow.js. */
  #sources
  #agree
  #report
  /** The blocks that were agreed on. */
  #agreed = new Line()
  /** Bound: MAX_REPORTED. */
  #reported = new Set()

  /**
   * @param {object} plan Of follow.js. `agree` of its `sources` have to name the same block.
   * @param {object} hooks Of Source, and `report(agreed, blocks)`, which is told of each block that
   *   contradicts another, once.
   */
  constructor(plan, hooks) {
    this.#sources = plan.sources.map((source) => new Source(source, plan, hooks))
    this.#agree = plan.agree
    this.#report = hooks.report
  }

  start() {
    for (const source of this.#sources) source.start()
  }

  rest() {
    for (const source of this.#sources) source.rest()
  }

  stop() {
    for (const source of this.#sources) source.stop()
  }

  /**
   * The newest block that enough sources name. Asks sources that are ahead for the blocks of lower
   * numbers.
   *
   * @param {number} lowest Blocks with lower numbers are not looked for.
   * @returns {{head: object | null, waiting: string | null}} A head of loop.js, and why there is
   *   none, in words.
   */
  find(lowest) {
    const voices = this.#sources.filter(({ head }) => head)
    const numbers = voices.map(({ head }) => head.number).sort((a, b) => b - a)
    // One that has said nothing yet may be up to date, and one of the others behind.
    const isEarly = this.#sources.some(({ head, problem }) => !head && !problem)
    let block = null
    let split = null
    for (const number of numbers.slice(this.#agree - 1)) {
      if (block || number < lowest || (isEarly && number < numbers[0])) break
      const named = voices.filter(({ head }) => head.number >= number).map((source) => ({ source, block: source.at(number) })).filter(({ block }) => block)
      const votes = ({ hash }) => named.filter(({ block }) => block.hash === hash).length
      // Of several that are named by as many, the one that was agreed on before stays.
      const [most] = [this.#agreed.at(number), ...named.map(({ block }) => block)].filter(Boolean).sort((a, b) => votes(b) - votes(a))
      if (!most) continue
      if (votes(most) >= this.#agree) block = most
      // Not even those that have not named it yet could decide.
      else if (votes(most) + this.#sources.length - named.length < this.#agree) split ??= named
    }
    if (block && this.#agreed.at(block.number)?.hash !== block.hash) this.#agreed.grow(block)
    if (split && !block) this.#tell(null, split)
    for (const agreed of this.#agreed.all()) {
      const named = this.#sources.map((source) => ({ source, block: source.known(agreed.number) }))
      this.#tell(agreed, named.filter(({ block }) => block && block.hash !== agreed.hash))
    }
    const { number, hash, header } = block ?? {}
    return { head: block && { number, hash, target: { header, blockHash: hashBytes(hash) } }, waiting: this.#why(numbers[this.#agree - 1], lowest, block ? null : split) }
  }

  #tell(agreed, named) {
    const blocks = []
    for (const { source, block: { number, hash } } of named) {
      const key = [this.#sources.indexOf(source), number, hash, agreed?.hash].join()
      if (this.#reported.has(key)) continue
      this.#reported.add(key)
      trim(this.#reported, MAX_REPORTED)
      blocks.push(Object.freeze({ source: source.name, number, hash }))
    }
    if (blocks.length > 0) this.#report(agreed && Object.freeze({ number: agreed.number, hash: agreed.hash }), Object.freeze(blocks))
  }

  /** Why nothing is known of new blocks, in words; `null` if they are. */
  #why(number, lowest, split) {
    const lacking = this.#sources.filter(({ head, problem }) => !head || problem)
    const { length } = this.#sources
    if (length - lacking.length < this.#agree) {
      const words = lacking.map(({ name, problem }) => `${name}: ${problem ?? 'no answer yet'}`).join('; ')
      return length === 1 ? words : `${this.#agree} of ${length} sources have to agree, and not enough answer: ${words}`
    }
    if (split) return `the sources disagree: ${split.map(({ source, block }) => `${source.name} names ${block.hash} for block ${block.number}`).join(', ')}`
    return number < lowest ? lower(number, lowest) : null
  }
}

export function lower(number, lowest) {
  return `the newest block that is named is ${number}, which is lower than ${lowest}`
}
