/** Connects to peers. It connects again to a peer that was lost, but not to one that lied. */

import { brief } from './view/format.js'

/** Milliseconds to wait after the first loss, the second, and so on; then always the last one. */
const CONNECT_AGAIN_AFTER_MS = [1_000, 2_000, 5_000, 15_000]
/** How often an idle database is asked for its peers. A running sync reports them itself. */
const LOOK_EVERY_MS = 500

/**
 * @param database a function that returns the open database, or nothing
 * @param {{show: Function, lost: Function, again: Function}} table that of `view/peers.js`
 * @param onProblem called with a URL that cannot be used
 */
export function createConnections(database, table, onProblem) {
  const timers = new Set()
  /** Why peers that are not connected again were lost, by URL. */
  const lost = new Map()

  function connect(url, losses = 0, before) {
    const db = database()
    if (!db) return
    let peer
    try {
      peer = db.addPeer(url)
    } catch (error) {
      onProblem(error)
      return
    }
    if (before) table.again(before, peer.id)
    let answered = false
    const look = () => {
      answered ||= peer.state === 'ready'
      if (peer.state === 'ready') lost.delete(url)
      table.show([peer.stats])
    }
    const looking = later(setInterval, look, LOOK_EVERY_MS)
    look()
    peer.closed.then(({ by, code, reason }) => {
      forget(looking)
      // If the database was closed or killed meanwhile, the peer is not needed any more.
      if (database() !== db) return
      look()
      const why = by === 'peer' ? words(url, code, reason, answered) : fault(url, reason)
      lost.set(url, why)
      if (by !== 'peer') return table.lost(peer.id, why)
      const again = CONNECT_AGAIN_AFTER_MS[Math.min(answered ? 0 : losses, CONNECT_AGAIN_AFTER_MS.length - 1)]
      table.lost(peer.id, `${why} Another attempt follows in ${again / 1000} s.`)
      const waiting = later(setTimeout, () => {
        forget(waiting)
        connect(url, answered ? 1 : losses + 1, peer.id)
      }, again)
    })
  }

  function later(schedule, act, ms) {
    const timer = schedule(act, ms)
    timers.add(timer)
    return timer
  }

  function forget(timer) {
    clearInterval(timer)
    timers.delete(timer)
  }

  return {
    connect,

    /** To be called when the database was killed or closed, and its peers with it. */
    clear() {
      timers.forEach(forget)
      lost.clear()
    },

    /** Says why no peer is connected, or returns an empty text if one is. */
    problem() {
      const db = database()
      if (!db || db.peers.some((peer) => peer.state === 'ready')) return ''
      if (lost.size > 0) return [...new Set(lost.values())].join(' ')
      return db.peers.length > 0 ? '' : 'There is no peer to ask: add one below.'
    },
  }
}

/** Says what a lost connection can mean, because a browser gives a page no reason. */
function words(url, code, reason, answered) {
  const { host } = new URL(url)
  if (code !== 1006) return `${host} ended the connection: ${reason.replace(/[.!]*$/, '')} (${code}).`
  return answered
    ? `The connection to ${host} broke.`
    : `Nobody answers at ${host}: nothing listens there, it turns this page’s origin away, or it is no WebSocket.`
}

/** Says why a peer was dropped. The package's reason begins with a verb. */
function fault(url, reason) {
  const { host } = new URL(url)
  const other = /^is on /.test(reason) ? ', and not on the one that this page asks for' : ''
  return `${host} ${brief(reason)}${other}.`
}
