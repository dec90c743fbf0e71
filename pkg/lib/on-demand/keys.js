// The accounts, slots and codes that are held on demand, and which of them go when there are too
// many or nobody asks for them any more.

import { addressBytes, listOf, slotBytes, toHex } from '../input.js'

/**
 * Most accounts, slots and codes held at a time. Chosen without a measurement: a page of balances
 * asks for some hundreds, and so many are refreshed by a provider in about a second.
 */
export const MAX_KEYS = 1_024

/**
 * The keys of a list of `{ address, slots, code }`, by their ids. An account comes behind its slots
 * and its code, so it is never older than they are.
 * @throws {MisuseError} `BAD_ARGUMENT`
 */
export function keysOf(wanted) {
  const keys = new Map()
  for (const { address: given, slots = [], code = false } of wanted) {
    const address = toHex(addressBytes(given))
    for (const slot of listOf(slots, (each) => toHex(slotBytes(each)))) keys.set(`${address} ${slot}`, { address, slot })
    if (code) keys.set(`${address} code`, { address, code })
    keys.delete(address)
    keys.set(address, { address })
  }
  return keys
}

/** These and more. An account that is in both comes behind what is new of it, too. */
export function joined(keys, more) {
  return new Map([...[...keys].filter(([id]) => !more.has(id)), ...more])
}

/** The list for `track` and `untrack` that names these keys, and nothing else. */
export function listed(keys) {
  const accounts = new Map()
  const whole = new Set()
  for (const { address, slot, code } of keys.values()) {
    const account = accounts.get(address) ?? { address, slots: [], code: false }
    if (slot) account.slots.push(slot)
    else if (code) account.code = true
    else whole.add(address)
    accounts.set(address, account)
  }
  return { parts: [...accounts.values()], whole }
}

export class Keys {
  /** By id, those that were used last at the end: `{ key, era, roots }`. Bound: `MAX_KEYS`. */
  #held = new Map()
  /** Counts the moves from one state to another. */
  #era = 0

  /** Whether all of these are proven in the state with this root. */
  areProven(keys, root) {
    return [...keys.keys()].every((id) => this.#held.get(id)?.roots.has(root))
  }

  /** Notes that these are used now. Returns those that are new. */
  use(keys) {
    const added = new Map()
    for (const [id, key] of keys) {
      const entry = this.#held.get(id) ?? { key, roots: new Set() }
      if (!this.#held.delete(id)) added.set(id, key)
      this.#held.set(id, { ...entry, era: this.#era })
    }
    return added
  }

  /**
   * Another state is synced to: takes out what was not used at the last one, except `keys`. Else a
   * new block would fetch everything again that was ever asked for.
   */
  move(keys) {
    const unused = this.#take([...this.#held].filter(([id, { era }]) => era < this.#era && !keys.has(id)))
    this.#era += 1
    return unused
  }

  /** Takes out the oldest until there is room for these, which may be held already. */
  makeRoom(keys) {
    const others = [...this.#held].filter(([id]) => !keys.has(id))
    return this.#take(others.slice(0, Math.max(0, others.length + keys.size - MAX_KEYS)))
  }

  /** Takes out these. */
  forget(keys) {
    return this.#take([...this.#held].filter(([id]) => keys.has(id)))
  }

  /**
   * All that is held is proven in the state with this root.
   * @param {string[]} roots Of the states that can be read.
   */
  proven(root, roots) {
    for (const entry of this.#held.values()) {
      entry.roots.add(root)
      for (const each of entry.roots) if (!roots.includes(each)) entry.roots.delete(each)
    }
  }

  #take(entries) {
    for (const [id] of entries) this.#held.delete(id)
    return new Map(entries.map(([id, { key }]) => [id, key]))
  }
}
