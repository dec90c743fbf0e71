// Tests the built module in Node, with a database in memory and the empty state, which needs no
// peer.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { open, version } from '../snaplight.js'
import { EMPTY_CODE, EMPTY_ROOT, NETWORK, OTHER_ROOT, SOME_ADDRESS, SOME_ROOT, memory } from './support/database.mjs'
import manifest from '../package.json' with { type: 'json' }

test('the version is that of the package', () => assert.equal(version, manifest.version))

test('the empty state syncs without a peer, and proves that nothing is there', async (t) => {
  const db = await memory(t)
  assert.equal(db.complete, null)
  const seen = []
  const sync = db.sync(EMPTY_ROOT, { onProgress: (progress) => seen.push(progress) })
  const report = await sync
  assert.equal(report.root, EMPTY_ROOT)
  assert.equal(report.accounts, 0)
  assert.deepEqual(db.complete, { root: EMPTY_ROOT, block: null, accounts: 0, slots: 0, codes: 0 })
  assert.equal(seen.at(-1).phase, 'done')
  assert.equal(db.progress().phase, 'done')
  const account = await db.getAccount(SOME_ADDRESS)
  assert.deepEqual(account, {
    address: SOME_ADDRESS, exists: false, nonce: 0n, balance: 0n, codeHash: EMPTY_CODE, storageRoot: EMPTY_ROOT, root: EMPTY_ROOT, block: null, age: null,
  })
  assert.equal((await db.getStorage(SOME_ADDRESS, 1)).value, 0n)
  const code = await db.getCode(SOME_ADDRESS)
  assert.deepEqual([code.code.length, code.codeHash, code.root], [0, EMPTY_CODE, EMPTY_ROOT])
  await assert.rejects(db.getCode(SOME_ROOT), { name: 'NotTrackedError', code: 'NOT_TRACKED' })
})

test('without a peer a sync waits, says so, and can be cancelled and started again', async (t) => {
  const db = await memory(t)
  const sync = db.sync(SOME_ROOT)
  let waiting
  for await (const progress of sync) {
    waiting = progress
    if (progress.waiting) break
  }
  assert.equal(waiting.phase, 'connecting')
  assert.equal(waiting.root, SOME_ROOT)
  assert.match(waiting.waiting, /peer/)
  assert.equal(waiting.waitingFor, 'peers')
  sync.cancel('a reason')
  await assert.rejects(sync, { name: 'CancelledError', code: 'CANCELLED', cause: 'a reason', message: new RegExp(SOME_ROOT) })
  assert.equal(db.progress().phase, 'idle')
  assert.equal((await db.sync(EMPTY_ROOT)).root, EMPTY_ROOT)
})

test('a newer sync takes over from the one that runs, which is cancelled', async (t) => {
  const db = await memory(t)
  const first = db.sync(SOME_ROOT)
  const second = db.sync({ blockHash: OTHER_ROOT })
  await assert.rejects(first, { name: 'CancelledError', code: 'CANCELLED', message: new RegExp(`${OTHER_ROOT}.*nothing .* is lost`) })
  assert.deepEqual(second.target, { blockHash: OTHER_ROOT })
  assert.equal(second.root, null)
  const third = db.sync({ root: EMPTY_ROOT })
  await assert.rejects(second, { code: 'CANCELLED' })
  assert.equal((await third).root, EMPTY_ROOT)
})

test('a sync is moved, and its promise is that of the last target', async (t) => {
  const db = await memory(t)
  const sync = db.sync({ blockHash: OTHER_ROOT })
  assert.equal(sync.retarget(SOME_ROOT), sync)
  assert.equal(sync.root, SOME_ROOT)
  assert.throws(() => sync.retarget({ root: SOME_ROOT, blockHash: SOME_ROOT }), { code: 'BAD_ARGUMENT' })
  assert.equal(sync.root, SOME_ROOT)
  sync.retarget({ root: EMPTY_ROOT })
  const report = await sync
  assert.equal(report.root, EMPTY_ROOT)
  assert.equal(sync.root, EMPTY_ROOT)
  assert.throws(() => sync.retarget(SOME_ROOT), { name: 'MisuseError', code: 'SYNC_ENDED' })
})

test('a block is looked for, and waiting for its header is reported', async (t) => {
  const db = await memory(t)
  const sync = db.sync({ blockHash: SOME_ROOT })
  let seen
  for await (seen of sync) if (seen.waiting) break
  assert.equal(seen.phase, 'locating')
  assert.equal(seen.root, null)
  assert.equal(seen.waitingFor, 'peers')
  assert.deepEqual(seen.queued, { nodes: 0, codes: 0, storages: 0 })
  sync.cancel()
  await assert.rejects(sync, { code: 'CANCELLED' })
})

test('a report counts ranges, healing and reused items apart', async (t) => {
  const db = await memory(t)
  const { elapsedMs, hashingMs, storageMs, waitingMs, ...report } = await db.sync(EMPTY_ROOT)
  for (const time of [elapsedMs, hashingMs, storageMs, waitingMs]) assert.ok(time >= 0)
  assert.deepEqual(report, {
    root: EMPTY_ROOT, block: null, accounts: 0, slots: 0, codes: 0,
    received: { accounts: 0, accountBytes: 0, slots: 0, slotBytes: 0, codes: 0, codeBytes: 0, bytes: 0 },
    ranges: { answers: 0, bytes: 0 },
    healing: { nodes: 0, nodeBytes: 0, codes: 0, codeBytes: 0, answers: 0, bytes: 0 },
    unneeded: { late: 0, duplicate: 0, unexpected: 0 },
    reused: 0, moves: 0, roundTrips: 0, requests: 0, bytesStored: 0, pagesStored: 0,
  })
})

test('a signal cancels at once or later, and keeps no listener afterwards', async (t) => {
  const db = await memory(t)
  await assert.rejects(db.sync(SOME_ROOT, { signal: AbortSignal.abort('before') }), { code: 'CANCELLED', cause: 'before' })
  const controller = new AbortController()
  const sync = db.sync(SOME_ROOT, { signal: controller.signal })
  controller.abort('meanwhile')
  await assert.rejects(sync, { code: 'CANCELLED', cause: 'meanwhile' })
  const ended = new AbortController()
  await db.sync(EMPTY_ROOT, { signal: ended.signal })
  ended.abort('after')
  assert.equal(db.progress().phase, 'done')
})

test('nothing is read before a state is complete', async (t) => {
  const db = await memory(t)
  for (const read of [() => db.getAccount(SOME_ADDRESS), () => db.getStorage(SOME_ADDRESS, 0), () => db.getCode(SOME_ROOT)]) {
    await assert.rejects(read, { name: 'NotTrackedError', code: 'NO_STATE' })
  }
})

test('close ends the sync and every later call, and is itself repeatable', async () => {
  const db = await open({ network: NETWORK, memory: true })
  const ended = assert.rejects(db.sync(SOME_ROOT), { name: 'ClosedError', code: 'CLOSED' })
  assert.equal(db.close(), db.close())
  await Promise.all([ended, db.close()])
  assert.throws(() => db.sync(SOME_ROOT), { name: 'ClosedError' })
  assert.throws(() => db.addPeer('ws://127.0.0.1:1'), { name: 'ClosedError' })
  await assert.rejects(db.getAccount(SOME_ADDRESS), { name: 'ClosedError' })
  assert.equal(typeof db.progress().phase, 'string')
})

test('databases in memory are separate, even under one name', async (t) => {
  const [first, second] = [await memory(t), await memory(t)]
  await first.sync(EMPTY_ROOT)
  assert.equal(second.complete, null)
})

test('any number of calls may be in flight, and come from inside callbacks', async (t) => {
  const db = await memory(t)
  const inside = []
  const again = () => inside.push(db.getAccount(SOME_ADDRESS).catch(({ code }) => code), db.progress().phase)
  await db.sync(EMPTY_ROOT, { onProgress: again })
  const reads = Array.from({ length: 200 }, (_, slot) => db.getStorage(SOME_ADDRESS, slot))
  assert.equal((await Promise.all(reads)).length, 200)
  assert.ok((await Promise.all(inside)).length >= 2)
})

test('a callback that throws is reported as uncaught and does not touch the sync', async (t) => {
  const db = await memory(t)
  const reported = new Promise((resolve) => {
    globalThis.reportError = resolve
    t.after(() => delete globalThis.reportError)
  })
  await db.sync(EMPTY_ROOT, { onProgress() { throw new Error('the caller’s own') } })
  assert.equal((await reported).message, 'the caller’s own')
})
