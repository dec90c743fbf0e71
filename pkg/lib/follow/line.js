// The newest blocks of one chain.

/** Blocks that are remembered. Sources are seldom apart by more. */
const MAX_BLOCKS = 16

export class Line {
  /** By number. Bound: MAX_BLOCKS. */
  #blocks = new Map()

  at(number) {
    return this.#blocks.get(number)
  }

  /** The chain has this newest block. What is not below it is forgotten, and all that it does not build on. */
  grow(block) {
    const { number, parent } = block
    if (this.at(number - 1)?.hash !== parent) this.clear()
    for (const known of this.#blocks.keys()) if (known >= number) this.#blocks.delete(known)
    this.add(block)
  }

  /** The chain has this block as well. */
  add(block) {
    this.#blocks.set(block.number, block)
    trim(this.#blocks, MAX_BLOCKS)
  }

  remove(number) {
    this.#blocks.delete(number)
  }

  clear() {
    this.#blocks.clear()
  }

  /** Forgets what has a number only. */
  forgetAsked() {
    for (const { number, hash } of this.all()) if (!hash) this.#blocks.delete(number)
  }

  /** @returns {Iterable<object>} */
  all() {
    return this.#blocks.values()
  }
}

/** Forgets the oldest of a Map or Set if it has more than so many. */
export function trim(entries, most) {
  if (entries.size > most) entries.delete(entries.keys().next().value)
}
