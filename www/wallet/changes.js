/** Hears of each proven change, of every account and slot that is tracked (`db.watch`). */

/** How long a change is shown as a new one. */
const NEW_FOR_MS = 900

/**
 * @param {Snaplight} db
 * @param {() => void} onChange
 */
export function createChanges(db, onChange) {
  /** By account or slot: `{ stop, change, at }`. Bound: those of the watch list. */
  const watched = new Map()

  async function hear(key, target) {
    const stopped = new AbortController()
    const watch = { stop: () => stopped.abort(), change: undefined, at: 0, hasEnded: false }
    watched.set(key, watch)
    try {
      for await (const change of db.watch(target, { signal: stopped.signal })) {
        // The first value is not a change.
        if (change.old) Object.assign(watch, { change, at: performance.now() })
        onChange()
      }
    } catch {
      // It is not tracked any more, or cannot be read: the reads say so.
    }
    watch.hasEnded = true
  }

  return {
    /** Watches these entries, and no others. */
    watch(entries) {
      const wanted = new Map(entries.flatMap(({ address, slots }) => [
        [keyOf(address), address], ...slots.map((slot) => [keyOf(address, slot), { address, slot }]),
      ]))
      for (const [key, { stop, hasEnded }] of watched) {
        if (!wanted.has(key)) stop()
        if (!wanted.has(key) || hasEnded) watched.delete(key)
      }
      for (const [key, target] of wanted) if (!watched.has(key)) hear(key, target)
    },

    /** The last change of an account or a slot, and whether it is a new one. */
    of(address, slot) {
      const { change, at } = watched.get(keyOf(address, slot)) ?? {}
      return change && { ...change, isNew: performance.now() - at < NEW_FOR_MS }
    },
  }
}

function keyOf(address, slot = '') {
  return `${address} ${slot}`
}
