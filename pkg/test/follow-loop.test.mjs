// Tests of what a follow does with its syncs, in Node, with a database that is a test's: which block a
// sync keeps, what ends it, and whose turn it is to write. The source is a function.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeError } from '../lib/errors.js'
import { Following } from '../lib/follow/following.js'
import { toHex } from '../lib/input.js'

const EVERY_MS = 5
const hashOf = (number) => `0x${number.toString(16).padStart(64, '0')}`

const turn = () => new Promise((resolve) => setImmediate(resolve))

async function eventually(holds) {
  while (!holds()) await turn()
}

/** A database whose syncs the test ends, and a follow of it whose source the test moves. */
function world(t, { role = 'writer', isFirst = false, holds = 'everything', ...options } = {}) {
  const listeners = new Set()
  const state = { complete: null, role, isFirst, holds }
  const syncs = []
  const engine = {
    chainId: 1n,
    state: () => state,
    verify: () => assert.fail('no header was given'),
    keepHeader() {},
    tell() {},
    listen(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    sync(target, onProgress) {
      const sync = { number: Number(toHex(target.blockHash)), onProgress, isCancelled: false, cancel: () => { sync.isCancelled = true } }
      syncs.push(sync)
      const promise = new Promise((resolve, reject) => {
        sync.fail = (code) => reject(makeError(code, `${code} in a test`))
        sync.done = () => {
          const block = { number: sync.number, hash: hashOf(sync.number) }
          state.complete = { root: hashOf(1e6 + sync.number), block }
          state.isFirst = false
          resolve({ block })
        }
      })
      sync.then = promise.then.bind(promise)
      return sync
    },
  }
  const world = { head: null, calls: 0, syncs, state, listeners, tell: (event) => listeners.forEach((listener) => listener(event)) }
  world.following = new Following()
  const source = () => {
    world.calls += 1
    return world.head === null ? null : { blockHash: hashOf(world.head), number: world.head }
  }
  world.follow = world.following.start(source, { everyMs: EVERY_MS, ...options }, engine)
  t.after(() => world.follow.stop())
  /** Resolves when the source has been asked and heard with this block. */
  world.names = async (number) => {
    world.head = number
    const { calls } = world
    await eventually(() => world.calls > calls + 2)
  }
  return world
}

const numbers = (syncs) => syncs.map(({ number }) => number)

for (const [what, options] of Object.entries({ 'a first sync of everything': { isFirst: true }, 'a sync of a set': { holds: 'set' } })) {
  test(`${what} keeps its block until the chain is 16 blocks ahead`, async (t) => {
    const { syncs, names, follow } = world(t, options)
    await names(100)
    await names(101)
    await names(115)
    assert.deepEqual(numbers(syncs), [100])
    assert.deepEqual([follow.standing.state, follow.standing.head.number, follow.standing.target.number], ['syncing', 115, 100])
    await names(116)
    assert.deepEqual(numbers(syncs), [100, 116])
    syncs[1].done()
    await eventually(() => follow.standing.state === 'current')
    await names(117)
    assert.deepEqual(numbers(syncs), [100, 116, 117])
  })

  test(`${what} moves at once when no peer has its block, and goes on with the newest when it is complete`, async (t) => {
    const { syncs, names } = world(t, options)
    await names(100)
    await names(101)
    syncs[0].onProgress({ waitingFor: 'root' })
    await eventually(() => syncs.length === 2)
    await names(102)
    syncs[1].done()
    await eventually(() => syncs.length === 3)
    assert.deepEqual(numbers(syncs), [100, 101, 102])
  })
}

test('a later sync of everything moves to each new block', async (t) => {
  const { syncs, names, follow } = world(t)
  await names(100)
  await names(101)
  await names(102)
  assert.deepEqual(numbers(syncs), [100, 101, 102])
  // What was moved ends as one that was taken over.
  syncs[0].fail('CANCELLED')
  syncs[1].done()
  await turn()
  assert.equal(follow.standing.state, 'syncing')
  syncs[2].done()
  await eventually(() => follow.standing.state === 'current')
})

test('a sync that an aborted transaction has ended is made again when the source is heard', async (t) => {
  const { syncs, names, follow } = world(t)
  await names(100)
  syncs[0].fail('STORE_ABORTED')
  await eventually(() => syncs.length === 2)
  assert.deepEqual(numbers(syncs), [100, 100])
  syncs[1].done()
  await eventually(() => follow.standing.state === 'current')
  assert.equal(follow.standing.waiting, null)
})

for (const code of ['QUOTA', 'STORE_FAILED', 'BOGUS_ROOT', 'CRASHED']) {
  test(`a sync that fails with ${code} ends the follow with its error`, async (t) => {
    const { syncs, names, follow, following, listeners } = world(t)
    await names(100)
    syncs[0].fail(code)
    await assert.rejects(async () => follow, { code })
    assert.deepEqual([following.follow, listeners.size], [null, 0])
  })
}

test('a tab that reads along asks nobody, says what the other one completes, and goes on when it is its turn', async (t) => {
  const tab = world(t, { role: 'follower' })
  const { state, tell, follow } = tab
  const seen = []
  const noted = (async () => {
    for await (const { state, complete } of follow) seen.push([state, complete?.block.number])
  })()
  await turn()
  state.complete = { root: hashOf(7), block: { number: 50, hash: hashOf(50) } }
  tell({ type: 'states' })
  await turn()
  assert.deepEqual([follow.standing.state, follow.standing.complete.block.number, follow.standing.head, tab.calls], ['following', 50, null, 0])
  state.role = 'writer'
  tell({ type: 'role', role: 'writer' })
  await turn()
  assert.deepEqual([follow.standing.state, tab.calls > 0], ['waiting', true])
  await tab.names(51)
  assert.deepEqual(numbers(tab.syncs), [51])
  follow.stop()
  await noted
  assert.deepEqual(seen[0], ['following', undefined])
  assert.deepEqual(seen[1], ['following', 50])
})

test('the end of the database ends it without an error, and its crash with that', async (t) => {
  const [closed, crashed] = [world(t), world(t)]
  await Promise.all([closed.names(100), crashed.names(100)])
  closed.tell({ type: 'closed', error: makeError('CLOSED', 'closed') })
  crashed.tell({ type: 'closed', error: makeError('CRASHED', 'crashed') })
  assert.equal(await closed.follow, undefined)
  await assert.rejects(async () => crashed.follow, { code: 'CRASHED' })
  assert.ok(closed.syncs[0].isCancelled)
  const { calls } = closed
  await turn()
  assert.equal(closed.calls, calls)
})
