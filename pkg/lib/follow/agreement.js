// Which block several sources agree on.

/** Blocks that are remembered of the chain that was agreed on. Sources are seldom apart by more. */
const KNOWN_BLOCKS = 16
/** Disagreements that are remembered, so that each is told once. */
const REPORTED = 256

export class Agreement {
  #sources
  #agree
  #report
  /** Hashes of the blocks that were agreed on, by number, each the child of the one before. */
  #agreed = new Map()
  /** Bound: REPORTED. */
  #reported = new Set()

  /**
   * @param {object[]} sources Of source.js.
   * @param {number} agree How many have to name the same block.
   * @param {(agreed: object | null, blocks: object[]) => void} report Is told of each block that
   *   contradicts another, once.
   */
  constructor(sources, agree, report) {
    this.#sources = sources
    this.#agree = agree
    this.#report = report
  }

  /**
   * The newest block that enough sources name, and which sources know nothing. Asks sources that are
   * ahead for the blocks of lower numbers.
   *
   * @param {number} lowest Blocks with lower numbers are not looked for.
   * @param {boolean} isPatient Whether a source that has said nothing yet is waited for.
   * @returns {{block: object | null, waiting: string | null}} The block has `number`, `hash` and
   *   `header`; `waiting` says why there is none.
   */
  find(lowest, isPatient) {
    const voices = this.#sources.filter(({ head }) => head)
    const numbers = voices.map(({ head }) => head.number).sort((a, b) => b - a)
    const candidates = [...new Set(numbers.slice(this.#agree - 1))]
    // One that answers late would else be taken for one that is behind.
    const waits = isPatient && this.#sources.some(({ isNew }) => isNew)
    let block = null
    let split = null
    for (const number of candidates) {
      if (number < lowest || (waits && number < numbers[0])) break
      const { agreed, isOpen, contradiction } = this.#ask(number, voices)
      block = agreed
      split ??= contradiction
      if (block || isOpen) break
    }
    if (block) this.#take(block)
    else if (split) this.#tell(null, split)
    this.#compare()
    return { block, waiting: this.#why(candidates[0], lowest, split) }
  }

  /** Counts the voices for a number. */
  #ask(number, voices) {
    const votes = new Map()
    let open = 0
    let silent = this.#sources.length
    for (const source of voices) {
      if (source.head.number < number) continue
      const block = source.at(number)
      if (block) {
        silent -= 1
        votes.set(block.hash, [...(votes.get(block.hash) ?? []), { source, block }])
      } else if (source.ask(number)) {
        open += 1
      }
    }
    // Of several that are named by enough, the one that was taken before stays.
    const before = votes.get(this.#agreed.get(number))
    const [most = []] = [before ?? [], ...votes.values()].sort((a, b) => b.length - a.length)
    const isSplit = votes.size > 1 && most.length + silent < this.#agree
    return {
      agreed: most.length >= this.#agree ? most[0].block : null,
      isOpen: open > 0,
      contradiction: isSplit ? [...votes.values()].flat() : null,
    }
  }

  #take({ number, hash, parent }) {
    if (this.#agreed.get(number) === hash) return
    if (this.#agreed.get(number - 1) !== parent) this.#agreed.clear()
    for (const known of this.#agreed.keys()) if (known >= number) this.#agreed.delete(known)
    this.#agreed.set(number, hash)
    if (this.#agreed.size > KNOWN_BLOCKS) this.#agreed.delete(this.#agreed.keys().next().value)
  }

  /** Tells of the sources that name other blocks than those that were agreed on. */
  #compare() {
    for (const [number, hash] of this.#agreed) {
      const others = []
      for (const source of this.#sources) {
        const block = source.head && source.at(number)
        if (block && block.hash !== hash) others.push({ source, block })
      }
      this.#tell({ number, hash }, others)
    }
  }

  #tell(agreed, named) {
    const blocks = []
    for (const { source, block: { number, hash } } of named) {
      const key = `${this.#sources.indexOf(source)} ${number} ${hash} ${agreed?.hash}`
      if (this.#reported.has(key)) continue
      this.#reported.add(key)
      if (this.#reported.size > REPORTED) this.#reported.delete(this.#reported.values().next().value)
      blocks.push(Object.freeze({ source: source.name, number, hash }))
    }
    if (blocks.length > 0) this.#report(agreed && Object.freeze(agreed), Object.freeze(blocks))
  }

  /** Why nothing is known of new blocks, in words; `null` if they are. */
  #why(number, lowest, split) {
    const lacking = this.#sources.filter(({ head, problem }) => !head || problem)
    const isOne = this.#sources.length === 1
    if (this.#sources.length - lacking.length < this.#agree) {
      const words = lacking.map(({ name, problem }) => `${name}: ${problem ?? 'no answer yet'}`).join('; ')
      return isOne ? words : `${this.#agree} of ${this.#sources.length} sources have to agree, and not enough answer: ${words}`
    }
    if (split) return `the sources disagree: ${split.map(({ source, block }) => `${source.name} names ${block.hash} for block ${block.number}`).join(', ')}`
    return number < lowest ? lower(number, lowest) : null
  }
}

export function lower(number, lowest) {
  return `the newest block that is named is ${number}, which is lower than ${lowest}`
}
