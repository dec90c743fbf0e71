// What a newcomer meets: a call of `track` that waits says in `progress().waiting` what it waits for,
// and what cannot be a peer is refused when it is added.

import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { Chain, TestProvider, addressOf } from '../../xtask/node/provider.mjs'
import { RpcError } from '../../xtask/node/provider/modes.mjs'
import { open } from '../snaplight.js'

const SET = [addressOf(1), addressOf(2)]
let chain

before(async () => {
  chain = await Chain.generate({ accounts: 20, contracts: 2, slots: 5 })
})

async function opened(t, options) {
  const db = await open({ network: { id: chain.chainId, genesisHash: chain.genesisHash }, memory: true, hold: 'set', ...options })
  t.after(() => db.close())
  return db
}

/** A provider without subscriptions. */
function providerOf(mode) {
  const provider = new TestProvider(chain, mode)
  return { request: (call) => provider.request(call) }
}

/** Tracks, and resolves to the first progress that says for what that waits, in these words. */
async function waitingFor(db, words) {
  db.track(SET).catch(() => {})
  for (;;) {
    const progress = db.progress()
    if (words.test(progress.waiting)) return progress
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

test('tracking that nobody names a block for says that follow or sync was not called, until there is a state', async (t) => {
  const db = await opened(t)
  assert.equal(db.progress().waiting, null)
  const { waitingFor: what } = await waitingFor(db, /^no block was named: call follow or sync$/)
  assert.equal(what, 'head')
  db.addPeer(providerOf(), { name: 'good' })
  db.follow(providerOf())
  await db.track(SET)
  const after = db.progress()
  assert.deepEqual([after.waiting, after.waitingFor], [null, null])
})

test('tracking without a peer says that none was added', async (t) => {
  const db = await opened(t)
  db.follow(providerOf())
  const { waitingFor: what } = await waitingFor(db, /^no peer is connected and ready \(none was added: call addPeer\)$/)
  assert.equal(what, 'peers')
})

test('tracking that waits for a source says what is wrong with the source', async (t) => {
  const db = await opened(t)
  db.addPeer(providerOf())
  db.follow(providerOf({ chainId: 5 }))
  const { waitingFor: what } = await waitingFor(db, /^source 1: .*chain 5/)
  assert.equal(what, 'head')
})

test('a peer that cannot serve a sync is named with what it said: a method is missing, it fails, it is on another chain', async (t) => {
  const refuse = ({ method }) => {
    if (method === 'eth_getProof') throw new RpcError(-32601, 'the method eth_getProof does not exist')
  }
  const down = { request: () => Promise.reject(new Error('Failed to fetch')) }
  for (const [peer, words] of [
    [providerOf({ refuse }), /\(mine: the method eth_getProof does not exist\)$/],
    [down, /\(mine: Failed to fetch\)$/],
    [providerOf({ chainId: 5 }), /\(mine: .*chain with id 5\)$/],
  ]) {
    const db = await opened(t)
    db.addPeer(peer, { name: 'mine' })
    db.follow(providerOf())
    const { waitingFor: what } = await waitingFor(db, words)
    assert.equal(what, 'peers')
  }
})

test("the last error of a provider's call is in its stats until a call is answered", async (t) => {
  let isDown = true
  const provider = providerOf()
  const db = await opened(t)
  const peer = db.addPeer({ request: (call) => (isDown ? Promise.reject(new Error('Failed to fetch')) : provider.request(call)) })
  assert.equal(peer.stats.lastError, null)
  db.follow(provider)
  await waitingFor(db, /Failed to fetch/)
  const { lastError, lastFault, faults } = peer.stats
  assert.deepEqual([lastError, lastFault, faults], ['Failed to fetch', null, 0])
  isDown = false
  await db.track(SET)
  db.progress()
  assert.equal(peer.stats.lastError, null)
})

test('a sync of everything by a provider alone says that a provider cannot list it', async (t) => {
  const db = await opened(t, { hold: 'everything' })
  db.addPeer(providerOf(), { name: 'mine' })
  db.follow(providerOf())
  await assert.rejects(db.track(SET), { code: 'NOT_A_SET', message: /open it with hold: 'set'/ })
  for (;;) {
    if (/\(mine: a provider can list neither a whole state nor all slots\)$/.test(db.progress().waiting)) break
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  await assert.rejects(db.getAccount(SET[0]), { code: 'NO_STATE' })
})

test('what is no provider is refused as a peer by rpc: nothing, a promise, and an object without request', async (t) => {
  const db = await opened(t)
  const ethersLike = { send: async () => {}, getBalance: async () => 0n }
  for (const [target, words] of [
    [undefined, /got undefined/],
    [null, /got null/],
    [Promise.resolve(providerOf()), /got a promise \(await it\)/],
    [ethersLike, /an object with request/],
    [42, /got 42/],
  ]) {
    assert.throws(() => db.addPeer(target, { by: 'rpc' }), { name: 'MisuseError', code: 'BAD_ARGUMENT', message: words })
  }
  assert.throws(() => db.addPeer(ethersLike), { code: 'BAD_ARGUMENT', message: /^peer must be .* or a provider \(with request/ })
  assert.throws(() => db.addPeer('https://rpc.example'), { code: 'BAD_ARGUMENT', message: /needs \{ by: 'rpc' \}/ })
  assert.deepEqual(db.peers, [])
})
