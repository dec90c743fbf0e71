/**
 * Reads everything of the watch list, all of it from one state, and says of each value how it
 * stands.
 */

/**
 * A value whose block is older than this is stale. Blocks of mainnet come every 12 seconds, so two
 * may be missed.
 */
export const STALE_AFTER_S = 36

/**
 * @typedef {object} Standing how a value stands
 * @property {'proven' | 'stale' | 'pending' | 'untracked' | 'damaged' | 'unreadable'} state
 * @property {object | null} block of a proven or stale value: the block whose state proves it
 * @property {number | null} age its seconds as they are now
 * @property {string} why what keeps it from being proven and fresh, in words
 */

/**
 * @param {Snaplight} db
 * @param {object[]} entries of the watch list
 * @returns {Promise<object[]>} of each entry `{ entry, account, slots }`; `account` and each of
 *   `slots` are `{ value, error }` with what the database answered
 */
export function readAll(db, entries) {
  const { complete } = db
  // The newest state as it is now: it may be followed by another one between two reads.
  const state = complete && db.at(complete.root)
  return Promise.all(entries.map(async (entry) => {
    const [account, ...slots] = await Promise.all([
      outcome(() => (state ?? db).getAccount(entry.address)),
      ...entry.slots.map((slot) => outcome(() => (state ?? db).getStorage(entry.address, slot))),
    ])
    return { entry, account, slots }
  }))
}

/**
 * How a value stands now.
 * @param {{value?: object, error?: Error}} read
 * @param {{now: number, offline: string, isTracked: boolean}} context `now` in seconds; `offline`:
 *   why no newer block comes, or an empty text; `isTracked`: whether the database is to hold it
 * @returns {Standing}
 */
export function standingOf({ value, error }, { now, offline, isTracked }) {
  if (value) {
    const { block } = value
    const age = block && Math.max(0, Math.floor(now - block.timestamp))
    const why = offline || (age > STALE_AFTER_S ? 'no newer block has come' : '')
    return { state: why ? 'stale' : 'proven', block, age, why }
  }
  const nothing = { block: null, age: null }
  if (error.code === 'NO_STATE' || error.pending || (error.code === 'NOT_TRACKED' && isTracked)) {
    return { ...nothing, state: 'pending', why: offline || 'the next block brings it' }
  }
  if (error.code === 'NOT_TRACKED') return { ...nothing, state: 'untracked', why: 'nothing of it is kept' }
  if (error.code === 'DAMAGED') return { ...nothing, state: 'damaged', why: offline ? `${offline}, and it is repaired by the network` : 'it is being repaired' }
  return { ...nothing, state: 'unreadable', why: error.message }
}

async function outcome(read) {
  try {
    return { value: await read() }
  } catch (error) {
    return { error }
  }
}
