// Two syncs to one target are one sync, in this realm and through a worker.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Chain, TestProvider, addressOf } from '../../xtask/node/provider.mjs'
import { open } from '../snaplight.js'
import { OTHER_ROOT, SOME_ROOT, overPort } from './support/database.mjs'

const cancelled = { name: 'CancelledError', code: 'CANCELLED' }
const ways = { here: () => open, 'through a worker': overPort }
const networkOf = (chain) => ({ id: chain.chainId, genesisHash: chain.genesisHash })

/** A database of a set in memory, whose peer comes with `connect()`. */
async function waiting(t, way) {
  const chain = await Chain.generate()
  const db = await ways[way](t)({ network: networkOf(chain), memory: true, hold: 'set' })
  t.after(() => db.close())
  // Without anything to prove a sync would be over at once.
  db.track([addressOf(1)])
  const connect = () => {
    const provider = new TestProvider(chain)
    db.addPeer({ request: (call) => provider.request(call) })
  }
  return { db, chain, connect }
}

for (const way of Object.keys(ways)) {
  test(`two syncs to one target end alike, and both are told the progress, ${way}`, async (t) => {
    const { db, chain, connect } = await waiting(t, way)
    const { hash, header } = chain.head
    for (const target of [header.stateRoot, { blockHash: hash }]) {
      const told = [0, 0]
      // The second one is written in another way.
      const again = typeof target === 'string' ? { root: target } : { blockHash: Uint8Array.from(Buffer.from(hash.slice(2), 'hex')) }
      const first = db.sync(target, { onProgress: () => told[0]++ })
      const second = db.sync(again, { onProgress: () => told[1]++ })
      assert.notEqual(first, second)
      if (db.peers.length === 0) connect()
      const reports = await Promise.all([first, second])
      assert.deepEqual(reports[0], reports[1])
      assert.equal(reports[0].root, header.stateRoot)
      assert.ok(told[0] > 0 && told[1] > 0, `${told}`)
    }
  })

  test(`cancelling one of two does not end the other, and cancelling both ends the sync, ${way}`, async (t) => {
    const { db, chain, connect } = await waiting(t, way)
    const leaving = new AbortController()
    const target = chain.head.header.stateRoot
    const first = db.sync(target)
    const second = db.sync(target, { signal: leaving.signal })
    const third = db.sync(target)
    first.cancel('first')
    await assert.rejects(first, { ...cancelled, cause: 'first' })
    leaving.abort('second')
    await assert.rejects(second, { ...cancelled, cause: 'second' })
    connect()
    assert.equal((await third).root, target)

    const last = [db.sync(SOME_ROOT), db.sync(SOME_ROOT)]
    for (const sync of last) sync.cancel()
    // It is being cancelled, so this one begins anew.
    const next = db.sync(SOME_ROOT)
    for (const sync of last) await assert.rejects(sync, cancelled)
    next.cancel()
    await assert.rejects(next, cancelled)
    assert.equal(db.progress().phase, 'idle')
  })

  test(`a sync to another target, or a move to one, takes over from all, ${way}`, async (t) => {
    const { db, chain, connect } = await waiting(t, way)
    const target = chain.head.header.stateRoot
    const [first, second] = [db.sync(SOME_ROOT), db.sync(SOME_ROOT)]
    assert.equal(first.retarget(SOME_ROOT), first)
    first.retarget(OTHER_ROOT)
    await assert.rejects(second, { ...cancelled, message: /newer sync, to root 0xcd/ })
    const third = db.sync(OTHER_ROOT)
    const last = db.sync(target)
    for (const sync of [first, third]) await assert.rejects(sync, { ...cancelled, message: new RegExp(target) })
    connect()
    assert.equal((await last).root, target)
  })

  test(`two syncs to one header are one, ${way}`, async (t) => {
    const { db, chain, connect } = await waiting(t, way)
    const { header } = chain.head
    const json = await new TestProvider(chain).request({ method: 'eth_getBlockByNumber', params: ['latest', false] })
    const [first, second] = [db.sync({ header: json }), db.sync({ header: { ...json } })]
    first.cancel()
    await assert.rejects(first, cancelled)
    connect()
    assert.equal((await second).root, header.stateRoot)
  })
}
