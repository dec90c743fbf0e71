// Tests what the Sync object by itself promises about order, coalescing and endings.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CancelledError, StoreError } from '../lib/errors.js'
import { Sync } from '../lib/sync.js'

const controls = (sync) => ({ publish: (progress) => Sync.publish(sync, progress), settle: (report, error) => Sync.settle(sync, report, error) })

function running() {
  const held = { stops: 0, moves: [] }
  held.sync = new Sync({ root: '0x12' }, {
    stop: () => held.stops++,
    move: (target) => {
      held.moves.push(target)
      return { root: target }
    },
  })
  return Object.assign(held, controls(held.sync))
}

test('an iterator shows the newest progress only, the last one too, and ends with the sync', async () => {
  const { sync, publish, settle } = running()
  const iterator = sync[Symbol.asyncIterator]()
  publish(1)
  publish(2)
  assert.deepEqual(await iterator.next(), { done: false, value: 2 })
  const waiting = iterator.next()
  publish(3)
  assert.deepEqual(await waiting, { done: false, value: 3 })
  publish(4)
  settle({ root: '0x12' })
  assert.deepEqual(await iterator.next(), { done: false, value: 4 })
  assert.deepEqual(await iterator.next(), { done: true, value: undefined })
  assert.deepEqual(await iterator.next(), { done: true, value: undefined })
})

test('iterators are independent, also one that starts after the end', async () => {
  const { sync, publish, settle } = running()
  const early = sync[Symbol.asyncIterator]()
  publish(1)
  await early.next()
  publish(2)
  settle({})
  const shown = []
  for await (const progress of sync) shown.push(progress)
  assert.deepEqual(shown, [2])
  assert.deepEqual((await early.next()).value, 2)
})

test('an iterator throws what the sync rejects with, once, and the promise is then not unhandled', async () => {
  const { sync, settle } = running()
  const error = new StoreError('STORE_FAILED', 'a test')
  settle(null, error)
  const iterator = sync[Symbol.asyncIterator]()
  await assert.rejects(iterator.next(), error)
  assert.deepEqual(await iterator.next(), { done: true, value: undefined })
})

test('leaving a loop early cancels nothing', async () => {
  const held = running()
  held.publish(1)
  for await (const _ of held.sync) break
  assert.equal(held.stops, 0)
  held.settle({ root: '0x12' })
  assert.deepEqual(await held.sync, { root: '0x12' })
})

test('cancel stops once, and the error carries the first reason', async () => {
  const held = running()
  held.sync.cancel('first')
  held.sync.cancel('second')
  assert.equal(held.stops, 1)
  held.settle(null, new CancelledError('CANCELLED', 'said the engine'))
  await assert.rejects(held.sync, { name: 'CancelledError', code: 'CANCELLED', cause: 'first' })
  held.sync.cancel('late')
  assert.equal(held.stops, 1)
})

test('the first end decides', async () => {
  const { sync, settle } = running()
  settle({ root: '0x12' })
  settle(null, new StoreError('STORE_FAILED', 'too late'))
  assert.deepEqual(await sync, { root: '0x12' })
})

test('it is awaited, caught and finished like any promise', async () => {
  const { sync, settle } = running()
  assert.equal(Object.prototype.toString.call(sync), '[object Sync]')
  settle(null, new StoreError('STORE_FAILED', 'a test'))
  assert.equal(await sync.catch((error) => error.code), 'STORE_FAILED')
  assert.equal(await sync.then(null, (error) => error.name), 'StoreError')
  let finished = 0
  await assert.rejects(sync.finally(() => finished++))
  assert.equal(finished, 1)
})

test('it is moved while it runs, and not afterwards', () => {
  const held = running()
  held.sync.retarget('0x34')
  assert.deepEqual([held.moves, held.sync.target], [['0x34'], { root: '0x34' }])
  held.settle({ root: '0x34' })
  assert.throws(() => held.sync.retarget('0x56'), { name: 'MisuseError', code: 'SYNC_ENDED' })
  assert.deepEqual(held.moves, ['0x34'])
})

test('the root of a block is that of the last progress, then of the report', () => {
  const sync = new Sync({ blockHash: '0xb1' }, { stop() {}, move() {} })
  const held = controls(sync)
  assert.equal(sync.root, null)
  held.publish({ root: null })
  assert.equal(sync.root, null)
  held.publish({ root: '0x12' })
  assert.equal(sync.root, '0x12')
  held.settle({ root: '0x34' })
  assert.equal(sync.root, '0x34')
})
