// In Node, with sockets of the npm package `ws`, the process ends by itself and without an error if
// anything is closed at any time.

import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { GENESIS, startPeer } from '../../xtask/node/peers.mjs'
import { succeeds } from './support/program.mjs'

/**
 * Runs of the example. When a turn could come after its database had gone, each run failed with
 * some chance.
 */
const RUNS = 30

test(`the README's example of a whole state with memory: true ends well, ${RUNS} times`, async () => {
  const peer = await startPeer(['--genesis', GENESIS])
  after(() => peer.stop())
  const output = await succeeds('readme.mjs', JSON.stringify(peer), String(RUNS))
  assert.equal(output.match(/^8893 accounts/gm)?.length, RUNS)
})

test('nothing that was handed out to be called back is held after the end', () => succeeds('collected.mjs'))

for (const name of JSON.parse(await succeeds('sockets.mjs'))) {
  test(`every error of a ws socket has a listener: ${name}`, () => succeeds('sockets.mjs', name))
}
