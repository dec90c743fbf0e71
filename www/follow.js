/**
 * Follows a chain: each new head becomes the target. A wallet takes the head from a light client,
 * and calls the same two methods with it: `db.sync({ blockHash })` if no sync runs, and
 * `sync.retarget({ blockHash })` if one does.
 */

/** How often the head is read. */
const LOOK_EVERY_MS = 100
/**
 * A first sync keeps its block until the chain is this many blocks ahead. After each move a part of
 * what it has fetched would differ, and peers keep the states of some 128 blocks. Later blocks
 * differ little from what is held, so a later sync moves to them at once.
 */
const FIRST_KEEPS = 16

/**
 * @param database a function that returns the open database, or nothing
 * @param headOf a function that returns the newest block's number (`null` if it is unknown) and
 *   hash, or nothing, given the database
 * @param {{onProgress: Function, onBlock: Function, onChange: Function, onEnd: Function}} listener
 *   `onBlock(report)`: a block is complete; `report` is `null` where another tab completed it.
 *   `onChange(standing)`: called after each look at the head. `onEnd(error)`: the following has
 *   ended.
 */
export function createFollower(database, headOf, listener) {
  /** The running sync, and the head that it has to reach. */
  let sync, target
  /** Whether no peer has the target. */
  let refused = false
  let following = false
  let seen
  let behindSince

  function look() {
    const db = database()
    if (!db) return
    const head = headOf(db)
    const complete = db.complete
    if (seen !== complete?.root) {
      const another = seen !== undefined && db.role === 'follower'
      seen = complete?.root
      if (another) listener.onBlock(null)
    }
    // A follower's tab reads what the writer's tab completes. If both synced, everything would be
    // fetched twice.
    if (following && db.role !== 'follower') aim(db, head)
    const held = complete?.block
    // A peer may have announced another number than the header with this hash holds.
    const isHeld = head && held?.hash === head.hash
    const isCounted = head && held && (isHeld || head.number !== null)
    const behind = isCounted ? (isHeld ? 0 : Math.max(head.number - held.number, 0)) : undefined
    if (behind === 0 || behind === undefined) behindSince = undefined
    else behindSince ??= performance.now()
    listener.onChange({
      following,
      head,
      target,
      held,
      behind,
      behindMs: behindSince === undefined ? 0 : performance.now() - behindSince,
      role: db.role ?? 'writer',
    })
  }

  function aim(db, head) {
    if (!head || head.hash === target?.hash) return
    if (sync) {
      if (!db.complete && !refused && isNear(head, target)) return
      try {
        sync.retarget({ blockHash: head.hash })
        target = head
      } catch (error) {
        // The sync has just ended, but its promise has not settled yet. The next look starts
        // another.
        if (error.code !== 'SYNC_ENDED') throw error
      }
    } else if (head.hash !== db.complete?.block?.hash) {
      target = head
      run(db)
    }
  }

  async function run(db) {
    let current
    // A killed worker's last messages may arrive after its end.
    const onProgress = (progress) => {
      if (sync !== current) return
      refused = ['root', 'item', 'block'].includes(progress.waitingFor)
      listener.onProgress(progress)
    }
    current = sync = db.sync({ blockHash: target.hash }, { onProgress })
    try {
      const report = await current
      if (sync !== current) return
      sync = target = undefined
      seen = report.root
      listener.onBlock(report)
      // The next head may have been announced while the sync to this one ended.
      look()
    } catch (error) {
      if (sync !== current) return
      sync = target = undefined
      following = false
      listener.onEnd(error)
    }
  }

  setInterval(look, LOOK_EVERY_MS)

  return {
    start() {
      following = true
      look()
    },

    pause() {
      following = false
      if (sync) sync.cancel('the user pressed Pause')
      else listener.onEnd()
    },

    /**
     * To be called when the database was killed. A sync that ran in it neither ends nor fails.
     */
    forget() {
      sync = target = undefined
    },
  }
}

/**
 * Whether a first sync to `target` may go on while `head` is the newest block. An unknown distance
 * is no reason to move: if no peer has the target's state any more, the sync says so.
 */
function isNear(head, target) {
  if (head.number === null || target.number === null) return true
  const ahead = head.number - target.number
  return ahead >= 0 && ahead < FIRST_KEEPS
}
