/** Finds the newest block that the peers announce, where there is no node to ask. */

/**
 * Returns the block in the middle of those that the peers announce: of its number, the one that
 * most of them name. Nothing proves what one peer announces, so as long as fewer than half of the
 * peers lie, they neither choose the number nor hold it back. Of two peers, the lower one counts.
 *
 * A peer by hash names no number before its first announcement, and has no vote until then. If no
 * peer names one, the hash that most of them name is taken, and its number is `null`.
 */
export function announcedHead(db) {
  const heads = db.peers.map(({ stats }) => stats).filter(({ state, head }) => state === 'ready' && head).map(({ head }) => head)
  if (heads.length === 0) return undefined
  const numbers = heads.map(({ number }) => number).filter((number) => number !== null).sort((a, b) => a - b)
  const middle = numbers[(numbers.length - 1) >> 1] ?? null
  const votes = new Map()
  for (const { number, hash } of heads) if (number === middle) votes.set(hash, (votes.get(hash) ?? 0) + 1)
  const [[hash]] = [...votes].sort(([, a], [, b]) => b - a)
  return { number: middle, hash }
}
