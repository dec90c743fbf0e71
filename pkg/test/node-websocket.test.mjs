// With the WebSocket that Node has of its own: from version 22 on, and in 20 by an option.

import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { GENESIS, startPeer } from '../../xtask/node/peers.mjs'
import { succeeds } from './support/program.mjs'

if (typeof WebSocket === 'undefined') process.env.NODE_OPTIONS = '--experimental-websocket'

test("the README's example of a whole state with memory: true ends well", async () => {
  const peer = await startPeer(['--genesis', GENESIS])
  after(() => peer.stop())
  const output = await succeeds('readme.mjs', JSON.stringify(peer), '3', 'own')
  assert.equal(output.match(/^8893 accounts/gm)?.length, 3)
})

test('an address where nothing listens, or where somebody else does, is told, and tried again', () => succeeds('refused.mjs'))
