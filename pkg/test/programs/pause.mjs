// Syncs from one peer over a `ws` socket: `pause.mjs URL ROOT NETWORK_ID GENESIS_HASH [BLOCK_MS]`.
// Prints a line when six requests are open, and blocks its thread then if it is to. Prints what
// came of it at the end, as JSON.

import { open } from '../../snaplight.js'
import { WebSocket } from '../support/ws.mjs'

const [, , url, root, id, genesisHash, blockMs = 0] = process.argv
/** Two of each kind, which is what a peer takes at least. */
const MANY = 6
let connections = 0
globalThis.WebSocket = class extends WebSocket {
  constructor(...options) {
    super(...options)
    connections += 1
  }
}

const events = []
const onEvent = ({ type, state, closed }) => type === 'peer' && events.push(closed ? `${state}: ${closed.reason}` : state)
const db = await open({ network: { id: Number(id), genesisHash }, memory: true, onEvent })
const peer = db.addPeer(url)
let wasBusy = false
const { accounts } = await db.sync(root, {
  onProgress: ({ phase }) => {
    if (wasBusy || phase === 'done' || peer.stats.requestsInFlight < MANY) return
    wasBusy = true
    console.log('busy')
    const end = performance.now() + Number(blockMs)
    while (performance.now() < end);
  },
})
const { faults, lastFault } = peer.stats
console.log(JSON.stringify({ accounts, wasBusy, faults, lastFault, events, connections }))
await db.close()
