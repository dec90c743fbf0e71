/** Adds the peers, and says why those that are not connected were lost. */

import { brief } from './view/format.js'

/** How often an idle database is asked for its peers. A running sync reports them itself. */
const LOOK_EVERY_MS = 500

/**
 * @param database a function that returns the open database, or nothing
 * @param {{show: Function, lost: Function}} table that of `view/peers.js`
 * @param onProblem called with a URL that cannot be used
 */
export function createConnections(database, table, onProblem) {
  /** The URL of each peer, by its id. */
  const urls = new Map()
  let looking

  /** @param {'snap' | 'hash'} by how the peer is asked */
  function connect(url, by) {
    try {
      const peer = database()?.addPeer(url, { by })
      if (peer) urls.set(peer.id, url)
    } catch (error) {
      onProblem(error)
    }
    looking ??= setInterval(look, LOOK_EVERY_MS)
    look()
  }

  function look() {
    const db = database()
    if (!db) return
    const { peers } = db.progress()
    for (const { id, state, closed } of peers) {
      if (closed) table.lost(id, state === 'closed' ? why(id, closed) : `${why(id, closed)} The page connects again.`)
    }
    table.show(peers)
  }

  function why(id, { by, code, reason, disconnect }) {
    const url = urls.get(id)
    return by === 'peer' ? words(url, code, reason, disconnect) : fault(url, reason)
  }

  return {
    connect,

    /** To be called when the database was killed or closed, and its peers with it. */
    clear() {
      clearInterval(looking)
      looking = undefined
      urls.clear()
    },

    /** Says why no peer is connected, or returns an empty text if one is. */
    problem() {
      const db = database()
      if (!db || db.peers.some((peer) => peer.state === 'ready')) return ''
      const lost = db.progress().peers.filter(({ closed }) => closed)
      if (lost.length > 0) return [...new Set(lost.map(({ id, closed }) => why(id, closed)))].join(' ')
      return db.peers.length > 0 ? '' : 'There is no peer to ask: add one below.'
    },
  }
}

/** Says what a lost connection can mean, because a browser gives a page no reason. */
function words(url, code, reason, disconnect) {
  const { host } = new URL(url)
  if (disconnect !== null) return `${host} ended the connection: ${reason} (${code}).`
  if (code !== 1006) return `${host} ended the connection: ${reason.replace(/[.!]*$/, '')} (${code}).`
  return /^the connection broke/.test(reason)
    ? `The connection to ${host} broke.`
    : `Nobody answers at ${host}: nothing listens there, it turns this page’s origin away, or it is no WebSocket.`
}

/** Says why a peer was dropped. The package's reason begins with a verb. */
function fault(url, reason) {
  const { host } = new URL(url)
  const other = /^is on (?!.*and not)/.test(reason) ? ', and not on the one that this page asks for' : ''
  return `${host} ${brief(reason)}${other}.`
}
