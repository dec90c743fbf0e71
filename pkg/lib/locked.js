// Says who writes to a database that cannot be opened to write.

import { holdLock } from './ends.js'
import { LockedError } from './errors.js'

/** What `open()` resolves to; if somebody else writes, rejects with an error that says who. */
export async function orLocked(name, open) {
  try {
    return await open()
  } catch (error) {
    throw error.code === 'LOCKED' ? await whoWrites(name, error) : error
  }
}

async function whoWrites(name, error) {
  const mine = await holdLock()
  try {
    const { held } = await navigator.locks.query()
    const owner = (lock) => held.find((each) => each.name === lock)?.clientId
    // As src/store/indexed_db/lock.rs names it.
    const writer = owner(`snaplight:writer:${name}`)
    if (!writer) return error
    const words =
      writer === owner(mine.name)
        ? "This page or worker itself writes to the database NAME: use the object that open gave it, or close() that first."
        : "Another tab or worker writes to the database NAME: close it there first, or leave out role: 'writer' to read what it completes."
    return new LockedError('LOCKED', words.replace('NAME', () => JSON.stringify(name)))
  } catch {
    return error
  } finally {
    mine.release()
  }
}
