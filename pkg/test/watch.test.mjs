// Tests of `db.watch`, in Node: proven changes of an account or a slot over a test's chain, what is
// waited for, and how a watch ends. Databases are in memory.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Chain, TestProvider, addressOf, contractOf, word } from '../../xtask/node/provider.mjs'
import { Watch } from '../lib/watch.js'
import { open, Snaplight } from '../snaplight.js'
import { overPort, EMPTY_ROOT, NETWORK, SOME_ADDRESS, memory } from './support/database.mjs'

const ACCOUNT = addressOf(5)
const OTHER = addressOf(6)
const SLOT = { address: contractOf(1), slot: 7 }

const misuse = (code) => ({ name: 'MisuseError', code })
const notTracked = { name: 'NotTrackedError', code: 'NOT_TRACKED', pending: false }
const OVER = { done: true, value: undefined }

/** A database of a set with a provider of a new chain as its only peer. */
async function started(t, opening = open) {
  const chain = await Chain.generate()
  const db = await opening({ network: { id: chain.chainId, genesisHash: chain.genesisHash }, memory: true, hold: 'set' })
  t.after(() => db.close())
  const provider = new TestProvider(chain)
  db.addPeer({ request: (call) => provider.request(call) })
  const sync = () => db.sync({ header: { ...chain.head.header, hash: chain.head.hash } })
  /** Makes a block that changes one account's balance, and syncs to it. */
  const paid = async (address, balance) => {
    await chain.block(new Map([[address, { balance }]]))
    await sync()
  }
  return { chain, db, sync, paid }
}

/** The next change of a watch. */
async function changeOf(watch) {
  const { done, value } = await watch.next()
  assert.equal(done, false)
  return value
}

/** A watch over a double of the database, which is told what happens. */
function doubled({ read, isSettled = () => true }, signal) {
  const listeners = new Set()
  const double = {
    reads: 0,
    state: 1,
    closed: false,
    listeners,
    tell: (event) => {
      for (const listener of [...listeners]) listener(event)
    },
  }
  const watch = new Watch({
    listen: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    isClosed: () => double.closed,
    version: () => String(double.state),
    isSettled,
    read: async () => {
      double.reads += 1
      return read(double)
    },
  }, signal)
  return { double, watch }
}

/** When everything that was requested before is done. */
const turn = () => new Promise((resolve) => setImmediate(resolve))

for (const kind of ['page', 'worker']) {
  test(`${kind}: a watch gives an account's value, and then each proven change with the one before`, async (t) => {
    const { chain, db, sync, paid } = await started(t, kind === 'page' ? open : overPort(t))
    const tracked = db.track([ACCOUNT])
    await sync()
    await tracked
    const watch = db.watch(ACCOUNT)
    const first = await changeOf(watch)
    assert.equal(first.old, null)
    assert.equal(first.new.balance, chain.truth(ACCOUNT, [], chain.head).account.balance)
    assert.equal(first.new.root, chain.head.header.stateRoot)
    const pending = changeOf(watch)
    await paid(OTHER, 77n)
    await paid(ACCOUNT, 78n)
    const second = await pending
    assert.equal(second.old, first.new)
    assert.deepEqual([second.new.balance, second.new.root, second.new.block.number], [78n, chain.head.header.stateRoot, 2])
    await chain.block(new Map([[ACCOUNT, null]]))
    await sync()
    const gone = await changeOf(watch)
    assert.deepEqual([gone.old.balance, gone.new.balance, gone.new.exists], [78n, 0n, false])
  })
}

test('states that are completed between two calls are passed over, and old is what was given last', async (t) => {
  const { db, sync, paid } = await started(t)
  const tracked = db.track([ACCOUNT])
  await sync()
  await tracked
  const watch = db.watch(ACCOUNT)
  const first = await changeOf(watch)
  for (const balance of [10n, 11n, 12n]) await paid(ACCOUNT, balance)
  const next = await changeOf(watch)
  assert.deepEqual([next.old, next.new.balance], [first.new, 12n])
  // Back to the value that was given last: no change.
  await paid(ACCOUNT, 13n)
  await paid(ACCOUNT, 12n)
  const later = changeOf(watch)
  await paid(ACCOUNT, 14n)
  const { old, new: now } = await later
  assert.deepEqual([old, now.balance], [next.new, 14n])
})

test('a slot is watched by its number, and only its value counts', async (t) => {
  const { chain, db, sync } = await started(t)
  const write = async (slot, value) => {
    await chain.block(new Map([[SLOT.address, { storage: new Map([[word(slot), value]]) }]]))
    await sync()
  }
  const tracked = db.track([{ address: SLOT.address, slots: [SLOT.slot] }])
  await sync()
  await tracked
  const watch = db.watch(SLOT)
  const { old, new: first } = await changeOf(watch)
  assert.deepEqual([old, first.value, first.slot, first.address], [null, 8n, word(7), SLOT.address])
  const pending = changeOf(watch)
  await write(8, 999n)
  await write(7, 1_000n)
  const second = await pending
  assert.deepEqual([second.old, second.new.value], [first, 1_000n])
  await write(7, 0n)
  assert.equal((await changeOf(watch)).new.value, 0n)
})

test('many watches go on side by side, each with one read for a new state', async (t) => {
  const { db, sync, paid } = await started(t)
  const tracked = db.track([ACCOUNT, OTHER])
  await sync()
  await tracked
  const watches = [ACCOUNT, OTHER, ACCOUNT].map((address) => db.watch(address))
  await Promise.all(watches.map(changeOf))
  let reads = 0
  const { getAccount } = Snaplight.prototype
  t.mock.method(Snaplight.prototype, 'getAccount', function (...args) {
    reads += 1
    return getAccount.apply(this, args)
  })
  const pending = watches.map(changeOf)
  await paid(ACCOUNT, 5_000n)
  const [one, , three] = await Promise.all([pending[0], null, pending[2]])
  assert.deepEqual([one.new.balance, three.new.balance, reads], [5_000n, 5_000n, 3])
  await paid(OTHER, 6_000n)
  assert.equal((await pending[1]).new.balance, 6_000n)
  assert.equal(reads, 4)
})

test('a watch waits for the first state, and for what is tracked and pending', async (t) => {
  const { chain, db, sync } = await started(t)
  const tracked = db.track([ACCOUNT])
  const first = changeOf(db.watch(ACCOUNT))
  await sync()
  await tracked
  assert.equal((await first).new.root, chain.head.header.stateRoot)
  // Watched in the turn in which it is tracked.
  const added = db.track([OTHER])
  const { new: account } = await changeOf(db.watch(OTHER))
  assert.equal(account.balance, chain.truth(OTHER, [], chain.head).account.balance)
  await added
})

test('in a worker a watch waits for what was tracked in the same turn', async (t) => {
  const { chain, db, sync } = await started(t, overPort(t))
  await sync()
  const added = db.track([OTHER])
  const { new: account } = await changeOf(db.watch(OTHER))
  assert.equal(account.balance, chain.truth(OTHER, [], chain.head).account.balance)
  await added
})

test('a change of the set that is under way is waited for, and then what it did not track is an error', async () => {
  let isSettled = false
  const { double, watch } = doubled({ read: () => Promise.reject(Object.assign(new Error('not tracked'), { code: 'NOT_TRACKED', pending: false })), isSettled: () => isSettled })
  const next = watch.next()
  await turn()
  isSettled = true
  double.tell({ type: 'states' })
  await assert.rejects(next, { code: 'NOT_TRACKED' })
  assert.deepEqual([await watch.next(), double.reads, double.listeners.size], [OVER, 2, 0])
})

test('a watch of what is not tracked throws, and so does one of what is tracked no longer', async (t) => {
  const { db, sync } = await started(t)
  const tracked = db.track([ACCOUNT])
  await sync()
  await tracked
  const other = db.watch(OTHER)
  await assert.rejects(other.next(), notTracked)
  assert.deepEqual(await other.next(), OVER)
  const watch = db.watch(ACCOUNT)
  await changeOf(watch)
  const next = assert.rejects(watch.next(), notTracked)
  await db.untrack([ACCOUNT])
  await next
  assert.deepEqual(await watch.next(), OVER)
})

test('damage is waited for: the next read is after the repair, or at the next state', async () => {
  const damaged = Object.assign(new Error('damaged'), { code: 'DAMAGED' })
  let isDamaged = true
  const { double, watch } = doubled({ read: ({ state }) => (isDamaged ? Promise.reject(damaged) : { balance: BigInt(state) }) })
  const first = watch.next()
  await turn()
  double.tell({ type: 'peer' })
  await turn()
  assert.equal(double.reads, 1)
  isDamaged = false
  double.tell({ type: 'repaired' })
  assert.deepEqual((await first).value, { old: null, new: { balance: 1n } })
  isDamaged = true
  double.state = 2
  const second = watch.next()
  await turn()
  isDamaged = false
  double.state = 3
  double.tell({ type: 'states' })
  assert.deepEqual((await second).value, { old: { balance: 1n }, new: { balance: 3n } })
  assert.equal(double.reads, 4)
})

test('a repair that comes during the read that met the damage is not missed', async () => {
  const { double, watch } = doubled({
    read: (double) => {
      if (double.reads > 1) return { balance: 1n }
      double.tell({ type: 'repaired' })
      throw Object.assign(new Error('damaged'), { code: 'DAMAGED' })
    },
  })
  assert.deepEqual((await watch.next()).value, { old: null, new: { balance: 1n } })
})

test('a crash and a failure of the store are thrown, and end it', async () => {
  const failing = doubled({ read: () => Promise.reject(Object.assign(new Error('no'), { code: 'STORE_FAILED' })) })
  await assert.rejects(failing.watch.next(), { code: 'STORE_FAILED' })
  assert.deepEqual(await failing.watch.next(), OVER)
  const { double, watch } = doubled({ read: () => ({ balance: 1n }) })
  await watch.next()
  const next = watch.next()
  await turn()
  double.tell({ type: 'closed', error: Object.assign(new Error('crash'), { code: 'CRASHED' }) })
  await assert.rejects(next, { code: 'CRASHED' })
  assert.deepEqual([await watch.next(), double.listeners.size], [OVER, 0])
})

test('an abort ends a watch quietly, before, during and after a wait, and leaves no listener', async (t) => {
  const { db, sync } = await started(t)
  const tracked = db.track([ACCOUNT])
  await sync()
  await tracked
  assert.deepEqual(await db.watch(ACCOUNT, { signal: AbortSignal.abort() }).next(), OVER)
  const listeners = new Set()
  const controller = new AbortController()
  const { signal } = controller
  const add = signal.addEventListener.bind(signal)
  const remove = signal.removeEventListener.bind(signal)
  signal.addEventListener = (type, listener) => add(type, listener, listeners.add(listener))
  signal.removeEventListener = (type, listener) => remove(type, listener, listeners.delete(listener))
  const seen = []
  const loop = (async () => {
    for await (const { new: account } of db.watch(ACCOUNT, { signal })) seen.push(account.balance)
  })()
  await turn()
  controller.abort()
  await loop
  assert.deepEqual([seen.length, listeners.size], [1, 0])
})

test('many watches of one signal add one listener to it, and all end by it', async () => {
  const controller = new AbortController()
  const { signal } = controller
  let listeners = 0
  const add = signal.addEventListener.bind(signal)
  const remove = signal.removeEventListener.bind(signal)
  signal.addEventListener = (type, listener) => add(type, listener, void (listeners += 1))
  signal.removeEventListener = (type, listener) => remove(type, listener, void (listeners -= 1))
  const watches = Array.from({ length: 20 }, () => doubled({ read: () => ({ balance: 1n }) }, signal).watch)
  await Promise.all(watches.map((watch) => watch.next()))
  assert.equal(listeners, 0)
  const ends = watches.map((watch) => watch.next())
  await turn()
  assert.equal(listeners, 1)
  controller.abort()
  assert.deepEqual(await Promise.all(ends), watches.map(() => OVER))
  assert.equal(listeners, 0)
})

test('closing the database ends every watch quietly, and a watch of a closed one is an error', async (t) => {
  const { db, sync } = await started(t)
  const tracked = db.track([ACCOUNT])
  await sync()
  await tracked
  const [waiting, idle, fresh] = [db.watch(ACCOUNT), db.watch(ACCOUNT), db.watch(ACCOUNT)]
  await Promise.all([waiting, idle].map(changeOf))
  const next = waiting.next()
  await turn()
  await db.close()
  assert.deepEqual(await Promise.all([next, idle.next(), fresh.next()]), [OVER, OVER, OVER])
  assert.throws(() => db.watch(ACCOUNT), { name: 'ClosedError', code: 'CLOSED' })
})

test('leaving the loop ends it, also while a call of next waits', async () => {
  const { double, watch } = doubled({ read: () => ({ balance: 1n }) })
  for await (const { old } of watch) {
    assert.equal(old, null)
    break
  }
  assert.deepEqual([await watch.next(), double.listeners.size], [OVER, 0])
  const other = doubled({ read: () => ({ balance: 1n }) })
  await other.watch.next()
  const next = other.watch.next()
  await turn()
  assert.deepEqual(await other.watch.return('left'), { done: true, value: 'left' })
  assert.deepEqual([await next, other.double.listeners.size], [OVER, 0])
})

test('calls of next that overlap give one change each, in order', async () => {
  const { double, watch } = doubled({ read: ({ state }) => ({ balance: BigInt(state) }) })
  const calls = [watch.next(), watch.next(), watch.next()]
  assert.equal((await calls[0]).value.new.balance, 1n)
  double.state = 2
  double.tell({ type: 'states' })
  assert.equal((await calls[1]).value.new.balance, 2n)
  await watch.return()
  assert.deepEqual(await calls[2], OVER)
})

test('a watch listens only while it waits, so one that is dropped leaves nothing behind', async () => {
  const { double, watch } = doubled({ read: () => ({ balance: 1n }) })
  assert.equal(double.listeners.size, 0)
  await watch.next()
  assert.equal(double.listeners.size, 0)
})

test('a database of everything is watched as well', async (t) => {
  const db = await memory(t)
  const first = changeOf(db.watch(SOME_ADDRESS))
  await db.sync(EMPTY_ROOT)
  assert.equal((await first).new.exists, false)
})

test('what is no address, no slot, no signal or no options is refused', async (t) => {
  const db = await open({ network: NETWORK, memory: true, hold: 'set' })
  t.after(() => db.close())
  for (const bad of ['0x12', null, 7, {}, { address: SOME_ADDRESS }, { address: SOME_ADDRESS, slot: -1 }, { slot: 1 }]) {
    assert.throws(() => db.watch(bad), misuse('BAD_ARGUMENT'), JSON.stringify(bad))
  }
  assert.throws(() => db.watch(SOME_ADDRESS, { signal: {} }), misuse('BAD_ARGUMENT'))
  assert.throws(() => db.watch(SOME_ADDRESS, null), misuse('BAD_ARGUMENT'))
})
