// What nobody awaits and the caller itself has ended is no unhandled rejection; what is awaited
// rejects.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { open } from '../snaplight.js'
import { NETWORK, SOME_ADDRESS, SOME_ROOT, turn } from './support/database.mjs'
import { succeeds } from './support/program.mjs'

const closed = { name: 'ClosedError', code: 'CLOSED' }

for (const way of ['here', 'port']) {
  test(`calls that nobody awaits leave nothing unhandled when they are cancelled or the database is closed (${way})`, async () => {
    assert.deepEqual(JSON.parse(await succeeds('unawaited.mjs', way)), ['NO_STATE'])
  })
}

test('what is awaited rejects, also if it is awaited later', async () => {
  const db = await open({ network: NETWORK, memory: true, hold: 'set' })
  const [sync, tracking] = [db.sync(SOME_ROOT), db.track([SOME_ADDRESS])]
  await db.close()
  await turn()
  await assert.rejects(sync, closed)
  await assert.rejects(tracking, closed)
  await assert.rejects(db.getAccount(SOME_ADDRESS), closed)
  await assert.rejects(async () => {
    for await (const _ of sync);
  }, closed)
})
