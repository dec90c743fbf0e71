// After a trap in the module every promise rejects, every later call is refused, and nothing hangs.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { guard, guardAsync, load, onCrash } from '../lib/module.js'
import { open } from '../snaplight.js'
import { NETWORK, SOME_ADDRESS, SOME_ROOT } from './support/database.mjs'
import { EventSocket } from './support/sockets.mjs'

test('a trap ends everything at once and for good', async () => {
  const db = await open({ network: NETWORK, memory: true })
  // The socket is still connecting. The module of this test has not really crashed, so it would
  // wait for a Hello from an open socket.
  const socket = Object.assign(new EventSocket(), { readyState: 0 })
  const peer = db.addPeer(socket)
  const crashed = { name: 'CrashError', code: 'CRASHED' }
  const sync = assert.rejects(db.sync(SOME_ROOT), crashed)
  const pending = assert.rejects(guardAsync(() => new Promise(() => {})), crashed)
  let crash
  onCrash((error) => (crash = error))

  assert.throws(() => guard(() => {
    throw new WebAssembly.RuntimeError('unreachable')
  }), crashed)

  await Promise.all([sync, pending])
  assert.match(crash.message, /unreachable/)
  assert.equal((await peer.closed).by, 'fault')
  assert.ok(socket.closedWith)
  assert.throws(() => db.addPeer(new EventSocket()), crashed)
  assert.throws(() => db.sync(SOME_ROOT), crashed)
  await assert.rejects(db.getAccount(SOME_ADDRESS), crashed)
  await assert.rejects(open({ network: NETWORK, memory: true }), crashed)
  await assert.rejects(load(), crashed)
  assert.equal(typeof db.progress().phase, 'string')
  await db.close()
})
