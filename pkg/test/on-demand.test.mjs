// Tests of reads on demand, in Node: what is not tracked is proven for once, beside a database that
// is open. The chain and its providers are a test's.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Chain, TestProvider, addressOf, contractOf, startProvider, word } from '../../xtask/node/provider.mjs'
import { LACKING, LIES, USELESS_PROOFS } from '../../xtask/node/provider/modes.mjs'
import { OnDemand } from '../lib/on-demand.js'
import { Keys, MAX_KEYS, joined, keysOf } from '../lib/on-demand/keys.js'
import { Snaplight, open } from '../snaplight.js'
import { openInWorker, serve } from '../worker.js'
import { overPort, EMPTY_CODE, EMPTY_ROOT, SOME_ADDRESS, memory, turn } from './support/database.mjs'

const TRACKED = addressOf(1)
const ABSENT = addressOf(9_999)
const CONTRACT = contractOf(1)
const notTracked = (words) => ({ name: 'NotTrackedError', code: 'NOT_TRACKED', pending: false, ...(words && { message: words }) })

/** A database of a set that is synced to the newest block of a chain, and reads on demand beside it. */
async function started(t, { mode, opening = open, byRoot = false, ...options } = {}) {
  const chain = await Chain.generate()
  const db = await opening({ network: { id: chain.chainId, genesisHash: chain.genesisHash }, memory: true, hold: 'set', ...options })
  t.after(() => db.close())
  const provider = new TestProvider(chain, mode)
  const peer = db.addPeer({ request: (call) => provider.request(call) }, { name: 'provider' })
  const sync = () => db.sync(byRoot ? chain.head.header.stateRoot : { blockHash: chain.head.hash })
  const tracked = db.track([TRACKED])
  await sync()
  await tracked
  const onDemand = new OnDemand(db)
  const forget = () => (provider.calls = {})
  forget()
  return { chain, db, provider, peer, sync, onDemand, forget }
}

/** Reads an account on demand, and compares it with what the block made of it. */
async function assertIs({ chain, onDemand }, state, address, slots = []) {
  const reads = await onDemand.reads(state, [{ address, slots }])
  const [account, values, { proof }] = await Promise.all([reads.getAccount(address), reads.getStorage(address, slots), reads.getProof(address, slots)])
  const block = chain.find(Number(state.block.number))
  const truth = chain.truth(address, slots, block)
  assert.deepEqual([account.exists, account.balance, account.root], [truth.account !== null, truth.account?.balance ?? 0n, state.root])
  assert.deepEqual(account.block, state.block)
  assert.deepEqual(values.map(({ value }) => value), truth.slots)
  const { accountProof, storageProofs } = await chain.prove(address, slots, block)
  assert.deepEqual([proof.accountProof, proof.storageProof.map((each) => each.proof)], [accountProof, truth.account ? storageProofs : slots.map(() => [])])
}

for (const kind of ['page', 'worker']) {
  test(`${kind}: accounts, absent ones, slots and codes are proven that are not tracked`, async (t) => {
    const all = await started(t, { opening: kind === 'page' ? open : overPort(t) })
    const { chain, db, onDemand, provider } = all
    await assert.rejects(db.getAccount(addressOf(2)), { code: 'NOT_TRACKED' })
    await assertIs(all, db.complete, addressOf(2))
    await assertIs(all, db.complete, ABSENT)
    await assertIs(all, db.complete, CONTRACT, [0, 7, 1_000_000])
    const reads = await onDemand.reads(db.complete, [{ address: CONTRACT, code: true }, { address: ABSENT, code: true }])
    const { code, codeHash } = await reads.getCode(CONTRACT)
    assert.equal(codeHash, chain.truth(CONTRACT, [], chain.head).account.codeHash)
    assert.deepEqual([code.length, (await reads.getCode(ABSENT)).codeHash], [41, EMPTY_CODE])
    assert.deepEqual((await db.tracked()).map(({ address }) => address), [TRACKED])
    await assert.rejects(db.getAccount(addressOf(2)), { code: 'NOT_TRACKED' })
    // The header once, and each account when it was new or had new slots.
    assert.deepEqual(provider.calls, { eth_chainId: 1, eth_getBlockByHash: 1, eth_getProof: 3, eth_getCode: 1 })
  })
}

test('what one turn asks for is fetched together, and what was fetched is not asked for again', async (t) => {
  const { db, onDemand, provider } = await started(t)
  const addresses = Array.from({ length: 30 }, (_, at) => addressOf(10 + at))
  const all = () => Promise.all(addresses.map((address) => onDemand.reads(db.complete, [{ address }])))
  const syncs = t.mock.method(Snaplight.prototype, 'sync')
  await Promise.all([all(), all()])
  assert.equal(syncs.mock.callCount(), 1)
  await all()
  assert.deepEqual([syncs.mock.callCount(), provider.calls.eth_getProof], [1, 30])
})

test('a new block fetches what was asked for at the one before, and nothing older', async (t) => {
  const all = await started(t)
  const { chain, db, sync, forget, provider } = all
  const move = async () => {
    await chain.advance(30)
    await sync()
    forget()
  }
  await assertIs(all, db.complete, addressOf(2))
  await assertIs(all, db.complete, addressOf(3))
  await move()
  await assertIs(all, db.complete, addressOf(2))
  assert.equal(provider.calls.eth_getProof, 2)
  await assertIs(all, db.complete, addressOf(3))
  assert.equal(provider.calls.eth_getProof, 2)
  await move()
  await assertIs(all, db.complete, addressOf(2))
  await move()
  await assertIs(all, db.complete, addressOf(2))
  assert.equal(provider.calls.eth_getProof, 1)
})

test('each caller gets the answer of the state that it asked for', async (t) => {
  const all = await started(t)
  const { chain, db, sync } = all
  for (let at = 0; at < 4; at++) {
    await chain.advance(60)
    await sync()
  }
  assert.equal(db.states.length, 5)
  const asked = [0, 3, 1, 4, 2, 0, 3].flatMap((at) => [addressOf(4), CONTRACT].map((address) => [db.states[at], address, [1, 2]]))
  await Promise.all(asked.map((each) => assertIs(all, ...each)))
  // Once more, one by one.
  for (const each of asked) await assertIs(all, ...each)
})

test('a header that the database knows is not asked for', async (t) => {
  const all = await started(t)
  const { chain, db, forget, provider } = all
  await chain.advance(30)
  await db.sync({ header: { ...chain.head.header, hash: chain.head.hash } })
  forget()
  await assertIs(all, db.complete, addressOf(2), [1])
  assert.deepEqual(provider.calls, { eth_chainId: 1, eth_getProof: 1 })
})

test('a state that was synced to by its root alone is read by its root', async (t) => {
  const { chain, db, onDemand } = await started(t, { byRoot: true })
  const reads = await onDemand.reads(db.complete, [{ address: addressOf(2) }])
  const { balance, root, block } = await reads.getAccount(addressOf(2))
  assert.deepEqual([balance, root, block], [chain.truth(addressOf(2), [], chain.head).account.balance, chain.head.header.stateRoot, null])
})

test('of more than 1,024 keys the oldest go first, and can be read again', async (t) => {
  const opened = t.mock.method(Snaplight, 'open')
  const { chain, db, onDemand, forget, provider } = await started(t)
  const slots = (from, count) => [{ address: CONTRACT, slots: Array.from({ length: count }, (_, at) => from + at) }]
  await onDemand.reads(db.complete, [{ address: addressOf(2) }])
  await onDemand.reads(db.complete, slots(0, 600))
  await onDemand.reads(db.complete, [{ address: addressOf(3) }])
  await onDemand.reads(db.complete, slots(600, 600))
  const beside = await opened.mock.calls.at(-1).result
  const held = await beside.tracked()
  assert.deepEqual(held.map(({ address }) => address).sort(), [CONTRACT, addressOf(3)].sort())
  const numbers = held.find(({ address }) => address === CONTRACT).slots.map(Number)
  // With both accounts as many as there may be.
  assert.deepEqual([numbers.length, Math.min(...numbers), Math.max(...numbers)], [MAX_KEYS - 2, 178, 1_199])
  forget()
  const reads = await onDemand.reads(db.complete, [{ address: addressOf(3) }, ...slots(1_199, 1)])
  assert.equal((await reads.getStorage(CONTRACT, 1_199)).value, 0n)
  assert.deepEqual(provider.calls, {})
  const again = await onDemand.reads(db.complete, [{ address: addressOf(2) }, ...slots(7, 1)])
  assert.equal((await again.getAccount(addressOf(2))).balance, chain.truth(addressOf(2), [], chain.head).account.balance)
  assert.equal((await again.getStorage(CONTRACT, 7)).value, 8n)
  await assert.rejects(onDemand.reads(db.complete, slots(0, 1_024)), notTracked(/at most 1024 .*these are 1025/))
})

test('reads that have begun end before their keys make room for others', async (t) => {
  const { db, onDemand } = await started(t)
  const slots = (from) => Array.from({ length: 1_000 }, (_, at) => from + at)
  const valuesFrom = async (from) => (await (await onDemand.reads(db.complete, [{ address: CONTRACT, slots: slots(from) }])).getStorage(CONTRACT, slots(from))).map(({ value }) => value)
  const both = await Promise.all([valuesFrom(0), valuesFrom(1_000), valuesFrom(0)])
  const first = slots(0).map((slot) => (slot < 50 ? BigInt(slot) + 1n : 0n))
  assert.deepEqual(both, [first, slots(0).map(() => 0n), first])
})

test('a worker of our own ends with the last of its databases', async (t) => {
  const workers = []
  globalThis.Worker = class {
    terminated = 0
    constructor() {
      const { port1, port2 } = new MessageChannel()
      serve(port1)
      Object.assign(this, { postMessage: port2.postMessage.bind(port2), addEventListener() {}, removeEventListener() {} })
      t.after(() => [port1, port2].forEach((port) => port.close()))
      workers.push(this)
    }
    terminate() {
      this.terminated += 1
    }
  }
  t.after(() => delete globalThis.Worker)
  const opened = t.mock.method(Snaplight, 'open')
  const all = await started(t, { opening: (options) => openInWorker(undefined, options) })
  await assertIs(all, all.db.complete, addressOf(2))
  all.onDemand.close()
  const beside = await opened.mock.calls.at(-1).result
  await beside.close()
  assert.equal(workers[0].terminated, 0)
  await assertIs({ ...all, onDemand: new OnDemand(all.db) }, all.db.complete, addressOf(2))
  await Promise.all([all.db.close(), (await opened.mock.calls.at(-1).result).close()])
  assert.deepEqual(workers.map(({ terminated }) => terminated), [1])
})

test('the second database is closed when nobody reads for a minute, and opened again for the next', async (t) => {
  const opened = t.mock.method(Snaplight, 'open')
  const all = await started(t)
  t.mock.timers.enable({ apis: ['setTimeout'] })
  await Promise.all(await passing(t, [assertIs(all, all.db.complete, addressOf(2))]))
  const beside = await opened.mock.calls.at(-1).result
  for (let second = 0; second < 60 && !isClosed(beside); second++) t.mock.timers.tick(1_000)
  while (!isClosed(beside)) await turn()
  t.mock.timers.reset()
  await assertIs(all, all.db.complete, addressOf(2))
  assert.equal(opened.mock.callCount(), 3)
})

test('a lie is told of the peer that the caller knows, and the proven value is read', async (t) => {
  const lies = []
  const { chain, db, onDemand, peer } = await started(t, { mode: LIES.balance, onEvent: (event) => event.type === 'lie' && lies.push(event) })
  lies.splice(0)
  const reads = await onDemand.reads(db.complete, [{ address: addressOf(2) }])
  const { balance } = await reads.getAccount(addressOf(2))
  assert.equal(balance, chain.truth(addressOf(2), [], chain.head).account.balance)
  const [lie, ...others] = lies
  assert.deepEqual([lie.peer, lie.address, lie.field, lie.claimed, lie.proven], [peer, addressOf(2), 'balance', word(0x1234567), word(balance)])
  assert.ok(others.every(({ field }) => field === 'balance'))
})

test('a lie about a slot changes nothing of what is read', async (t) => {
  const all = await started(t, { mode: LIES['a slot'] })
  await assertIs(all, all.db.complete, CONTRACT, [3])
})

function isClosed(database) {
  try {
    database.at(EMPTY_ROOT)
  } catch ({ code }) {
    return code === 'CLOSED'
  }
}

/** Lets time pass, a second at a time, until the promises are settled, which takes no longer. */
async function passing(t, promises, seconds = 100) {
  const ends = Promise.allSettled(promises)
  let hasEnded = false
  ends.then(() => (hasEnded = true))
  for (let second = 0; !hasEnded && second < seconds; second++) {
    t.mock.timers.tick(1_000)
    for (let at = 0; at < 20; at++) await turn()
  }
  assert.ok(hasEnded, `not settled after ${seconds} seconds`)
  return ends
}

const instead = (provider, chain, mode) => (provider.request = TestProvider.prototype.request.bind(new TestProvider(chain, mode)))
const TOO_LONG = /on demand: no peer proved it within 20 seconds \(/
for (const [what, why, change] of [
  ['no peer answers', TOO_LONG, (provider) => (provider.request = () => new Promise(() => {}))],
  ['every call fails', TOO_LONG, (provider) => (provider.request = () => Promise.reject(new Error('the network is down')))],
  ['the only peer proves nothing', TOO_LONG, (provider, chain) => instead(provider, chain, USELESS_PROOFS['a changed node'])],
  ['the only peer has no headers', TOO_LONG, (provider, chain) => instead(provider, chain, LACKING['no eth_getBlockByHash'])],
]) {
  test(`where ${what}, a read ends with an error that says why, and later ones work again`, async (t) => {
    const all = await started(t)
    const { db, chain, onDemand, provider } = all
    t.mock.timers.enable({ apis: ['setTimeout'] })
    change(provider, chain)
    const ends = await passing(t, [addressOf(2), addressOf(3)].map((address) => onDemand.reads(db.complete, [{ address }])))
    for (const { reason } of ends) {
      assert.deepEqual([reason.name, reason.code, reason.pending], ['NotTrackedError', 'NOT_TRACKED', false])
      assert.match(reason.message, why)
    }
    delete provider.request
    t.mock.timers.reset()
    db.addPeer({ request: (call) => provider.request(call) })
    await assertIs(all, db.complete, addressOf(2))
  })
}

test('where no peer answers, reads of many states do not pile up: each ends after the time of two', async (t) => {
  const all = await started(t)
  const { chain, db, sync, onDemand, provider } = all
  for (let block = 0; block < 3; block++) {
    await chain.advance(3)
    await sync()
  }
  t.mock.timers.enable({ apis: ['setTimeout'] })
  provider.request = () => new Promise(() => {})
  const ends = []
  for (const state of db.states) onDemand.reads(state, [{ address: addressOf(2) }]).catch(({ code, message }) => ends.push([code, message]))
  assert.equal(db.states.length, 4)
  for (let second = 0; second < 41; second++) {
    t.mock.timers.tick(1_000)
    for (let at = 0; at < 20; at++) await turn()
  }
  assert.deepEqual(ends.map(([code]) => code), Array(4).fill('NOT_TRACKED'))
  assert.match(ends.at(-1)[1], /what was asked for before it took too long|no peer proved it/)
  delete provider.request
  t.mock.timers.reset()
  db.addPeer({ request: (call) => provider.request(call) })
  await assertIs(all, db.complete, addressOf(2))
})

test('where the last peer is closed, a read ends at once, and says so', async (t) => {
  const { db, chain, onDemand, provider } = await started(t)
  instead(provider, chain, { chainId: 5 })
  await assert.rejects(onDemand.reads(db.complete, [{ address: addressOf(2) }]), notTracked(/on demand: all peers that could be asked are closed/))
  await assert.rejects(onDemand.reads(db.complete, [{ address: addressOf(2) }]), notTracked(/on demand: no peer that is open was given by its URL/))
})

test('a peer that is added or closed later is one of those that are asked, or is none any more', async (t) => {
  const all = await started(t)
  const { db, chain, peer, provider, forget } = all
  await assertIs(all, db.complete, addressOf(2))
  const server = await startProvider(chain)
  t.after(() => server.close())
  const byUrl = db.addPeer(server.http, { by: 'rpc' })
  peer.close()
  await peer.closed
  forget()
  await assertIs(all, db.complete, addressOf(3))
  assert.deepEqual(provider.calls, {})
  assert.ok(server.provider.calls.eth_getProof > 0)
  byUrl.close()
  await byUrl.closed
  await assert.rejects(all.onDemand.reads(db.complete, [{ address: addressOf(4) }]), notTracked(/no peer that is open/))
  // What is proven already is read without a peer.
  await assertIs(all, db.complete, addressOf(3))
})

test('a kept state that no peer has any more is an error at once, and the newest goes on', async (t) => {
  const all = await started(t, {
    mode: {
      refuse: ({ method, params }, { chain }) => {
        if (method === 'eth_getProof' && chain.find(params[2]) !== chain.head) throw Object.assign(new Error('missing trie node'), { code: -32000 })
      },
    },
  })
  const { chain, db, sync, onDemand } = all
  await chain.advance(30)
  await sync()
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const [old, newest] = await passing(t, [onDemand.reads(db.states[1], [{ address: addressOf(2) }]), assertIs(all, db.states[0], addressOf(2))], 15)
  assert.throws(() => { throw old.reason }, notTracked(/on demand: no peer has this state any more/))
  assert.equal(newest.status, 'fulfilled', String(newest.reason))
})

test('what cannot be fetched does not hold up what is asked for after it', async (t) => {
  const all = await started(t, { mode: LACKING['no eth_getCode'] })
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const [{ reason }] = await passing(t, [all.onDemand.reads(all.db.complete, [{ address: CONTRACT, code: true }])])
  assert.equal(reason.code, 'NOT_TRACKED')
  t.mock.timers.reset()
  await assertIs(all, all.db.complete, CONTRACT, [1])
  await all.chain.advance(30)
  await all.sync()
  await assertIs(all, all.db.complete, addressOf(2))
})

test('two of one database share what they fetch, and the last that is closed ends it', async (t) => {
  const all = await started(t)
  const { db, onDemand, provider } = all
  const other = new OnDemand(db)
  await onDemand.reads(db.complete, [{ address: addressOf(2) }])
  await other.reads(db.complete, [{ address: addressOf(2) }])
  assert.equal(provider.calls.eth_getProof, 1)
  onDemand.close()
  onDemand.close()
  await assert.rejects(onDemand.reads(db.complete, [{ address: addressOf(2) }]), { name: 'ClosedError', code: 'CLOSED' })
  await other.reads(db.complete, [{ address: addressOf(3) }])
  const waiting = other.reads(db.complete, [{ address: addressOf(4) }])
  other.close()
  await assert.rejects(waiting, { name: 'ClosedError', code: 'CLOSED' })
  await assertIs({ ...all, onDemand: new OnDemand(db) }, db.complete, addressOf(2))
})

for (const kind of ['page', 'worker']) {
  test(`${kind}: closing the database ends what waits, whether it is opened already or not, and closes the second one`, async (t) => {
    const opened = t.mock.method(Snaplight, 'open')
    for (const isOpen of [false, true]) {
      const { db, provider, onDemand } = await started(t, { opening: kind === 'page' ? open : overPort(t) })
      if (isOpen) await onDemand.reads(db.complete, [{ address: addressOf(2) }])
      provider.request = () => new Promise(() => {})
      const reads = [2, 3, 4].map((at) => onDemand.reads(db.complete, [{ address: addressOf(at + 10) }]))
      const ends = Promise.all(reads.map((read) => assert.rejects(read, { name: 'ClosedError', code: 'CLOSED' })))
      if (!isOpen) await turn()
      await db.close()
      await ends
      assert.throws(() => new OnDemand(db), { code: 'CLOSED' })
    }
    for (const { result } of opened.mock.calls) {
      const database = await result
      // A second one that was being opened is closed as soon as it is open.
      while (!isClosed(database)) await turn()
    }
  })
}

test('an error of the second database is the error of the read, and of nothing else', async (t) => {
  const opened = t.mock.method(Snaplight, 'open')
  const { db, onDemand } = await started(t)
  await onDemand.reads(db.complete, [{ address: addressOf(2) }])
  await (await opened.mock.calls.at(-1).result).close()
  // A rejection that nobody handles would fail this test.
  await assert.rejects(onDemand.reads(db.complete, [{ address: addressOf(3) }]), { name: 'NotTrackedError' })
  t.mock.method(Snaplight.prototype, 'sync', () => { throw Object.assign(new Error('full'), { code: 'QUOTA' }) })
  onDemand.close()
  await assert.rejects(new OnDemand(db).reads(db.complete, [{ address: addressOf(3) }]), { code: 'QUOTA' })
})

test('a database of everything has no reads on demand, and opens nothing', async (t) => {
  const opened = t.mock.method(Snaplight, 'open')
  const db = await memory(t)
  await db.sync(EMPTY_ROOT)
  const onDemand = new OnDemand(db)
  await assert.rejects(onDemand.reads(db.complete, [{ address: SOME_ADDRESS }]), notTracked(/everything/))
  assert.equal(opened.mock.callCount(), 1)
})

test('what is no address or no slot is refused', async (t) => {
  const { db, onDemand } = await started(t)
  await assert.rejects(onDemand.reads(db.complete, [{ address: '0x12' }]), { name: 'MisuseError', code: 'BAD_ARGUMENT' })
  await assert.rejects(onDemand.reads(db.complete, [{ address: SOME_ADDRESS, slots: [-1] }]), { name: 'MisuseError', code: 'BAD_ARGUMENT' })
})

test('where two reads are fetched together, an account is not older than a slot that only the second one asks for', () => {
  const keys = new Keys()
  keys.use(joined(keysOf([{ address: SOME_ADDRESS }]), keysOf([{ address: SOME_ADDRESS, slots: [1] }])))
  keys.proven('a', ['a'])
  // Room for one key less: the slot goes, and not the account with a slot that would count as held.
  const others = Array.from({ length: MAX_KEYS - 1 }, (_, at) => ({ address: addressOf(at) }))
  const gone = keys.makeRoom(keysOf(others))
  assert.deepEqual([...gone.values()], [{ address: SOME_ADDRESS, slot: word(1) }])
})

test('a key is never older than its account, and what is not used at a state goes at the next', () => {
  const keys = new Keys()
  const [one, two] = [keysOf([{ address: SOME_ADDRESS, slots: [1, 2], code: true }]), keysOf([{ address: ABSENT, slots: [3] }])]
  assert.deepEqual([...keys.use(one).keys()].at(-1), SOME_ADDRESS)
  assert.equal(keys.use(two).size, 2)
  assert.equal(keys.use(two).size, 0)
  keys.proven('a', ['a'])
  assert.ok(keys.areProven(one, 'a') && !keys.areProven(one, 'b'))
  assert.equal(keys.move(new Map()).size, 0)
  keys.use(two)
  keys.proven('b', ['b', 'a'])
  const gone = keys.move(new Map())
  assert.deepEqual([...gone.keys()].sort(), [...one.keys()].sort())
  assert.ok(!keys.areProven(one, 'a') && keys.areProven(two, 'a') && keys.areProven(two, 'b'))
  keys.proven('c', ['c'])
  assert.ok(!keys.areProven(two, 'a') && keys.areProven(two, 'c'))
})
