/**
 * `db.follow` at a real go-ethereum node: by `newHeads` and by polling, with sources that lie and
 * lag, while the page is hidden, over a reorg, and with a browser that is killed. At each block,
 * all answers and proofs of a wallet's set are the node's own.
 *
 * `SNAPLIGHT_BLOCKS` says how many blocks, 8 by default. With 100 or more, pages are hidden for 40.
 */

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, test } from 'node:test'
import { missing, startGeth, until } from '../../xtask/node/geth.mjs'
import { WORDS, startProxy } from '../../xtask/node/proxy.mjs'
import { setUp } from './lib/harness.mjs'
import { HISTORY_SLOTS, STATE, asked, assertIsTruth, changedSlots, changesOf, readSet, setOf } from './lib/wallet.mjs'

const BLOCKS = Number(process.env.SNAPLIGHT_BLOCKS ?? 8)
const AWAY = BLOCKS < 100 ? 8 : 40
/** How far the source that lags is behind. */
const LAG = 2
const REORG = 3
/** How many of a sync's calls have been answered when the browser is killed. */
const ANSWERED = [0, 10]
const KILLS = ANSWERED.length
const EVERY_MS = 100
/** Nobody is asked a second time while a test runs, so only news can have told. */
const NEVER_MS = 3_600_000
const WITHIN_MS = 60_000

/** How a page hears of blocks, and what it holds, from whom. */
const HEARD = { kind: 'ws', everyMs: NEVER_MS }
const POLLED = { kind: 'http', everyMs: EVERY_MS }
const BY = { 'newHeads over WebSocket': HEARD, 'polling over HTTP': POLLED }

const skip = missing()
const profile = mkdtempSync(join(tmpdir(), 'snaplight-following-'))
const world = setUp({ profile })
const hideable = setUp({ hideable: true })
let node
let set
let proxies = []
before(async () => {
  if (skip) return
  node = await startGeth(STATE)
  // Sources are apart, and a chain is reorganised, where there is a chain.
  for (let at = 0; at < LAG + REORG; at++) await node.makeBlock()
})
beforeEach(async () => {
  if (!skip) set = setOf(node.genesis, (await blockAt()).number - LAG, BLOCKS)
})
afterEach(async () => {
  for (const proxy of proxies.splice(0)) await proxy.close()
})
after(async () => {
  await node?.stop()
  rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 })
})

for (const [way, { hold, worker, ...by }] of Object.entries({
  ...BY,
  'newHeads, in a worker': { ...HEARD, worker: true },
  'newHeads, and everything through the gateway': { ...HEARD, hold: 'everything' },
})) {
  test(`${BLOCKS} blocks by ${way}, with one source of three that lies and one that lags: all values are the node's`, { skip }, async (t) => {
    const sources = await proxiesOf(WORDS.honest, WORDS.forger, WORDS.late(LAG))
    const liar = new URL(sources[1][by.kind]).host
    const page = await world.page()
    await follow(page, { name: `liar, ${way}`, hold, worker, sources, ...by })
    let changes = 0
    let slots = 0
    let last
    const begun = performance.now()
    for (let at = 0; at < BLOCKS; at++) {
      const { number } = await node.makeBlock()
      const block = await blockAt(number - LAG)
      const truth = await assertAt(page, block, `${way}, ${liar} lies`)
      if (last) {
        changes += changesOf(truth, last)
        slots += changedSlots(truth, last)
      }
      last = truth
      // Those that the page has seen come, and not those that were there before it. The liar may be
      // slow to answer, and is not asked about a block any more when there are newer ones.
      if (at >= LAG) await seen(page, (number) => disagreements.some(({ agreed }) => agreed?.number === number), block.number)
    }
    t.diagnostic(`${BLOCKS} blocks in ${seconds(begun)} s: ${changes} accounts and ${slots} slots had changed, and were compared`)
    assert.ok(changes >= 3 * (BLOCKS - 1), `${changes} accounts of the set changed in ${BLOCKS} blocks`)
    assert.ok(slots >= Math.min(BLOCKS, HISTORY_SLOTS) - 1, `${slots} slots of the set changed in ${BLOCKS} blocks`)

    const told = await page.evaluate(() => disagreements)
    for (const { agreed, blocks, tag } of told) {
      assert.equal(tag, 'latest')
      assert.deepEqual(agreed, { number: agreed?.number, hash: (await blockAt(agreed?.number)).hash })
      assert.deepEqual(blocks, [{ source: liar, number: agreed.number, hash: blocks[0].hash }])
      assert.notEqual(blocks[0].hash, agreed.hash)
    }
    await assertFollows(page)
  })
}

for (const liar of ['falsifier', 'prophet']) {
  test(`a source that names ${liar === 'prophet' ? 'blocks far ahead' : 'real hashes over wrong fields'} holds nobody up, and is the only one in doubt`, { skip }, async () => {
    const sources = await proxiesOf(WORDS[liar], WORDS.honest, WORDS.honest)
    const page = await world.page()
    await follow(page, { name: liar, sources, ...HEARD })
    for (let at = 0; at < 3; at++) await assertAt(page, await node.makeBlock(), liar)
    const named = await page.evaluate(() => disagreements.flatMap(({ blocks }) => blocks.map(({ source }) => source)))
    assert.deepEqual(named.filter((source) => source !== new URL(sources[0].ws).host), [])
    await assertFollows(page)
  })
}

for (const [way, by] of Object.entries({ ...BY, 'polling so seldom that only being shown can have told': { kind: 'http', everyMs: NEVER_MS } })) {
  test(`hidden for ${AWAY} blocks, by ${way}: nobody is called, and it is current when it is shown again`, { skip }, async (t) => {
    const sources = await proxiesOf(WORDS.honest)
    const page = await hideable.page()
    const underWay = requestsOf(page)
    const peer = await follow(page, { name: `hidden, ${way}`, sources, ...by })
    const before = await blockAt()
    await assertAt(page, before, way)

    const front = await hideable.page()
    await front.bringToFront()
    await seen(page, () => document.visibilityState === 'hidden' && following.standing.state === 'resting')
    // What it had sent before may still come.
    await until(WITHIN_MS, 'requests of the page were not answered', () => underWay.size === 0)
    const calls = () => [...sources, peer].map((proxy) => proxy.methods())
    const callsBefore = calls()
    // A page in front of it follows by polling, so that the other has had time to do so.
    await follow(front, { name: `front, ${way}`, sources: await proxiesOf(WORDS.honest), ...POLLED })
    let block
    for (let at = 0; at < AWAY; at++) {
      block = await node.makeBlock()
      await isAt(front, block)
    }
    assert.deepEqual(calls(), callsBefore, 'calls of a page that is hidden')
    assert.equal(await page.evaluate(() => db.complete.block.hash), before.hash)

    const shown = performance.now()
    await page.bringToFront()
    await assertAt(page, block, way)
    t.diagnostic(`${AWAY} blocks away, current ${seconds(shown)} s after it was shown, the comparison included`)
    if (by.everyMs === NEVER_MS && by.kind === 'http') return assertFollows(page)
    await assertAt(page, await node.makeBlock(), way)
    return assertFollows(page)
  })
}

for (const [way, by] of Object.entries(BY)) {
  test(`a reorg of ${REORG} blocks, by ${way}: the values are those of the new chain`, { skip }, async () => {
    const sources = await proxiesOf(WORDS.honest, WORDS.forger, WORDS.honest)
    const page = await world.page()
    await follow(page, { name: `reorg, ${way}`, sources, ...by })
    for (let at = 0; at < REORG; at++) await assertAt(page, await node.makeBlock(), way)
    const old = await blockAt()
    await node.rewind(old.number - REORG)
    for (let at = 0; at < REORG - 1; at++) assert.ok((await node.makeBlock()).number < old.number)
    const block = await node.makeBlock()
    assert.equal(block.number, old.number)
    assert.notEqual(block.root, old.root)
    await assertAt(page, block, way)
    await assertAt(page, await node.makeBlock(), way)
    const numbers = await page.evaluate(() => standings.map(({ complete }) => complete?.block?.number ?? 0))
    assert.deepEqual(numbers, [...numbers].sort((a, b) => a - b), 'it never went back')
    await assertFollows(page)
  })
}

test(`a browser that is killed ${KILLS} times in the middle of following goes on, and all values are right before and after`, { skip }, async () => {
  const sources = await proxiesOf(WORDS.honest)
  let block = await blockAt()
  for (let life = 0; life <= KILLS; life++) {
    const page = await world.page()
    const left = await open(page, { name: 'killed' })
    if (life > 0) {
      // Nobody has been asked yet: this is what the killed one has left.
      assert.ok(left.block.number >= block.number, `block ${left.block.number} was left, and ${block.number} was complete before the kill`)
      await assertHolds(page, await blockAt(left.block.number), `killed ${life} times, before it follows`)
    }
    const peer = await follow(page, { sources, ...HEARD })
    for (let at = 0; at < 2; at++) await assertAt(page, await node.makeBlock(), `killed ${life} times`)
    await assertFollows(page)
    block = await blockAt()
    if (life === KILLS) break
    const calls = peer.calls()
    peer.stall(ANSWERED[life])
    await node.makeBlock()
    await until(WITHIN_MS, 'the page did not ask for the next block', () => peer.calls() > calls + ANSWERED[life])
    await world.killBrowser()
    await world.startBrowser()
  }
})

/** The HTTP requests of a page that have not been answered, as they are at each moment. */
function requestsOf(page) {
  const requests = new Set()
  page.on('request', (request) => requests.add(request))
  for (const end of ['requestfinished', 'requestfailed']) page.on(end, (request) => requests.delete(request))
  return requests
}

async function proxiesOf(...words) {
  const made = await Promise.all(words.map((word) => startProxy(node, word)))
  proxies.push(...made)
  return made
}

/** A block that the node has, the newest by default. */
async function blockAt(number) {
  const block = await node.rpc.call('eth_getBlockByNumber', [number === undefined ? 'latest' : `0x${number.toString(16)}`, false])
  return { number: Number(block.number), hash: block.hash, root: block.stateRoot }
}

/** Opens a database as `db`. Resolves to what is complete in it. */
function open(page, { name, hold = 'set', worker = false }) {
  const { networkId, genesisHash } = node
  return page.evaluate(async ({ name, hold, worker, network }) => {
    const { open } = worker ? await import('snaplight/worker') : snaplight
    window.disagreements = []
    const onEvent = (event) => {
      if (event.type === 'disagreement') disagreements.push(event)
    }
    window.db = await open({ name, network, hold, onEvent })
    return db.complete
  }, { name, hold, worker, network: { id: networkId, genesisHash } })
}

/**
 * Has a page follow sources, as `following`, after it has opened `name` if that is given.
 * `standings` are all that it has yielded, and `ended` is set when it has ended. Resolves to the
 * proxy that answers for the state, when it is told of all sources' blocks.
 */
async function follow(page, { name, hold = 'set', worker, sources, kind, everyMs }) {
  if (name) await open(page, { name, hold, worker })
  const [peer] = hold === 'set' ? await proxiesOf(WORDS.honest) : []
  const subscribed = sources.map((source) => source.methods().eth_subscribe ?? 0)
  await page.evaluate(({ peer, urls, everyMs, set }) => {
    Object.assign(window, { standings: [], ended: null })
    db.addPeer(peer.url, { by: peer.by })
    window.tracked = set && db.track(set.map(({ address, slots }) => ({ address, slots, code: true })))
    window.following = db.follow(urls.length > 1 ? urls : urls[0], { everyMs })
    const listen = async () => {
      for await (const standing of following) standings.push(standing)
    }
    listen().then(() => (window.ended = { message: 'it ended' }), (error) => (window.ended = described(error)))
  }, {
    peer: peer ? { url: peer[kind], by: 'rpc' } : { url: node.url, by: 'snap' },
    urls: sources.map((source) => source[kind]),
    set: hold === 'set' && set,
    everyMs,
  })
  if (kind === 'ws') {
    await until(WITHIN_MS, 'the page did not subscribe to all sources', () => sources.every((source, at) => source.methods().eth_subscribe > subscribed[at]))
  }
  return peer
}

/** Waits until something is true in the page, which may be hidden. It must follow until then. */
async function seen(page, condition, argument) {
  try {
    await page.waitForFunction(`(${condition})(${JSON.stringify(argument)}) || window.ended`, undefined, { timeout: WITHIN_MS, polling: EVERY_MS })
  } catch (error) {
    const standing = await page.evaluate(() => ({ standing: following.standing, progress: db.progress(), disagreements: disagreements.slice(-3) }))
    throw new Error(`${error.message}; it stood at ${JSON.stringify(standing)}`, { cause: error })
  }
  assert.equal(await page.evaluate(() => ended), null, 'it follows')
}

function isAt(page, { hash }) {
  return seen(page, (hash) => db.complete?.block?.hash === hash, hash)
}

/** Waits for a block, and compares everything with the node's own. Resolves to that. */
async function assertAt(page, block, where) {
  await isAt(page, block)
  await page.evaluate(() => window.tracked)
  return assertHolds(page, block, where)
}

async function assertHolds(page, block, where) {
  const [found, truth] = [await readSet(page, set), await asked(node, block, set)]
  await assertIsTruth(found, truth, set, block, where)
  return truth
}

/** It has not ended, and nothing has been thrown out of it. */
async function assertFollows(page) {
  assert.equal(await page.evaluate(() => ended), null)
  assert.equal(await page.evaluate(() => db.following === following), true)
  assert.deepEqual(page.uncaught, [])
}

function seconds(since) {
  return ((performance.now() - since) / 1000).toFixed(1)
}
