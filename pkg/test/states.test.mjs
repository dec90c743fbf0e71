// Tests of a set that follows a chain, in Node: the states that stay readable, headers as targets,
// proofs, and a provider of the page's that a worker asks. The chain and its provider are a test's.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { Chain, TestProvider, addressOf, contractOf, startProvider, word } from '../../xtask/node/provider.mjs'
import { open } from '../snaplight.js'
import { openInWorker, serve } from '../worker.js'

/** States of a set that can be read: MAX_KEPT of src/state/record.rs. */
const READABLE = 8
const SLOTS = [0, 7, 1_000_000]
const SET = [addressOf(1), addressOf(999), { address: contractOf(1), slots: SLOTS, code: true }]

const networkOf = (chain) => ({ id: chain.chainId, genesisHash: chain.genesisHash })
const noSuchState = { name: 'NotTrackedError', code: 'NO_SUCH_STATE', pending: false }

/** A database in memory that tracks the set, with a provider of the chain as its only peer. */
async function following(t, chain, mode, opening = open) {
  const db = await opening({ network: networkOf(chain), memory: true, hold: 'set' })
  t.after(() => db.close())
  const provider = new TestProvider(chain, mode)
  db.addPeer({ request: (call) => provider.request(call) })
  return { db, provider }
}

/** Reads all of the set, and compares it with what the block made of it. */
async function assertIs(state, chain, block) {
  for (const each of SET) {
    const { address, slots = [] } = typeof each === 'string' ? { address: each } : each
    const truth = chain.truth(address, slots, block)
    const account = await state.getAccount(address)
    assert.deepEqual([account.exists, account.balance], [truth.account !== null, truth.account?.balance ?? 0n])
    assert.deepEqual([account.root, account.block?.hash], [block.header.stateRoot, block.hash])
    const values = await state.getStorage(address, slots)
    assert.deepEqual(values.map(({ value }) => value), truth.slots)
  }
  const { proof } = await state.getProof(contractOf(1), SLOTS)
  const { accountProof, storageProofs } = await chain.prove(contractOf(1), SLOTS, block)
  assert.deepEqual([proof.accountProof, proof.storageProof.map((each) => each.proof)], [accountProof, storageProofs])
  assert.deepEqual(proof.storageProof.map(({ key }) => key), ['0x0', '0x7', '0xf4240'])
  const code = await state.getCode(contractOf(1))
  assert.equal(code.codeHash, (await state.getAccount(contractOf(1))).codeHash)
}

test('an account without code and storage proves that, and one with them proves nothing of what is not tracked', async (t) => {
  const chain = await Chain.generate()
  const { db } = await following(t, chain)
  const tracked = db.track([addressOf(1), addressOf(999), contractOf(1)])
  await db.sync({ blockHash: chain.head.hash })
  await tracked
  for (const state of [db, db.at(0)]) {
    for (const address of [addressOf(1), addressOf(999)]) {
      const { code, root } = await state.getCode(address)
      assert.deepEqual([code.length, root], [0, chain.head.header.stateRoot])
      assert.deepEqual((await state.getStorage(address, [3, 4])).map(({ value, slot }) => [value, slot]), [[0n, word(3)], [0n, word(4)]])
    }
    await assert.rejects(state.getCode(contractOf(1)), { code: 'NOT_TRACKED', pending: false })
    await assert.rejects(state.getStorage(contractOf(1), 3), { code: 'NOT_TRACKED', pending: false })
    await assert.rejects(state.getCode(addressOf(2)), { code: 'NOT_TRACKED' })
  }
})

test('the last eight states stay readable by number, hash and root, and older ones are none', async (t) => {
  const chain = await Chain.generate()
  const { db } = await following(t, chain)
  const tracked = db.track(SET)
  const blocks = [chain.head]
  await db.sync({ blockHash: chain.head.hash })
  await tracked
  const first = db.at(0)
  while (blocks.length < READABLE) {
    blocks.push(await chain.advance(30))
    await db.sync({ blockHash: chain.head.hash })
  }
  assert.deepEqual(db.states.map(({ block }) => block.hash), blocks.map(({ hash }) => hash).reverse())
  for (const [number, block] of blocks.entries()) {
    await assertIs(db.at(number), chain, block)
    assert.equal(db.at(BigInt(number)).root, block.header.stateRoot)
    assert.equal(db.at(block.hash).block.number, number)
    assert.equal(db.at(block.header.stateRoot).block.hash, block.hash)
  }
  await assertIs(db, chain, chain.head)
  await assertIs(first, chain, blocks[0])

  await chain.advance(30)
  await db.sync({ blockHash: chain.head.hash })
  assert.equal(db.states.length, READABLE)
  assert.throws(() => db.at(0), noSuchState)
  await assert.rejects(first.getAccount(addressOf(1)), noSuchState)
  await assert.rejects(first.getProof(contractOf(1), SLOTS), noSuchState)
  await assertIs(db.at(1), chain, blocks[1])
})

test('a state that is readable becomes the complete one again without a call', async (t) => {
  const chain = await Chain.generate()
  const { db, provider } = await following(t, chain)
  const tracked = db.track(SET)
  const first = chain.head
  await db.sync({ blockHash: first.hash })
  await tracked
  await chain.advance(30)
  await db.sync({ blockHash: chain.head.hash })
  const calls = { ...provider.calls }
  await db.sync(first.header.stateRoot)
  assert.deepEqual(provider.calls, calls)
  await assertIs(db, chain, first)
  await assertIs(db.at(chain.head.hash), chain, chain.head)
})

test('what is tracked later is readable from the first state that it was proven under', async (t) => {
  const chain = await Chain.generate()
  const { db } = await following(t, chain)
  const tracked = db.track(SET)
  await db.sync({ blockHash: chain.head.hash })
  await tracked
  const before = await chain.advance(30)
  await db.sync({ blockHash: before.hash })
  const { root } = await db.track([addressOf(5)])
  assert.equal(root, before.header.stateRoot)
  assert.equal((await db.at(1).getAccount(addressOf(5))).balance, chain.truth(addressOf(5), [], before).account?.balance ?? 0n)
  await assert.rejects(db.at(0).getAccount(addressOf(5)), { name: 'NotTrackedError', code: 'NOT_TRACKED', pending: true })
  await assertIs(db.at(0), chain, chain.find(0))
  await db.untrack([addressOf(5)])
  await assert.rejects(db.at(1).getAccount(addressOf(5)), { code: 'NOT_TRACKED', pending: false })
})

test('a code that is tracked again while it is still held is asked for once at most', async (t) => {
  const chain = await Chain.generate()
  const { db, provider } = await following(t, chain)
  const account = { address: contractOf(1), code: true }
  const tracked = db.track([account])
  await db.sync({ blockHash: chain.head.hash })
  await tracked
  await db.untrack([account])
  await chain.advance(30)
  await db.sync({ blockHash: chain.head.hash })
  const calls = provider.calls.eth_getCode
  await db.track([account])
  assert.ok(provider.calls.eth_getCode <= calls + 1, `${provider.calls.eth_getCode - calls} calls`)
  assert.equal((await db.getCode(contractOf(1))).codeHash, chain.truth(contractOf(1), [], chain.head).account.codeHash)
})

test('a header is a target as RLP and as JSON, and names the block', async (t) => {
  const chain = await Chain.generate()
  const { db, provider } = await following(t, chain)
  const tracked = db.track(SET)
  const { header, hash } = chain.head
  const report = await db.sync({ header: { ...header, hash }, blockHash: hash })
  await tracked
  assert.deepEqual([report.root, report.block], [header.stateRoot, { hash, number: 0, timestamp: Number(header.timestamp) }])
  const { age } = await db.getAccount(addressOf(1))
  assert.ok(Number.isSafeInteger(age) && age >= 0, String(age))
  await chain.advance(10)
  const sync = db.sync({ header: { ...chain.head.header, hash: chain.head.hash } })
  assert.deepEqual(sync.target, { blockHash: chain.head.hash })
  assert.equal((await sync).block.number, 1)
  assert.equal(provider.calls.eth_getBlockByHash, undefined, 'no header is fetched')
  const forged = { ...chain.head.header, stateRoot: header.stateRoot, hash: chain.head.hash }
  assert.throws(() => db.sync({ header: forged }), { name: 'MisuseError', code: 'WRONG_HEADER' })
  await assertIs(db, chain, chain.head)
})

test('a worker asks a provider of the page, whose errors and answers cross', async (t) => {
  const chain = await Chain.generate()
  const { port1, port2 } = new MessageChannel()
  serve(port1)
  t.after(() => {
    port1.close()
    port2.close()
  })
  const { db } = await following(t, chain, undefined, (options) => openInWorker(port2, options))
  const [peer] = db.peers
  assert.equal(peer.by, 'rpc')
  assert.equal(db.holds, 'set')
  const tracked = db.track(SET)
  await db.sync({ blockHash: chain.head.hash })
  await tracked
  await assertIs(db, chain, chain.head)
  await chain.advance(30)
  await db.sync({ header: { ...chain.head.header, hash: chain.head.hash } })
  await assertIs(db.at(0), chain, chain.find(0))
  await assertIs(db.at(1), chain, chain.head)
  const added = db.track([addressOf(7)])
  await assert.rejects(db.getAccount(addressOf(8)), { name: 'NotTrackedError', code: 'NOT_TRACKED', pending: false })
  await added
  await assert.rejects(db.at(0).getAccount(addressOf(7)), { code: 'NOT_TRACKED', pending: true })
  await assert.rejects(db.hold('everything', { track: [1] }), { name: 'MisuseError', code: 'BAD_ARGUMENT' })
  peer.close()
  assert.equal((await peer.closed).by, 'user')
})

test('a database of everything knows its complete state only, and ends the snapshot of the one before', async (t) => {
  const chain = await Chain.generate()
  const { db } = await following(t, chain)
  const tracked = db.track(SET)
  await db.sync({ blockHash: chain.head.hash })
  await tracked
  await assertIs(db.at(0), chain, chain.head)
  // Nobody can serve everything here, so the set stays readable.
  const held = db.hold('everything')
  held.catch(() => {})
  assert.equal(db.holds, 'everything')
  await assertIs(db.at(0), chain, chain.head)
  await assert.rejects(db.getAccount(addressOf(8)), { code: 'NOT_TRACKED', pending: true })
  assert.equal((await db.hold('set', { track: SET })).root, chain.head.header.stateRoot)
  await assertIs(db, chain, chain.head)
})

test("the example of a set at a named block in the package's README runs as it is written, with a provider by HTTP", async (t) => {
  const chain = await Chain.generate()
  await chain.advance(30)
  const provider = await startProvider(chain)
  t.after(() => provider.close())
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
  const [, example] = /```js\n(import [^`]*db\.sync\(\{ blockHash \}\).*?)```/s.exec(readme)
  const logged = []
  globalThis.quickStart = { print: (...words) => logged.push(words), blockHash: chain.head.hash, network: networkOf(chain) }
  t.after(() => delete globalThis.quickStart)
  const code = example
    .replace("'snaplight'", JSON.stringify(new URL('../snaplight.js', import.meta.url).href))
    .replace('await open({', 'await open({ memory: true,')
    .replaceAll('console.log', 'quickStart.print')
    .replaceAll('https://rpc.example', provider.http)
  await import(`data:text/javascript,${encodeURIComponent(`const { network, blockHash } = quickStart\n${code}`)}`)
  assert.ok(logged.length > 0, 'an example shows something')
})
