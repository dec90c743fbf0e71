// What a bug report needs (Diagnostics of snaplight.d.ts). It is plain JSON, and nothing in it
// tells what was looked up or at whose node: no addresses, keys, hashes or URLs, and no text that
// may hold one, such as a peer's name and what it said.

import { version } from './version.js'

/**
 * @param {object} database What database.js knows of itself: `error`, `isClosed`, `network`,
 *   `role`, `holds`, `states`, `progress`, and `following` (a Standing or `null`).
 * @param {object | null} engine What the backend's `diagnostics` gave; `null` if it can give
 *   nothing.
 */
export function shapeDiagnostics({ error, network, states, progress, following, ...database }, engine) {
  const { root, keySpace, peers, waiting, needNewRoot, ...counters } = progress
  const { connections = [], ...rest } = engine ?? { ignoredMessages: null, now: null, limits: null, journal: [] }
  const connectionOf = new Map(connections)
  return {
    version,
    date: new Date().toISOString(),
    error: error && { code: error.code, message: error.message },
    ...database,
    network: { id: `${network.id}`, chainId: `${network.chainId}` },
    states: states.map(({ block, accounts, slots, codes }) => ({ number: block?.number ?? null, accounts, slots, codes })),
    following: following && { state: following.state, behind: following.behind },
    counters,
    peers: peers.map(({ name, head, lastFault, lastError, closed, ...row }) => ({
      ...row,
      head: head?.number ?? null,
      closed: closed && { by: closed.by, code: closed.code, disconnect: closed.disconnect },
      connection: connectionOf.get(row.id) ?? null,
    })),
    ...rest,
  }
}
