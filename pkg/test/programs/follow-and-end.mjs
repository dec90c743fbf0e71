// Follows a provider that answers, one that is silent and one that is not there, and ends. The
// process has to end by itself: no timer and no connection may be left.

import { Chain, TestProvider } from '../../../xtask/node/provider.mjs'
import { open } from '../../snaplight.js'
import { WebSocket } from '../support/ws.mjs'

globalThis.WebSocket ??= WebSocket
const chain = await Chain.generate({ accounts: 5, contracts: 1, slots: 1 })
const db = await open({ network: { id: chain.chainId, genesisHash: chain.genesisHash }, memory: true, hold: 'set' })
const silent = { request: () => new Promise(() => {}) }
const sources = [new TestProvider(chain), silent, 'http://127.0.0.1:1/', 'ws://127.0.0.1:1/']
const follow = db.follow(sources, { agree: 1 })
for await (const { head } of follow) if (head) break
follow.stop()
await follow
const called = db.follow(() => new Promise(() => {}))
called.stop()
await called
await db.close()
console.log('ended')
