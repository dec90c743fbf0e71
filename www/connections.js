/** The connections to peers: a peer that was lost is called again, one that lied is not. */

/** After the first loss, the second, ...; the last one from then on. */
const CALL_AGAIN_AFTER_MS = [1_000, 2_000, 5_000, 15_000]
/** How often an idle database is asked how its peers are: while it syncs, its progress says so. */
const LOOK_EVERY_MS = 500

/**
 * @param database a function that returns the open database, or nothing
 * @param {{show: Function, lost: Function, again: Function}} table that of `view/peers.js`
 * @param onProblem hears of a URL that cannot be used at all
 */
export function createConnections(database, table, onProblem) {
  const timers = new Set()
  /** Why those were lost that are not there yet again, by URL. */
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
      // The database that this was a peer of may be gone: then nobody waits for it.
      if (database() !== db) return
      look()
      const why = by === 'peer' ? words(url, code, reason, answered) : sentence(reason)
      lost.set(url, why)
      if (by !== 'peer') return table.lost(peer.id, why)
      const again = CALL_AGAIN_AFTER_MS[Math.min(answered ? 0 : losses, CALL_AGAIN_AFTER_MS.length - 1)]
      table.lost(peer.id, `${why} Called again every ${again / 1000} s.`)
      const calling = later(setTimeout, () => {
        forget(calling)
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

    /** The database was killed or closed, and its peers with it. */
    clear() {
      timers.forEach(forget)
      lost.clear()
    },

    /** Why nobody is there, in words, while nobody is. */
    trouble() {
      const db = database()
      if (!db || db.peers.some((peer) => peer.state === 'ready')) return ''
      if (lost.size > 0) return [...lost.values()].join(' ')
      return db.peers.length > 0 ? '' : 'There is no peer to ask: add one below.'
    },
  }
}

/** A browser tells a page nothing about a connection that failed; this is what it can mean. */
function words(url, code, reason, answered) {
  const told = /^\S.*[.!]$/.test(reason) ? reason : `${reason} (${code}).`
  if (code !== 1006 || answered) return sentence(told)
  return `Nobody answers at ${new URL(url).host}: nothing listens there, it turns this page’s origin away, or it is no WebSocket.`
}

function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
