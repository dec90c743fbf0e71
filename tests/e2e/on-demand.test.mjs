/**
 * Reads on demand and watches in a browser: in a page, with the database in a worker, and in a tab
 * that follows another one. The chain and its provider are a test's.
 */

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Chain, addressOf, contractOf, startProvider, word } from '../../xtask/node/provider.mjs'
import { setUp } from './lib/harness.mjs'
import { network } from './lib/providers.mjs'

const TRACKED = addressOf(1)
/** What no database of these tests tracks: accounts, an absent one, and a contract with slots. */
const OTHERS = [addressOf(2), addressOf(3), addressOf(99_999), contractOf(1)]
const SLOTS = [0, 7, 1_000].map(word)

const world = setUp()
let chain
let server
before(async () => {
  chain = await Chain.generate()
  server = await startProvider(chain)
})
after(() => server.close())

/** Opens a set as `window.db`, with the provider as its peer, and watches an account of it. */
function open(page, { name, inWorker = false }) {
  return page.evaluate(async ({ network, name, inWorker, url, tracked }) => {
    const { openInWorker } = await import('snaplight/worker')
    const options = { network, hold: 'set', name }
    window.db = await (inWorker ? openInWorker(undefined, options) : snaplight.open(options))
    db.addPeer(url, { by: 'rpc' })
    window.changes = []
    window.watching = (async () => {
      for await (const { old, new: now } of db.watch(tracked)) changes.push([old?.balance, now.balance, now.root])
    })()
    const { createProvider } = await import('/pkg/provider.js')
    window.provider = createProvider(db, { onDemand: true })
    return db.role
  }, { network: network(chain), name, inWorker, url: server.http, tracked: TRACKED })
}

/** Syncs to the chain's newest block. The set is tracked by then. */
function sync(page) {
  return page.evaluate(async ({ hash, tracked }) => {
    const isTracked = db.track([tracked])
    await db.sync({ blockHash: hash })
    await isTracked
  }, { hash: chain.head.hash, tracked: TRACKED })
}

/** Waits until a page can read the newest block's state. */
function reached(page) {
  return page.waitForFunction((root) => db.complete?.root === root, chain.head.header.stateRoot, { timeout: 60_000 })
}

/** Asks for everything in one turn, and compares it with what the block made of it. */
async function assertAnswers(page) {
  const answers = await page.evaluate(({ others, contract, slots }) => Promise.all([
    ...others.map((address) => provider.request({ method: 'eth_getBalance', params: [address, 'latest'] })),
    ...slots.map((slot) => provider.request({ method: 'eth_getStorageAt', params: [contract, slot, 'latest'] })),
    provider.request({ method: 'eth_getCode', params: [contract, 'latest'] }),
  ]), { others: OTHERS, contract: OTHERS.at(-1), slots: SLOTS })
  const balances = OTHERS.map((address) => `0x${(chain.truth(address, [], chain.head).account?.balance ?? 0n).toString(16)}`)
  const values = chain.truth(OTHERS.at(-1), SLOTS, chain.head).slots.map(word)
  assert.deepEqual(answers, [...balances, ...values, chain.code(OTHERS.at(-1), chain.head)])
  assert.deepEqual(page.uncaught, [])
}

/** The watch has seen the account's changes, each with the value before, the newest last. */
async function assertWatched(page) {
  const root = chain.head.header.stateRoot
  await page.waitForFunction((root) => changes.at(-1)?.[2] === root, root, { timeout: 60_000 })
  const changes = await page.evaluate(() => changes)
  assert.equal(changes.at(-1)[1], chain.truth(TRACKED, [], chain.head).account.balance)
  for (const [at, [old]] of changes.entries()) assert.equal(old, at === 0 ? undefined : changes[at - 1][1])
}

/** A block that changes what is tracked and what is not. */
function advance() {
  const number = BigInt(chain.head.header.number) + 1n
  const storage = new Map([[SLOTS[1], number]])
  return chain.block(new Map([TRACKED, ...OTHERS].map((address) => [address, { balance: number * 1_000n, ...(address === OTHERS.at(-1) && { storage }) }])))
}

for (const inWorker of [false, true]) {
  const where = inWorker ? 'a worker' : 'a page'
  test(`in ${where}, what is not tracked is proven on demand at each block, and what is tracked is watched`, async () => {
    const page = await world.page()
    await open(page, { name: `on demand in ${where}`, inWorker })
    for (let at = 0; at < 3; at++) {
      await advance()
      await sync(page)
      await assertAnswers(page)
      await assertWatched(page)
    }
    assert.deepEqual(await page.evaluate(async () => (await db.tracked()).map(({ address }) => address)), [TRACKED])
    const end = await page.evaluate(async () => {
      const waiting = provider.request({ method: 'eth_getBalance', params: [`0x${'77'.repeat(20)}`, 'latest'] }).catch(({ code }) => code)
      await db.close()
      await watching
      return waiting
    })
    assert.ok(end === 4900 || end === '0x0', `${end}`)
    assert.deepEqual(page.uncaught, [])
  })
}

test('in a tab that follows another one, both work as well, and go on when it writes', async () => {
  const [writer, follower] = [await world.page(), await world.page()]
  assert.equal(await open(writer, { name: 'on demand of two' }), 'writer')
  assert.equal(await open(follower, { name: 'on demand of two' }), 'follower')
  for (let at = 0; at < 2; at++) {
    await advance()
    await sync(writer)
    await reached(follower)
    await assertAnswers(follower)
    await assertWatched(follower)
  }
  await writer.evaluate(() => db.close())
  await follower.waitForFunction(() => db.role === 'writer', null, { timeout: 60_000 })
  await advance()
  await sync(follower)
  await assertAnswers(follower)
  await assertWatched(follower)
})

test('a tab that follows can watch what it tracks in the same turn', async () => {
  const [writer, follower] = [await world.page(), await world.page()]
  await open(writer, { name: 'tracked by a follower' })
  await sync(writer)
  await open(follower, { name: 'tracked by a follower' })
  const balance = await follower.evaluate(async (address) => {
    const tracked = db.track([address])
    const { value } = await db.watch(address).next()
    await tracked
    return value.new.balance
  }, OTHERS[0])
  assert.equal(balance, chain.truth(OTHERS[0], [], chain.head).account.balance)
})

for (const inWorker of [false, true]) {
  const where = inWorker ? 'a worker' : 'a page'
  test(`in ${where}, a watch waits for what is damaged, and gives it when it is repaired`, async () => {
    const page = await world.page()
    const name = `damaged in ${where}`
    await open(page, { name, inWorker })
    await sync(page)
    await page.evaluate(async (name) => {
      await db.close()
      const raw = await new Promise((resolve) => (indexedDB.open(name).onsuccess = ({ target }) => resolve(target.result)))
      const transaction = raw.transaction('pages', 'readwrite')
      transaction.objectStore('pages').clear()
      await new Promise((resolve) => (transaction.oncomplete = resolve))
      raw.close()
    }, name)
    const { events, balance } = await page.evaluate(async ({ network, name, inWorker, url, tracked }) => {
      const { openInWorker } = await import('snaplight/worker')
      const events = []
      const options = { network, hold: 'set', name, onEvent: ({ type }) => events.push(type) }
      window.db = await (inWorker ? openInWorker(undefined, options) : snaplight.open(options))
      const first = db.watch(tracked).next()
      const code = await db.getAccount(tracked).catch(({ code }) => code)
      // Only now there is somebody who can heal it.
      db.addPeer(url, { by: 'rpc' })
      const { value } = await first
      return { events: [code, ...events.filter((type) => type === 'damaged' || type === 'repaired')], balance: value.new.balance }
    }, { network: network(chain), name, inWorker, url: server.http, tracked: TRACKED })
    assert.deepEqual([...new Set(events)], ['DAMAGED', 'damaged', 'repaired'])
    assert.equal(balance, chain.truth(TRACKED, [], chain.head).account.balance)
  })
}
