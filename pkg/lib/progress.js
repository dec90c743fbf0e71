// From the driver's raw numbers to the Progress and SyncReport of snaplight.d.ts. The numbers come in rows, whose order
// is that of src/web/object.rs.

/** Closed peers a session remembers, so that a page can show why they went. */
const CLOSED_PEERS_SHOWN = 64

/** A peer's row of numbers. */
const PEER_FIGURES = ['requestsInFlight', 'answers', 'bytes', 'accounts', 'slots', 'codes', 'latencyMs']
/** Numbers in a sync's row. */
const FIGURES = 22

export const IDLE = {
  phase: 'idle', root: null, block: null, figures: new Float64Array(FIGURES), etaMs: null, outrun: null,
  keySpace: new Uint8Array(256), peers: [], damaged: 0, waiting: null, waitingFor: null, refused: null,
}

/**
 * @param raw The driver's progress: phases are the engine's, peers have no names.
 * @param {Map<number, object>} rows PeerStats by id, of open and closed peers.
 * @param {object | null} report The report of the last sync if it succeeded and none has started since.
 */
export function shapeProgress(raw, rows, report) {
  const peers = [...rows.values()]
  const { phase, root, etaMs, outrun, damaged, waiting, waitingFor } = raw
  const { root: reached, block, ...figures } = report ?? { root, ...shapeFigures(raw.figures) }
  return {
    phase: report ? 'done' : shapePhase(phase, peers),
    root: reached,
    ...figures,
    etaMs,
    outrun: outrun && { neededPerSecond: outrun[0], healedPerSecond: outrun[1] },
    keySpace: report ? new Uint8Array(256).fill(255) : raw.keySpace,
    peers,
    damaged,
    waiting,
    waitingFor,
    needNewRoot: raw.refused && { root: raw.refused, peers: refusing(raw.peers, rows) },
  }
}

export function shapeReport({ root, block, figures }) {
  return { root, block, ...shapeFigures(figures) }
}

/** The raw report of a sync to a state that is complete, for which nothing had to be done. */
export function reportOf({ root, block, accounts, slots, codes }) {
  const figures = new Float64Array(FIGURES)
  figures.set([accounts, slots, codes])
  return { root, block, figures }
}

/** What a peer's row says before the driver knows it. */
export function newRow(id, name) {
  return { id, name, state: 'connecting', client: '', head: null, ...peerFigures(PEER_FIGURES.map(() => 0)), faults: 0, lastFault: null }
}

/** Takes the driver's rows over; those it no longer knows stay as they are until they are forgotten. */
export function updateRows(rows, rawPeers) {
  for (const raw of rawPeers) {
    const row = rows.get(raw.id)
    if (row && row.state !== 'closed') rows.set(raw.id, { ...row, ...shapePeer(raw) })
  }
}

/** What a raw row says, without what it leaves open. */
export function shapePeer({ figures, refused, ...row }) {
  return figures ? { ...row, ...peerFigures(figures) } : row
}

export function forgetOldRows(rows) {
  const closed = [...rows.values()].filter((row) => row.state === 'closed')
  for (const row of closed.slice(0, -CLOSED_PEERS_SHOWN)) rows.delete(row.id)
}

function shapeFigures([
  accounts, slots, codes, newAccounts, newSlots, newCodes, bytes, rangeAnswers, rangeBytes, nodes, nodeAnswers, nodeBytes, reused, moves,
  roundTrips, requests, bytesStored, pagesStored, elapsedMs, hashingMs, storageMs, waitingMs,
]) {
  return {
    accounts, slots, codes,
    received: { accounts: newAccounts, slots: newSlots, codes: newCodes, bytes },
    ranges: { answers: rangeAnswers, bytes: rangeBytes },
    healing: { nodes, answers: nodeAnswers, bytes: nodeBytes },
    reused, moves, roundTrips, requests, bytesStored, pagesStored, elapsedMs, hashingMs, storageMs, waitingMs,
  }
}

function peerFigures(figures) {
  return Object.fromEntries(PEER_FIGURES.map((name, place) => [name, figures[place]]))
}

function refusing(rawPeers, rows) {
  return rawPeers.filter(({ refused }) => refused).map(({ id }) => ({ id, name: rows.get(id)?.name ?? `peer ${id}` }))
}

/** The engine knows no "connecting": it is ready for ranges at once. A user wants to know that nobody is there yet. */
function shapePhase(phase, peers) {
  if (phase === 'resuming') return 'connecting'
  if (phase === 'ranges' && !peers.some((peer) => peer.state === 'ready' || peer.answers > 0)) return 'connecting'
  return phase
}
