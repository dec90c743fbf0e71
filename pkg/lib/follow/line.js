// The newest blocks of one chain.

/** Blocks that are remembered. Sources are seldom apart by more. */
const MAX_BLOCKS = 16

/** By number. Bound: MAX_BLOCKS. */
export class Line extends Map {
  /** The chain has this newest block. What is not below it is forgotten, and all that it does not build on. */
  grow(block) {
    const { number, parent } = block
    if (this.get(number - 1)?.hash !== parent) this.clear()
    for (const known of this.keys()) if (known >= number) this.delete(known)
    this.add(block)
  }

  /** The chain has this block as well. */
  add(block) {
    this.set(block.number, block)
    trim(this, MAX_BLOCKS)
  }

  /** Forgets what has a number only. */
  forgetAsked() {
    for (const { number, hash } of this.values()) if (!hash) this.delete(number)
  }
}

/** The Head of a block: its number and its hash alone. `null` if it is none, or has no number. */
export function headOf(block) {
  return block?.number == null ? null : { number: block.number, hash: block.hash }
}

/** Forgets the oldest of a Map or Set if it has more than so many. */
export function trim(entries, most) {
  if (entries.size > most) entries.delete(entries.keys().next().value)
}
