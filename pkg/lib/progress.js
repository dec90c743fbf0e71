// From the driver's raw numbers to the Progress and SyncReport of snaplight.d.ts.

/** Closed peers a session remembers, so that a page can show why they went. */
const CLOSED_PEERS_SHOWN = 64

/** The totals that Progress and SyncReport share. */
const TOTALS = [
  'accounts', 'slots', 'codes', 'bytesReceived', 'bytesStored', 'pagesStored', 'requests',
  'elapsedMs', 'hashingMs', 'storageMs', 'waitingMs',
]

export const IDLE = {
  phase: 'idle',
  root: null,
  ...Object.fromEntries(TOTALS.map((name) => [name, 0])),
  keySpace: new Uint8Array(256),
  peers: [],
  waiting: null,
}

/**
 * @param raw The driver's progress: phases are the engine's, peers have no names.
 * @param {Map<number, object>} rows PeerStats by id, of open and closed peers.
 * @param {object | null} report The report of the last sync if it succeeded and none has started since.
 */
export function shapeProgress(raw, rows, report) {
  const peers = [...rows.values()]
  return {
    phase: report ? 'done' : shapePhase(raw.phase, peers),
    root: report?.root ?? raw.root,
    ...pick(TOTALS, report ?? raw),
    keySpace: report ? new Uint8Array(256).fill(255) : raw.keySpace,
    peers,
    waiting: raw.waiting,
  }
}

export function shapeReport(raw) {
  return { root: raw.root, ...pick(TOTALS, raw), nodesHealed: raw.nodesHealed }
}

/** What a peer's row says before the driver knows it. */
export function newRow(id, name) {
  return {
    id, name, state: 'connecting', client: '', requestsInFlight: 0, answers: 0, bytes: 0, accounts: 0, slots: 0,
    codes: 0, faults: 0, latencyMs: 0, lastFault: null,
  }
}

/** Takes the driver's rows over; those it no longer knows stay as they are until they are forgotten. */
export function updateRows(rows, rawPeers) {
  for (const raw of rawPeers) {
    const row = rows.get(raw.id)
    if (row && row.state !== 'closed') rows.set(raw.id, { ...row, ...raw })
  }
}

export function forgetOldRows(rows) {
  const closed = [...rows.values()].filter((row) => row.state === 'closed')
  for (const row of closed.slice(0, -CLOSED_PEERS_SHOWN)) rows.delete(row.id)
}

/** The engine knows no "connecting": it is ready for ranges at once. A user wants to know that nobody is there yet. */
function shapePhase(phase, peers) {
  if (phase === 'resuming') return 'connecting'
  if (phase === 'ranges' && !peers.some((peer) => peer.state === 'ready' || peer.answers > 0)) return 'connecting'
  return phase
}

function pick(names, source) {
  return Object.fromEntries(names.map((name) => [name, source[name]]))
}
