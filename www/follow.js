/**
 * Follows a chain with `db.follow`, and tells the page what it shows: each block that is complete, and
 * where the page stands.
 */

/** How often the page looks where it stands, and what the peers announce. */
const LOOK_EVERY_MS = 100
/** How often a node is asked that has no subscriptions. */
const ASK_EVERY_MS = 1_000

/**
 * @param database a function that returns the open database, or nothing
 * @param {string | ((db: object) => object | undefined)} source the URL of a node, or a function that
 *   returns the newest block's number (`null` if it is unknown) and hash, or nothing
 * @param {{onProgress: Function, onBlock: Function, onChange: Function, onEnd: Function}} listener
 *   `onBlock(report)`: a block is complete; `report` is `null` where another tab completed it.
 *   `onChange(standing)`: called after each look. `onEnd(error)`: the following has ended.
 */
export function createFollower(database, source, listener) {
  const headOf = typeof source === 'function' ? source : undefined
  let follow
  let seen
  let behindSince

  function look() {
    const db = database()
    if (!db) return
    const { role, complete } = db
    if (seen !== complete?.root) {
      const another = seen !== undefined && role === 'follower'
      seen = complete?.root
      if (another) listener.onBlock(null)
    }
    const { head: taken, target, waiting } = follow?.standing ?? {}
    // What the peers announce is known also while nothing is followed.
    const head = taken ?? headOf?.(db)
    const held = complete?.block
    // A peer may have announced another number than the header with this hash holds.
    const isHeld = head && held?.hash === head.hash
    const isCounted = head && held && (isHeld || head.number !== null)
    const behind = isCounted ? (isHeld ? 0 : Math.max(head.number - held.number, 0)) : undefined
    if (behind === 0 || behind === undefined) behindSince = undefined
    else behindSince ??= performance.now()
    listener.onChange({
      following: follow !== undefined,
      head,
      target: target ?? undefined,
      held,
      behind,
      behindMs: behindSince === undefined ? 0 : performance.now() - behindSince,
      role,
      waiting,
    })
  }

  setInterval(look, LOOK_EVERY_MS)

  return {
    start() {
      const db = database()
      const announced = () => {
        const head = headOf(db)
        return head ? { blockHash: head.hash, number: head.number } : null
      }
      const current = db.follow(headOf ? announced : source, {
        everyMs: headOf ? LOOK_EVERY_MS : ASK_EVERY_MS,
        // Another tab, which is shown, may read what this one completes.
        whileHidden: true,
        onProgress(progress) {
          // A killed worker's last messages may arrive after its end.
          if (follow !== current) return
          listener.onProgress(progress)
          if (progress.phase !== 'done') return
          seen = progress.root
          const { peers, keySpace, ...figures } = progress
          listener.onBlock({ ...figures, block: db.complete.block })
          look()
        },
      })
      follow = current
      const end = (error) => {
        if (follow !== current) return
        follow = undefined
        listener.onEnd(error)
      }
      current.then(() => end(), end)
      look()
    },

    pause() {
      follow?.stop()
    },

    /** To be called when the database was killed. What ran in it neither ends nor fails. */
    forget() {
      const killed = follow
      follow = undefined
      killed?.stop()
    },
  }
}
