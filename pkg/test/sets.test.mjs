// Tests of databases that hold a set, in Node with a database in memory. What a provider serves is
// recorded mainnet data, where `../shared/data` is; else those tests are skipped.

import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { Snapshot, open } from '../snaplight.js'
import { EMPTY_CODE, EMPTY_ROOT, NETWORK, OTHER_ROOT, SOME_ADDRESS, SOME_ROOT, memory } from './support/database.mjs'

const OTHER_ADDRESS = `0x${'33'.repeat(20)}`
const PROOFS = new URL('../../../shared/data/mainnet-proofs/proofs.json', import.meta.url)
const skip = existsSync(PROOFS) ? false : 'the recorded proofs of ../shared/data are not there'
const recorded = skip ? [] : JSON.parse(readFileSync(PROOFS, 'utf8'))

const slot = (number) => `0x${number.toString(16).padStart(64, '0')}`
const misuse = (code) => ({ name: 'MisuseError', code })
const notTracked = (code, pending = false) => ({ name: 'NotTrackedError', code, pending })

/** An empty database of a set in memory that is closed at the test's end. */
async function setInMemory(t, options) {
  const db = await open({ network: NETWORK, memory: true, hold: 'set', ...options })
  t.after(() => db.close())
  return db
}

/** A provider that replays recorded answers, each when `ready` has resolved. */
function replaying({ answer, code = '0x' }, ready = Promise.resolve()) {
  const calls = []
  return {
    calls,
    async request({ method, params }) {
      calls.push(method)
      if (method === 'eth_chainId') return '0x1'
      await ready
      if (method === 'eth_getProof') return { ...answer, storageProof: params[1].map((key) => answer.storageProof.find((each) => BigInt(each.key) === BigInt(key))) }
      if (method === 'eth_getCode') return code
      throw Object.assign(new Error(`the method ${method} does not exist`), { code: -32601 })
    },
  }
}

test('a new database holds what it is opened for, and everything if that is left out', async (t) => {
  const [everything, set] = [await memory(t), await setInMemory(t)]
  assert.deepEqual([everything.holds, set.holds], ['everything', 'set'])
  assert.deepEqual(await set.tracked(), [])
  await assert.rejects(open({ network: NETWORK, memory: true, hold: 'all' }), misuse('BAD_ARGUMENT'))
})

test('on a database of everything there is no set to change', async (t) => {
  const db = await memory(t)
  await assert.rejects(db.track([SOME_ADDRESS]), misuse('NOT_A_SET'))
  await assert.rejects(db.untrack([SOME_ADDRESS]), misuse('NOT_A_SET'))
  await assert.rejects(db.tracked(), misuse('NOT_A_SET'))
})

test('tracked are the accounts, slots and codes that were added, less what was removed', async (t) => {
  const db = await setInMemory(t)
  await db.sync(EMPTY_ROOT)
  const byAddress = async () => Object.fromEntries((await db.tracked()).map(({ address, ...rest }) => [address, rest]))
  await db.track([SOME_ADDRESS, { address: OTHER_ADDRESS, slots: [2, 1, 2n], code: true }])
  await db.track([{ address: SOME_ADDRESS, slots: 'all' }])
  assert.deepEqual((await byAddress())[SOME_ADDRESS], { slots: 'all', code: false })
  const { slots, code } = (await byAddress())[OTHER_ADDRESS]
  assert.deepEqual([[...slots].sort(), code], [[slot(1), slot(2)], true])
  await assert.rejects(db.untrack([{ address: SOME_ADDRESS, slots: [1] }]), misuse('BAD_ARGUMENT'))
  await db.untrack([{ address: SOME_ADDRESS, slots: 'all' }, { address: OTHER_ADDRESS, slots: [2, 7], code: true }])
  assert.deepEqual(await byAddress(), { [SOME_ADDRESS]: { slots: [], code: false }, [OTHER_ADDRESS]: { slots: [slot(1)], code: false } })
  await db.untrack([OTHER_ADDRESS, `0x${'44'.repeat(20)}`])
  assert.deepEqual(Object.keys(await byAddress()), [SOME_ADDRESS])
})

test('a set that would be too large is refused, and the one before stays', async (t) => {
  const db = await setInMemory(t)
  const addresses = Array.from({ length: 10_001 }, (_, index) => `0x${index.toString(16).padStart(40, '0')}`)
  await assert.rejects(db.track(addresses), misuse('SET_TOO_LARGE'))
  const slots = Array.from({ length: 100_001 }, (_, index) => index)
  await assert.rejects(db.track([{ address: SOME_ADDRESS, slots }]), misuse('SET_TOO_LARGE'))
  assert.deepEqual(await db.tracked(), [])
})

test('in the empty state a tracked account is proven absent, and any other is not tracked', async (t) => {
  const db = await setInMemory(t)
  const tracked = db.track([{ address: SOME_ADDRESS, slots: [1, 2], code: true }])
  await assert.rejects(db.getAccount(SOME_ADDRESS), notTracked('NO_STATE'))
  await db.sync(EMPTY_ROOT)
  assert.equal((await tracked).root, EMPTY_ROOT)
  const { exists, balance, age } = await db.getAccount(SOME_ADDRESS)
  assert.deepEqual([exists, balance, age], [false, 0n, null])
  const values = await db.getStorage(SOME_ADDRESS, [2, 1])
  assert.deepEqual(values.map(({ slot, value }) => [slot, value]), [[slot(2), 0n], [slot(1), 0n]])
  assert.equal((await db.getStorage(SOME_ADDRESS, 1)).value, 0n)
  assert.equal((await db.getCode(SOME_ADDRESS)).codeHash, EMPTY_CODE)
  await assert.rejects(db.getAccount(OTHER_ADDRESS), notTracked('NOT_TRACKED'))
  await assert.rejects(db.getProof(SOME_ADDRESS, [3]), notTracked('NOT_TRACKED'))
  await db.untrack([SOME_ADDRESS])
  await assert.rejects(db.getAccount(SOME_ADDRESS), notTracked('NOT_TRACKED'))
  await assert.rejects(db.getStorage(SOME_ADDRESS, [1]), notTracked('NOT_TRACKED'))
  await assert.rejects(db.getCode(SOME_ADDRESS), notTracked('NOT_TRACKED'))
})

test('a proof out of the empty state is what go-ethereum answers', async (t) => {
  const db = await setInMemory(t)
  const tracked = db.track([{ address: SOME_ADDRESS, slots: [1] }])
  await db.sync(EMPTY_ROOT)
  await tracked
  const { proof, root, block, age } = await db.getProof(SOME_ADDRESS, [1, slot(1)])
  assert.deepEqual([root, block, age], [EMPTY_ROOT, null, null])
  const zeros = `0x${'0'.repeat(64)}`
  const wanted =
    `{"address":"${SOME_ADDRESS}","accountProof":null,"balance":"0x0","codeHash":"${zeros}","nonce":"0x0","storageHash":"${zeros}",` +
    `"storageProof":[{"key":"0x1","value":"0x0","proof":[]},{"key":"${slot(1)}","value":"0x0","proof":[]}]}`
  assert.equal(JSON.stringify(proof), wanted)
})

test('a snapshot is of the very state that was named, or there is none', async (t) => {
  const db = await setInMemory(t)
  assert.deepEqual(db.states, [])
  assert.throws(() => db.at(EMPTY_ROOT), notTracked('NO_SUCH_STATE'))
  const tracked = db.track([SOME_ADDRESS])
  await db.sync(EMPTY_ROOT)
  await tracked
  assert.deepEqual(db.states, [db.complete])
  const state = db.at(EMPTY_ROOT)
  assert.ok(state instanceof Snapshot)
  assert.deepEqual([state.root, state.block], [EMPTY_ROOT, null])
  assert.equal((await state.getAccount(SOME_ADDRESS)).exists, false)
  for (const other of [SOME_ROOT, 1, 1n, -1]) assert.throws(() => db.at(other), notTracked('NO_SUCH_STATE'), String(other))
  for (const bad of ['0x12', null, {}, 1.5]) assert.throws(() => db.at(bad), misuse('BAD_ARGUMENT'), String(bad))
})

test('what is held can be changed before there is any state', async (t) => {
  const db = await memory(t)
  assert.equal(await db.hold('set', { track: [SOME_ADDRESS] }), null)
  assert.equal(db.holds, 'set')
  assert.deepEqual((await db.tracked()).map(({ address }) => address), [SOME_ADDRESS])
  assert.equal(await db.hold('everything'), null)
  assert.equal(db.holds, 'everything')
  await assert.rejects(db.hold('nothing'), misuse('BAD_ARGUMENT'))
})

test('from everything to a set and back the empty state stays readable', async (t) => {
  const db = await memory(t)
  await db.sync(EMPTY_ROOT)
  assert.equal((await db.hold('set', { track: [SOME_ADDRESS] })).root, EMPTY_ROOT)
  assert.equal((await db.getAccount(SOME_ADDRESS)).exists, false)
  await assert.rejects(db.getAccount(OTHER_ADDRESS), notTracked('NOT_TRACKED'))
  assert.equal((await db.hold('everything')).root, EMPTY_ROOT)
  assert.equal((await db.getAccount(OTHER_ADDRESS)).exists, false)
})

test('closing ends the wait of whoever tracks', async () => {
  const db = await open({ network: NETWORK, memory: true, hold: 'set' })
  const tracked = db.track([SOME_ADDRESS])
  const isClosed = assert.rejects(tracked, { name: 'ClosedError', code: 'CLOSED' })
  await db.close()
  await isClosed
  await assert.rejects(db.track([OTHER_ADDRESS]), { code: 'CLOSED' })
  assert.throws(() => db.at(EMPTY_ROOT), { code: 'CLOSED' })
})

test('a header that does not hash to its block is refused', async (t) => {
  const db = await memory(t)
  assert.throws(() => db.sync({ header: '0xc0', blockHash: OTHER_ROOT }), misuse('WRONG_HEADER'))
  assert.throws(() => db.sync({ header: '0xc0' }), misuse('WRONG_HEADER'))
  assert.throws(() => db.sync({ header: { hash: OTHER_ROOT, number: '0x1' } }), misuse('WRONG_HEADER'))
  assert.equal((await db.sync(EMPTY_ROOT)).root, EMPTY_ROOT)
})

for (const { from, stateRoot, answer } of recorded) {
  test(`the recorded answer of ${from} is read, and proven again as it was`, { skip }, async (t) => {
    const { address, storageProof } = answer
    const slots = storageProof.map(({ key }) => key)
    const db = await setInMemory(t)
    const tracked = db.track([{ address, slots }])
    db.addPeer(replaying({ answer }))
    await db.sync(stateRoot)
    assert.equal((await tracked).root, stateRoot)
    const account = await db.getAccount(address)
    assert.equal(account.balance, BigInt(answer.balance))
    assert.equal(account.nonce, BigInt(answer.nonce))
    const values = await db.getStorage(address, slots)
    assert.deepEqual(values.map(({ value }) => value), storageProof.map(({ value }) => BigInt(value)))
    const { proof } = await db.getProof(address, slots)
    assert.equal(JSON.stringify(proof), JSON.stringify(answer))
  })
}

test('what is added waits for its proof, says so, and does not hold up what was there', { skip }, async (t) => {
  const { stateRoot, answer } = recorded.find(({ answer }) => answer.storageProof.length > 1)
  const { address, storageProof } = answer
  const [first, ...others] = storageProof.map(({ key }) => key)
  const db = await setInMemory(t)
  const tracked = db.track([{ address, slots: [first] }])
  let release
  let gate = Promise.resolve()
  db.addPeer(replaying({ answer }, { then: (...args) => gate.then(...args) }))
  await db.sync(stateRoot)
  await tracked
  gate = new Promise((resolve) => (release = resolve))
  const added = db.track([{ address, slots: others }])
  await assert.rejects(db.getStorage(address, others), notTracked('NOT_TRACKED', true))
  assert.equal((await db.getStorage(address, first)).value, BigInt(storageProof[0].value))
  release()
  assert.equal((await added).root, stateRoot)
  assert.deepEqual((await db.getStorage(address, others)).map(({ value }) => value), storageProof.slice(1).map(({ value }) => BigInt(value)))
})

test('what a provider claims beside its proof is told as a lie, and the proven value is read', { skip }, async (t) => {
  const { stateRoot, answer } = recorded.find(({ answer }) => answer.storageProof.length > 1)
  const lies = []
  const db = await setInMemory(t, { onEvent: (event) => event.type === 'lie' && lies.push(event) })
  const tracked = db.track([answer.address])
  const peer = db.addPeer(replaying({ answer: { ...answer, balance: '0x7' } }), { name: 'liar' })
  assert.equal(peer.by, 'rpc')
  await db.sync(stateRoot)
  await tracked
  assert.equal((await db.getAccount(answer.address)).balance, BigInt(answer.balance))
  const [{ field, address, claimed, proven, slot: none }] = lies
  assert.deepEqual([field, address, claimed, proven, none], ['balance', answer.address, slot(7), slot(BigInt(answer.balance)), null])
  assert.equal(lies[0].peer, peer)
})
