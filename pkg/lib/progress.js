// Makes the Progress and SyncReport of snaplight.d.ts of the driver's raw objects, which are those
// of src/web/object.rs.

/** Most closed peers that are remembered, so that a page can show why they went. */
const CLOSED_PEERS_SHOWN = 64
/**
 * Most peers whose troubles are told of where peers are what is missing: the ones that were added
 * last. Chosen without a measurement: it is one line of text.
 */
const PEERS_NAMED = 4
/** Bytes of `keySpace`, as many as `KEY_SPACE_CELLS` of src/sync/progress.rs. */
const KEY_SPACE_CELLS = 256

/** The raw progress before the driver has told any. */
export function idle() {
  return {
    phase: 'idle', root: null, figures: noFigures(), queued: { nodes: 0, codes: 0, storages: 0 }, etaMs: null, outrun: null,
    keySpace: new Uint8Array(KEY_SPACE_CELLS), peers: [], damaged: 0, waiting: null, waitingFor: null, refused: null,
  }
}

/**
 * @param raw The driver's progress, with the engine's phases and peers without names.
 * @param {Map<number, object>} rows PeerStats by id, of open and closed peers.
 * @param {object | null} report The report of the last sync if it succeeded and none has started
 *   since.
 */
export function shapeProgress(raw, rows, report) {
  const peers = [...rows.values()]
  const { phase, root, queued, etaMs, outrun, damaged, waitingFor } = raw
  const { root: reached, block, ...figures } = report ?? { root, ...raw.figures }
  return {
    phase: report ? 'done' : shapePhase(phase, peers),
    root: reached,
    ...figures,
    queued,
    etaMs,
    outrun,
    keySpace: report ? new Uint8Array(KEY_SPACE_CELLS).fill(255) : raw.keySpace,
    peers,
    damaged,
    waiting: shapeWaiting(raw, peers),
    waitingFor,
    needNewRoot: shapeNeed(raw, rows),
  }
}

export function shapeReport({ root, block, figures }) {
  return { root, block, ...figures }
}

/** The raw report of a sync to a state that is complete, for which nothing had to be done. */
export function reportOf({ root, block, accounts, slots, codes }) {
  return { root, block, figures: { ...noFigures(), accounts, slots, codes, reused: accounts + slots } }
}

/** The PeerStats of a peer that the driver does not know yet. */
export function newRow(id, name, by) {
  return {
    id, name, by, state: 'connecting', client: '', head: null, requestsInFlight: 0, answers: 0, bytes: 0,
    accounts: 0, slots: 0, codes: 0, latencyMs: 0, faults: 0, lastFault: null, lastError: null, closed: null,
  }
}

/**
 * Takes the driver's rows. Rows that the driver no longer knows stay as they are until they are
 * forgotten.
 *
 * @param {Map<number, object>} earlier PeerStats at the end of a peer's last connection, by id.
 */
export function updateRows(rows, rawPeers, earlier) {
  for (const raw of rawPeers) {
    const row = rows.get(raw.id)
    if (row && row.state !== 'closed') rows.set(raw.id, { ...row, ...shapePeer(raw, earlier.get(raw.id)) })
  }
}

/** What adds up over all connections of a peer. */
const TOTALS = ['answers', 'bytes', 'accounts', 'slots', 'codes', 'faults']

/**
 * The part of PeerStats in a raw row, which has no session while the engine does not know of the
 * connection. `earlier` is the peer's row at the end of its last connection, if it had one.
 */
export function shapePeer({ session, id, ...row }, earlier) {
  const { refused, ...figures } = session ?? {}
  const shaped = { ...row, ...figures }
  if (!earlier) return shaped
  for (const name of TOTALS) if (name in shaped) shaped[name] += earlier[name]
  return { ...shaped, lastFault: row.lastFault ?? earlier.lastFault }
}

export function forgetOldRows(rows) {
  const closed = [...rows.values()].filter((row) => row.state === 'closed')
  for (const row of closed.slice(0, -CLOSED_PEERS_SHOWN)) rows.delete(row.id)
}

/** Why nothing moves. Where peers are what is missing, it says what is the matter with each. */
function shapeWaiting({ waiting, waitingFor }, peers) {
  if (waitingFor !== 'peers') return waiting
  const troubles = peers.slice(-PEERS_NAMED).map(({ name, by, state, closed, lastError, lastFault }) => {
    const isIdle = state === 'ready' && by === 'rpc'
    return `${name}: ${closed?.reason ?? lastError ?? lastFault ?? (isIdle ? 'a provider can list neither a whole state nor all slots' : state)}`
  })
  return `${waiting} (${troubles.join('; ') || 'none was added: call addPeer'})`
}

/** The SyncFigures of a sync that has done nothing. */
function noFigures() {
  return {
    accounts: 0, slots: 0, codes: 0,
    received: { accounts: 0, accountBytes: 0, slots: 0, slotBytes: 0, codes: 0, codeBytes: 0, bytes: 0 },
    ranges: { answers: 0, bytes: 0 },
    healing: { nodes: 0, nodeBytes: 0, codes: 0, codeBytes: 0, answers: 0, bytes: 0 },
    unneeded: { late: 0, duplicate: 0, unexpected: 0 },
    reused: 0, moves: 0, roundTrips: 0, requests: 0, bytesStored: 0, pagesStored: 0,
    elapsedMs: 0, hashingMs: 0, storageMs: 0, waitingMs: 0,
  }
}

/** `null` also if the peers that refused have left: those that came may have the root. */
function shapeNeed({ refused: root, peers: rawPeers }, rows) {
  const refusing = rawPeers.filter(({ session }) => session?.refused)
  if (root === null || refusing.length === 0) return null
  return { root, peers: refusing.map(({ id }) => ({ id, name: rows.get(id)?.name ?? `peer ${id}` })) }
}

/**
 * The phase for the user. The engine has no phase "connecting": it waits in "ranges" for its first
 * peer.
 */
function shapePhase(phase, peers) {
  if (phase === 'resuming') return 'connecting'
  if (phase === 'ranges' && !peers.some((peer) => peer.state === 'ready' || peer.answers > 0)) return 'connecting'
  return phase
}
