// Node's own WebSocket to addresses that are no peer's. Those of Node 20 and 22 have no close event then.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { open } from '../../snaplight.js'

const server = createServer((request, response) => response.writeHead(405).end()).listen(0, '127.0.0.1')
await once(server, 'listening')
const { port } = server.address()
const events = []
const db = await open({ memory: true, network: { id: 1, genesisHash: `0x${'11'.repeat(32)}` }, onEvent: ({ type, state }) => events.push([type, state].join(' ')) })

for (const url of ['ws://127.0.0.1:1/', `ws://127.0.0.1:${port}/`, `wss://127.0.0.1:${port}/`]) {
  const { by, code, reason } = await db.addPeer(url, { reconnect: false }).closed
  assert.deepEqual([by, code], ['peer', 1006])
  assert.ok(reason.startsWith(`the connection could not be opened (${url})`), reason)
}
const provider = await db.addPeer(`ws://127.0.0.1:${port}/`, { by: 'rpc', reconnect: false }).closed
assert.match(provider.reason, /^the connection could not be opened \(ws:/)
const retried = db.addPeer('ws://127.0.0.1:1/')
for (events.length = 0; !events.includes('peer waiting'); ) await new Promise((resolve) => setImmediate(resolve))
assert.equal(retried.state, 'waiting')
await db.close()
server.close()
server.closeAllConnections()
