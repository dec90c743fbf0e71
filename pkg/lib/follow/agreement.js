// Which block several sources agree on.

import { Line, headOf, trim } from './line.js'
import { NEW } from './source.js'

/** Disagreements that are remembered, so that each is told once. */
const MAX_REPORTED = 256

export class Agreement {
  /** Of source.js. Bound: MAX_SOURCES of plan.js. */
  #sources
  #agree
  #report
  /** The blocks that were agreed on. */
  #agreed = new Line()
  /** Bound: MAX_REPORTED. */
  #reported = new Set()

  /**
   * @param {number} agree How many have to name the same block.
   * @param {(agreed: object | null, blocks: object[]) => void} report Is told of blocks that
   *   contradict the one of their number that was agreed on, or each other; once for each source.
   */
  constructor(sources, agree, report) {
    this.#sources = sources
    this.#agree = agree
    this.#report = report
  }

  /**
   * The newest block that enough sources name. Asks sources that are ahead for the blocks of lower
   * numbers.
   *
   * @param {number} lowest Blocks with lower numbers are not looked for.
   * @returns {{head: object | null, number: number, waiting: string | null}} A head of follow.js; the
   *   highest number that enough name or have passed; and why nothing is known of new blocks, in
   *   words.
   */
  find(lowest) {
    const voices = this.#sources.filter(({ head }) => head)
    const numbers = voices.map(({ head }) => head.number).sort((a, b) => b - a)
    // One that has said nothing yet may be up to date, and one of the others behind.
    const isEarly = this.#sources.some(({ problem }) => problem === NEW)
    let block = null
    let split = null
    for (const number of numbers.slice(this.#agree - 1)) {
      if (block || number < lowest || (isEarly && number < numbers[0])) break
      for (const source of voices) if (source.head.number > number) source.ask(number)
      const named = this.#named(number)
      const votes = ({ hash }) => named.filter(({ block }) => block.hash === hash).length
      // Of several that are named by as many, the one that was agreed on before stays.
      const [most] = [this.#agreed.get(number) ?? {}, ...named.map(({ block }) => block)].sort((a, b) => votes(b) - votes(a))
      if (votes(most) >= this.#agree) block = most
      // Not even those that have not named it yet could decide.
      else if (votes(most) + this.#sources.length - named.length < this.#agree) split ??= named
    }
    // The split is at a higher number, which others may name soon.
    if (block) split = null
    if (block && this.#agreed.get(block.number)?.hash !== block.hash) this.#agreed.grow(block)
    if (split) this.#tell(null, split)
    for (const agreed of this.#agreed.values()) this.#tell(agreed, this.#named(agreed.number).filter(({ block }) => block.hash !== agreed.hash))
    return {
      head: block,
      number: numbers[this.#agree - 1],
      waiting: this.#why(split),
    }
  }

  /** What is known of each source's block with this number. */
  #named(number) {
    return this.#sources.map((source) => ({ source, block: source.at(number) })).filter(({ block }) => block?.hash)
  }

  #tell(agreed, named) {
    const blocks = []
    for (const { source, block: { number, hash } } of named) {
      // Not once for each hash: one that names others without end would be told of without end.
      const key = [this.#sources.indexOf(source), number, agreed?.hash].join()
      if (this.#reported.has(key)) continue
      this.#reported.add(key)
      trim(this.#reported, MAX_REPORTED)
      blocks.push({ source: source.name, number, hash })
    }
    if (blocks.length > 0) this.#report(headOf(agreed), blocks)
  }

  #why(split) {
    const { length } = this.#sources
    const lacking = this.#sources.filter(({ problem }) => problem)
    const words =
      length - lacking.length < this.#agree ? lacking.map(({ name, problem }) => `${name}: ${problem}`)
      : split?.map(({ source, block }) => `${source.name}: block ${block.number} is ${block.hash}`)
    return words ? `${length > 1 ? `${this.#agree} of ${length} sources have to agree; ` : ''}${words.join('; ')}` : null
  }
}
