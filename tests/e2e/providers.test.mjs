/**
 * A wallet's set from JSON-RPC providers, in a browser: over HTTP, over WebSocket and from an object
 * of the page's own. The provider is a test's, and does everything that providers are known to do.
 */

import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'
import { Chain } from '../../xtask/node/provider.mjs'
import { provenBy } from '../../xtask/node/provider/eip1186.mjs'
import {
  CLOSED, DEAD_LINES, FORGERIES, LACKING, LIES, LIMITS, ODDITIES, USELESS_PROOFS, WINDOWS, WINDOWS_WITHOUT_ERRORS,
} from '../../xtask/node/provider/modes.mjs'
import { setUp } from './lib/harness.mjs'
import { KINDS, Providers, SET, held, network, readAll, standing, truth } from './lib/providers.mjs'

const BLOCKS = 4
/** Of a contract that the set holds with slots. */
const CONTRACT = SET.find(({ slots }) => slots.length > 1)

const world = setUp()
const providers = new Providers()
let chain
before(async () => {
  chain = await Chain.generate()
  for (let at = 0; at < 3; at++) await chain.advance()
})
afterEach(() => providers.stop())
after(() => providers.stop())

/** A page that can be given objects. */
async function openPage() {
  await providers.allow(world.context)
  return world.page()
}

async function assertHeld(page, block = chain.head) {
  assert.deepEqual(await readAll(page), await truth(chain, block))
  assert.deepEqual(page.uncaught, [])
}

for (const kind of KINDS) {
  test(`${kind}: a set is held at a block and follows the next ones, and each proof is go-ethereum's`, async () => {
    const provider = await providers.start(kind, chain)
    const page = await openPage()
    await held(page, { chain, block: chain.head, providers: [provider] })
    await assertHeld(page)
    for (let at = 0; at < BLOCKS; at++) {
      const block = await chain.advance(40)
      await page.evaluate((hash) => db.sync({ blockHash: hash }), block.hash)
      await assertHeld(page, block)
    }
    for (const { proof, root } of await readAll(page)) await provenBy(proof, root)
    const { peers: [peer], lies } = await standing(page)
    assert.deepEqual([peer.state, peer.faults, lies], ['ready', 0, []])
  })

  test(`${kind}: a set that is asked for by its root alone is proven by the newest block`, async () => {
    const provider = await providers.start(kind, chain)
    const page = await openPage()
    await page.evaluate(async ({ network, root, told, set }) => {
      window.db = await snaplight.open({ network, memory: true, hold: 'set' })
      db.addPeer(providerOf(told), { by: 'rpc' })
      const tracked = db.track(set)
      await db.sync(root)
      await tracked
    }, { network: network(chain), root: chain.head.header.stateRoot, told: provider.told, set: SET })
    await assertHeld(page)
  })
}

test('a browser remembers that a page may call an HTTP provider, and does not ask before each call', async () => {
  const provider = await providers.start('http', chain)
  const page = await openPage()
  await held(page, { chain, block: chain.head, providers: [provider] })
  const { preflights, batches } = structuredClone(provider.stats)
  for (let at = 0; at < BLOCKS; at++) {
    const block = await chain.advance(40)
    await page.evaluate((hash) => db.sync({ blockHash: hash }), block.hash)
    await assertHeld(page, block)
  }
  assert.ok(provider.stats.batches.length >= batches.length + BLOCKS)
  assert.equal(provider.stats.preflights, preflights)
})

test('an object is asked from a worker through its page', async () => {
  const provider = await providers.start('object', chain)
  const page = await openPage()
  const { values, state } = await page.evaluate(async ({ network, hash, told, set, contract }) => {
    const { openInWorker } = await import('snaplight/worker')
    const db = await openInWorker(undefined, { network, memory: true, hold: 'set' })
    const peer = db.addPeer(providerOf(told), { by: 'rpc' })
    const tracked = db.track(set)
    await db.sync({ blockHash: hash })
    await tracked
    const values = (await db.getStorage(contract.address, contract.slots)).map(({ value }) => value)
    const { state } = peer
    await db.close()
    return { values, state }
  }, { network: network(chain), hash: chain.head.hash, told: provider.told, set: SET, contract: CONTRACT })
  assert.deepEqual(values, chain.truth(CONTRACT.address, CONTRACT.slots, chain.head).slots)
  assert.equal(state, 'ready')
  assert.ok(provider.provider.calls.eth_getProof > 0)
})

test('a WebSocket that is cut is connected to again, and the next block comes by it', async () => {
  const provider = await providers.start('ws', chain)
  const page = await openPage()
  await held(page, { chain, block: chain.head, providers: [provider] })
  provider.cut(1012)
  const block = await chain.advance()
  await page.evaluate((hash) => db.sync({ blockHash: hash }), block.hash)
  await assertHeld(page, block)
  assert.equal(provider.stats.connections, 2)
})

for (const [name, mode] of Object.entries(ODDITIES)) {
  test(`what is written oddly is taken: ${name}`, async () => {
    for (const kind of mode.line ? ['http', 'ws'] : ['object']) {
      const provider = await providers.start(kind, chain, mode)
      const page = await openPage()
      await held(page, { chain, block: chain.head, providers: [provider] })
      await assertHeld(page)
      const { peers: [peer], lies } = await standing(page)
      assert.deepEqual([kind, peer.state, peer.faults, peer.lastFault, lies], [kind, 'ready', 0, null, []])
    }
  })
}

for (const [name, mode] of Object.entries(LIMITS)) {
  test(`a provider with a limit serves a set by itself: ${name}`, async () => {
    const provider = await providers.start('http', chain, mode)
    const page = await openPage()
    await held(page, { chain, block: chain.head, providers: [provider] })
    await assertHeld(page)
    const { peers: [peer], lies } = await standing(page)
    assert.deepEqual([peer.state, lies], ['ready', []])
  })
}

for (const [name, mode] of [...Object.entries(WINDOWS), ...Object.entries(WINDOWS_WITHOUT_ERRORS)]) {
  test(`a provider that has not this state yet stays a peer, and another one serves it: ${name}`, async () => {
    const odd = await providers.start('http', chain, mode)
    const honest = await providers.start('http', chain)
    const page = await openPage()
    await held(page, { chain, block: chain.head, providers: [odd, honest] })
    await assertHeld(page)
    const { peers: [peer], lies } = await standing(page)
    assert.ok(odd.provider.calls.eth_getProof > 0, 'it was asked')
    assert.deepEqual([peer.state, lies], ['ready', []])
  })
}

test('a provider that has not this state yet is asked again, if there is no other', async () => {
  const provider = await providers.start('http', chain, WINDOWS.Reth)
  const page = await openPage()
  await held(page, { chain, block: chain.head, providers: [provider] })
  await assertHeld(page)
})

for (const [name, mode] of Object.entries(CLOSED)) {
  test(`a provider that cannot be asked is closed and says why, and another one serves the set: ${name}`, async () => {
    const odd = await providers.start('http', chain, mode)
    const page = await openPage()
    await held(page, { chain, block: chain.head, providers: [odd, await providers.start('http', chain)] })
    await assertHeld(page)
    const { peers: [peer, honest] } = await standing(page)
    assert.deepEqual([peer.state, peer.faults, peer.closed.by, peer.closed.reason], ['closed', 1, 'fault', peer.lastFault])
    assert.deepEqual([honest.state, honest.faults, odd.stats.batches], ['ready', 0, [1]])
  })
}

for (const [name, mode] of Object.entries(USELESS_PROOFS)) {
  test(`proofs that prove nothing do not keep a set from being held: ${name}`, async () => {
    const odd = await providers.start('http', chain, mode)
    const page = await openPage()
    await held(page, { chain, block: chain.head, providers: [odd, await providers.start('http', chain)] })
    await assertHeld(page)
    const { peers: [, honest], lies } = await standing(page)
    assert.ok(odd.provider.calls.eth_getProof > 0, 'it was asked')
    assert.deepEqual([honest.state, honest.faults, lies], ['ready', 0, []])
  })
}

test('from a provider whose nodes are changed nothing is held, and another one that comes later serves all of it', async () => {
  const liar = await providers.start('http', chain, USELESS_PROOFS['a changed node'])
  const page = await openPage()
  await page.evaluate(({ network, hash, told, set }) => {
    const open = snaplight.open({ network, memory: true, hold: 'set' })
    window.whole = open.then(async (db) => {
      window.db = db
      db.addPeer(providerOf(told), { by: 'rpc' })
      const tracked = db.track(set)
      await db.sync({ blockHash: hash })
      await tracked
    })
  }, { network: network(chain), hash: chain.head.hash, told: liar.told, set: SET })
  while (!(liar.provider.calls.eth_getProof >= 8)) await page.evaluate(() => turn())
  const { complete, error } = await page.evaluate(async (address) => ({ complete: db.complete, error: await failure(() => db.getAccount(address)) }), CONTRACT.address)
  assert.deepEqual([complete, error.classes], [null, ['NotTrackedError']])
  const honest = await providers.start('http', chain)
  await page.evaluate(async (told) => {
    db.addPeer(providerOf(told), { by: 'rpc' })
    await whole
  }, honest.told)
  await assertHeld(page)
})

for (const [name, mode] of Object.entries(DEAD_LINES)) {
  test(`a line that brings nothing does not keep a set from being held: ${name}`, async () => {
    const odd = await providers.start('http', chain, mode)
    const page = await openPage()
    await held(page, { chain, block: chain.head, providers: [odd, await providers.start('http', chain)] })
    await assertHeld(page)
    const { peers: [peer, honest] } = await standing(page)
    assert.deepEqual([peer.state, honest.state, honest.faults], ['greeting', 'ready', 0])
  })
}

for (const [name, mode] of Object.entries(LACKING)) {
  test(`a method that one provider lacks is asked of another: ${name}`, async () => {
    const odd = await providers.start('http', chain, mode)
    const honest = await providers.start('http', chain)
    const page = await openPage()
    await held(page, { chain, block: chain.head, providers: [odd, honest] })
    await assertHeld(page)
    const { peers } = await standing(page)
    assert.deepEqual(peers.map(({ state }) => state), ['ready', 'ready'])
  })
}

for (const [field, mode] of Object.entries(LIES)) {
  test(`a lie beside a right proof is told with both values, and the proven one is read: ${field}`, async () => {
    const liar = await providers.start('object', chain, mode)
    const page = await openPage()
    await held(page, { chain, block: chain.head, providers: [liar, await providers.start('object', chain)] })
    await assertHeld(page)
    const { lies } = await standing(page)
    assert.ok(lies.length > 0, 'it was told')
    for (const lie of lies) {
      assert.equal(lie.peer, 1)
      assert.notEqual(lie.claimed, lie.proven)
    }
  })
}

for (const [name, mode] of Object.entries(FORGERIES)) {
  test(`what is forged is not taken over: ${name}`, async () => {
    const liar = await providers.start('http', chain, mode)
    const honest = await providers.start('http', chain)
    const page = await openPage()
    await held(page, { chain, block: chain.head, providers: [liar, honest] })
    await assertHeld(page)
  })
}
