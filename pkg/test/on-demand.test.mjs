// Tests of reads on demand, in Node: what is not tracked is proven for once, beside a database that
// is open. The chain and its providers are a test's.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Chain, TestProvider, addressOf, contractOf, startProvider, word } from '../../xtask/node/provider.mjs'
import { LACKING, LIES, USELESS_PROOFS } from '../../xtask/node/provider/modes.mjs'
import { OnDemand } from '../lib/on-demand.js'
import { Keys, MAX_KEYS, keysOf } from '../lib/on-demand/keys.js'
import { Snaplight, open } from '../snaplight.js'
import { openInWorker, serve } from '../worker.js'
import { EMPTY_CODE, EMPTY_ROOT, SOME_ADDRESS, memory } from './support/database.mjs'

const TRACKED = addressOf(1)
const ABSENT = addressOf(9_999)
const CONTRACT = contractOf(1)
const notTracked = (words) => ({ name: 'NotTrackedError', code: 'NOT_TRACKED', pending: false, message: words })

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

/** Opens a database over a port, whose other end serves in this realm. */
function overPort(t) {
  return (options) => {
    const { port1, port2 } = new MessageChannel()
    serve(port1)
    t.after(() => {
      port1.close()
      port2.close()
    })
    return openInWorker(port2, options)
  }
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
