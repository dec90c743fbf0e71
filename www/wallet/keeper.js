/**
 * Keeps the watch list proven: opens the database, adds the providers as peers, follows the chain,
 * and lets all of it go when the plug is pulled.
 */

import { open } from '/pkg/snaplight.js'
import { isLocal } from './settings.js'

/** How often a provider is asked that tells of no new blocks: one of this machine, or any other. */
const LOCAL_EVERY_MS = 1_000
const EVERY_MS = 4_000
/** The plug stays as it is over a reload of this tab. */
const PLUG = 'snaplight-wallet-plug'

/**
 * @param {object} settings of `settings.js`
 * @param {string} name the database's
 * @param {object} hear `onEvent(event)`; `onStanding()`: the follow stands elsewhere; `onEnd(error)`:
 *   it has ended by itself
 */
export function createKeeper({ providers, network, restarts }, name, { onEvent, onStanding, onEnd }) {
  let db
  let following = null
  let plugged = sessionStorage.getItem(PLUG) !== 'out'

  async function follow() {
    const everyMs = providers.every(isLocal) ? LOCAL_EVERY_MS : EVERY_MS
    // A chain that has begun anew is far below the block that is stored.
    const follow = db.follow(providers, { everyMs, backwards: restarts })
    following = follow
    try {
      for await (const _ of follow) onStanding()
    } catch (error) {
      if (following === follow) onEnd(error)
    }
    if (following === follow) following = null
    onStanding()
  }

  function plugIn() {
    for (const url of providers) db.addPeer(url, { by: 'rpc' })
    follow()
  }

  return {
    get db() {
      return db
    },
    get plugged() {
      return plugged
    },
    /** Where the follow stands; nothing while there is none. */
    get standing() {
      return following?.standing
    },

    async open() {
      db = await open({ network, name, hold: 'set', onEvent })
      if (plugged) plugIn()
    },

    /** Connects, or closes every connection and the follow. What is stored stays. */
    plug(isIn) {
      if (plugged === isIn) return
      plugged = isIn
      sessionStorage.setItem(PLUG, isIn ? 'in' : 'out')
      if (isIn) return plugIn()
      following?.stop()
      following = null
      for (const peer of db.peers) peer.close()
    },

    /** Begins again after the follow has ended by itself, or a peer was closed for good. */
    again() {
      following?.stop()
      for (const peer of db.peers) peer.close()
      plugIn()
    },
  }
}
