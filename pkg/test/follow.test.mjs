// Tests of `db.follow`, in Node, with databases in memory and providers of a small chain: how heads
// are heard of, which of them is taken, and how a follow ends.

import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { Chain, TestProvider, addressOf, startProvider } from '../../xtask/node/provider.mjs'
import { hashOf, quantity, rlpOf } from '../../xtask/node/provider/chain.mjs'
import { Snaplight, open } from '../snaplight.js'
import { openInWorker, serve } from '../worker.js'
import { succeeds } from './support/program.mjs'
import { WebSocket } from './support/ws.mjs'

/** Between two questions in these tests. */
const EVERY_MS = 5
const SET = [addressOf(1), addressOf(2)]
/** A question that is never asked again within a test. */
const NEVER_MS = 86_400_000
const superseded = { name: 'CancelledError', code: 'CANCELLED' }
const misuse = (message) => ({ name: 'MisuseError', code: 'BAD_ARGUMENT', message })

before(() => {
  globalThis.WebSocket ??= WebSocket
})

/** When everything that was requested before is done. */
const turn = () => new Promise((resolve) => setImmediate(resolve))

async function turns(count = 20) {
  for (let at = 0; at < count; at++) await turn()
}

/**
 * A chain of some blocks, and a database in memory of a set that has a provider of the chain as its
 * peer.
 */
async function world(t, { blocks = 3, opening = open } = {}) {
  const chain = await Chain.generate({ accounts: 20, contracts: 2, slots: 5 })
  while (chain.head.header.number !== quantity(blocks)) await chain.advance(3)
  const events = []
  const db = await opening({ network: { id: chain.chainId, genesisHash: chain.genesisHash }, memory: true, hold: 'set', onEvent: (event) => events.push(event) })
  t.after(() => db.close())
  const peer = new TestProvider(chain)
  db.addPeer({ request: (call) => peer.request(call) })
  db.track(SET).catch(() => {})
  return { chain, db, peer, events, disagreements: () => events.filter(({ type }) => type === 'disagreement') }
}

/** A provider without subscriptions, which answers what `answer` makes of the chain's answer. */
function source(chain, answer = (call, given) => given) {
  const provider = new TestProvider(chain)
  return {
    provider,
    request: async (call) => answer(call, await provider.request(call)),
    get asked() {
      return provider.calls.eth_getBlockByNumber ?? 0
    },
  }
}

/** The first standing of which this holds. */
async function until(follow, holds) {
  for await (const standing of follow) if (holds(standing)) return standing
  return assert.fail('the follow ended before')
}

const reaches = (follow, { hash }) => until(follow, ({ state, complete }) => state === 'current' && complete.block.hash === hash)

/** Calls it until it holds. */
async function eventually(holds) {
  while (!holds()) await turn()
}

const numberOf = ({ header }) => Number(header.number)
const isLatest = ({ method, params }) => method === 'eth_getBlockByNumber' && params[0] === 'latest'
/** Another header whose fields hash to its hash. */
const forged = (header, fields) => ({ ...header, ...fields, hash: hashOf({ ...header, ...fields }) })
const headerOf = ({ header, hash }) => ({ ...header, hash })

test('a provider is asked for its newest block, and each new one is synced to', async (t) => {
  const { chain, db } = await world(t)
  const follow = db.follow(source(chain), { everyMs: EVERY_MS })
  assert.equal(db.following, follow)
  assert.deepEqual([follow.tag, follow.standing.state, follow.standing.head], ['latest', 'waiting', null])
  for (let at = 0; at < 3; at++) {
    const { head, complete, behind, waiting } = await reaches(follow, chain.head)
    assert.deepEqual([head, behind, waiting], [{ number: numberOf(chain.head), hash: chain.head.hash }, 0, null])
    assert.equal(complete.root, chain.head.header.stateRoot)
    assert.deepEqual(follow.standing, await until(follow, () => true))
    const { balance } = await db.getAccount(SET[0])
    assert.equal(balance, chain.truth(SET[0], [], chain.head).account?.balance ?? 0n)
    await chain.advance(3)
  }
  follow.stop()
  assert.equal(await follow, undefined)
  assert.equal(db.following, null)
})

for (const kind of ['ws', 'object']) {
  test(`new heads are heard of by a subscription (${kind}), and nothing is asked meanwhile`, async (t) => {
    const { chain, db } = await world(t)
    const server = await startProvider(chain)
    t.after(server.close)
    const { provider } = server
    const follow = db.follow(kind === 'ws' ? server.ws : provider, { everyMs: NEVER_MS })
    await reaches(follow, chain.head)
    await eventually(() => chain.listeners.size === 1)
    // The provider's answer to the subscription may be on its way.
    await provider.request({ method: 'eth_chainId' })
    const asked = provider.calls.eth_getBlockByNumber
    for (let at = 0; at < 5; at++) {
      await chain.advance(3)
      await reaches(follow, chain.head)
    }
    assert.equal(provider.calls.eth_getBlockByNumber, asked)
    follow.stop()
    await follow
    await eventually(() => chain.listeners.size === 0)
  })
}

test('a subscription that ends without a word is noticed, and its provider is asked instead until it speaks again', async (t) => {
  const { chain, db } = await world(t)
  const provider = new TestProvider(chain)
  const follow = db.follow(provider, { everyMs: EVERY_MS })
  await reaches(follow, chain.head)
  await eventually(() => chain.listeners.size === 1)
  await chain.advance(3)
  await reaches(follow, chain.head)
  provider.isMute = true
  for (let at = 0; at < 3; at++) {
    await chain.advance(3)
    await reaches(follow, chain.head)
  }
  provider.isMute = false
  await chain.advance(3)
  await reaches(follow, chain.head)
  follow.stop()
})

test('a WebSocket that was lost is connected to again', async (t) => {
  const { chain, db } = await world(t)
  const server = await startProvider(chain)
  t.after(server.close)
  const follow = db.follow(server.ws, { everyMs: EVERY_MS })
  await reaches(follow, chain.head)
  server.cut(1012)
  await until(follow, ({ waiting }) => waiting?.startsWith(`${new URL(server.ws).host}: `))
  await chain.advance(3)
  await reaches(follow, chain.head)
  assert.equal(server.stats.connections, 2)
})

test('a function is called for targets of every kind, and may know none', async (t) => {
  const { chain, db } = await world(t)
  const blocks = []
  for (let at = 0; at < 5; at++) blocks.push(await chain.advance(3))
  const targets = [
    () => ({ blockHash: blocks[0].hash, number: numberOf(blocks[0]) }),
    () => ({ header: headerOf(blocks[1]) }),
    async () => ({ blockHash: blocks[2].hash }),
    () => ({ header: rlpOf(blocks[3].header) }),
    () => blocks[4].header.stateRoot,
  ]
  let give = () => null
  const follow = db.follow(() => give(), { everyMs: EVERY_MS })
  await until(follow, ({ state, waiting }) => state === 'waiting' && waiting === 'source 1: it names no block')
  for (const [at, target] of targets.entries()) {
    give = target
    const { head, complete } = await until(follow, ({ state, complete }) => state === 'current' && complete.root === blocks[at].header.stateRoot)
    // A root alone is no block.
    if (at < 4) assert.deepEqual([head, complete.block.hash], [{ number: numberOf(blocks[at]), hash: blocks[at].hash }, blocks[at].hash])
    else assert.deepEqual([head, complete.block], [null, null])
  }
})

test('a function that throws, gives no target, a forged header or never answers ends nothing', async (t) => {
  const { chain, db } = await world(t)
  const broken = [
    () => { throw new Error('boom') },
    () => Promise.reject(new Error('boom')),
    () => { throw undefined },
    () => { throw Object.create(null) },
    () => 7,
    () => ({}),
    () => ({ header: { ...headerOf(chain.head), stateRoot: chain.genesisHash } }),
  ]
  const none = 'source 1: it names no block'
  let give
  const follow = db.follow(() => give(), { everyMs: EVERY_MS })
  const fails = () => until(follow, ({ waiting }) => waiting && ![none, 'source 1: no answer yet'].includes(waiting))
  for (const each of broken) {
    give = each
    const { waiting } = await fails()
    assert.match(waiting, /^source 1: ./)
    give = () => null
    await until(follow, ({ waiting }) => waiting === none)
  }
  t.mock.timers.enable({ apis: ['setTimeout'] })
  give = () => new Promise(() => {})
  const { waiting } = await passing(t, fails())
  assert.equal(waiting, 'source 1: no answer within 60 s')
  give = () => ({ header: headerOf(chain.head) })
  await passing(t, reaches(follow, chain.head))
})

/** Lets time pass, a second at a time, until a promise is settled. */
async function passing(t, promise) {
  let isSettled = false
  const settled = () => (isSettled = true)
  promise.then(settled, settled)
  while (!isSettled) {
    t.mock.timers.tick(1_000)
    await turn()
  }
  return promise
}

const LIARS = {
  'names a number of 10^15': (call, given) => (isLatest(call) ? forged(given, { number: quantity(10 ** 15) }) : given),
  'names a number beyond 2^53': (call, given) => (isLatest(call) ? forged(given, { number: quantity(2n ** 60n) }) : given),
  'names an old block': (call, given, chain) => (isLatest(call) ? headerOf(chain.find('0x0')) : given),
  'names another block of the same number': (call, given) => (given?.stateRoot ? forged(given, { stateRoot: given.parentHash }) : given),
  'names a number of 10^15, and other blocks of each number': (call, given) => (isLatest(call) ? forged(given, { number: quantity(10 ** 15) }) : given?.stateRoot ? forged(given, { stateRoot: given.parentHash }) : given),
  'has a header with another hash': (call, given) => (given?.stateRoot ? { ...given, stateRoot: given.parentHash } : given),
  'names nothing': (call, given) => (call.method === 'eth_getBlockByNumber' ? null : given),
  'says nonsense': (call, given, chain, at) => [7, [], 'block', { number: {} }, { hash: [] }, { ...headerOf(chain.head), parentHash: 7 }, true][at % 7],
  'throws': () => { throw Object.assign(new Error('down'), { code: -32000 }) },
  'is silent': () => new Promise(() => {}),
  'is on another chain': (call, given, chain) => (call.method === 'eth_chainId' ? '0x5' : headerOf(chain.find('0x0'))),
  'is three blocks behind': (call, given, chain) => (isLatest(call) ? headerOf(chain.find(Math.max(0, numberOf(chain.head) - 3))) : given),
}

for (const [what, answer] of Object.entries(LIARS)) {
  test(`one of three that ${what} neither chooses the head nor holds it back`, async (t) => {
    const { chain, db, disagreements } = await world(t, { blocks: 4 })
    let at = 0
    const liar = source(chain, (call, given) => answer(call, given, chain, at++))
    const heads = []
    const follow = db.follow([source(chain), liar, source(chain)], { everyMs: EVERY_MS })
    const noted = (async () => {
      for await (const { head } of follow) if (head) heads.push(head.hash)
    })()
    const right = []
    for (let block = 0; block < 4; block++) {
      right.push(chain.head.hash)
      const { waiting } = await reaches(follow, chain.head)
      assert.equal(waiting, null)
      await chain.advance(3)
    }
    follow.stop()
    await noted
    for (const hash of heads) assert.ok(right.includes(hash) || hash === chain.head.hash, `${hash} was taken`)
    const named = disagreements().flatMap(({ agreed, blocks }) => blocks.map(({ source, number, hash }) => ({ source, number, hash, agreed })))
    assert.ok(named.every(({ source }) => source === 'source 2'), JSON.stringify(named))
    assert.equal(named.length > 0, /same number|other blocks/.test(what), JSON.stringify(named))
    assert.equal(new Set(named.map(({ number, hash }) => `${number} ${hash}`)).size, named.length, 'each is told once')
    for (const { number, hash, agreed } of named) {
      assert.deepEqual(agreed, { number, hash: chain.find(number).hash })
      assert.notEqual(hash, agreed.hash)
    }
  })
}

test('of an honest one, one that is a block behind and one that lies, the block that two have is taken', async (t) => {
  const { chain, db } = await world(t, { blocks: 6 })
  const behind = source(chain, (call, given) => (isLatest(call) ? headerOf(chain.find(numberOf(chain.head) - 1)) : given))
  for (const what of ['names a number of 10^15, and other blocks of each number', 'names another block of the same number', 'is silent', 'names an old block']) {
    const liar = source(chain, (call, given) => LIARS[what](call, given, chain))
    const follow = db.follow([source(chain), liar, behind], { everyMs: EVERY_MS })
    await reaches(follow, chain.find(numberOf(chain.head) - 1))
    follow.stop()
    await follow
    await chain.advance(3)
  }
})

test('where no block finds enough voices, all are named once, and the head stays', async (t) => {
  const { chain, db, disagreements } = await world(t)
  const held = chain.head
  let isSplit = false
  const odd = (field) => source(chain, (call, given) => (isSplit && given?.stateRoot ? forged(given, { [field]: chain.genesisHash }) : given))
  const sources = [source(chain), odd('mixHash'), odd('receiptsRoot')]
  const follow = db.follow(sources, { everyMs: EVERY_MS })
  await reaches(follow, held)
  isSplit = true
  await chain.advance(3)
  const { head, waiting } = await until(follow, ({ waiting }) => waiting?.includes(': block '))
  assert.equal(head.hash, held.hash)
  for (const name of ['source 1', 'source 2', 'source 3']) assert.ok(waiting.includes(name))
  const asked = sources[2].asked
  await eventually(() => sources[2].asked > asked + 10)
  const split = disagreements().filter(({ agreed }) => agreed === null)
  assert.equal(split.length, 1)
  assert.deepEqual(split[0].blocks.map(({ source }) => source), ['source 1', 'source 2', 'source 3'])
  assert.equal(split[0].tag, 'latest')
  assert.equal(follow.standing.head.hash, held.hash)
})

test('two of two have to agree by default, and one is enough if one says so', async (t) => {
  const { chain, db } = await world(t)
  const sources = () => [source(chain), source(chain, LIARS['is silent'])]
  const follow = db.follow(sources(), { everyMs: EVERY_MS })
  const { waiting } = await until(follow, ({ waiting }) => waiting?.startsWith('2 of 2 sources have to agree'))
  assert.match(waiting, /source 2: no answer yet/)
  follow.stop()
  await follow
  await reaches(db.follow(sources(), { everyMs: EVERY_MS, agree: 1 }), chain.head)
})

test('a header that does not hash to its hash is no voice, and is named', async (t) => {
  const { chain, db } = await world(t)
  let isWrong = true
  const follow = db.follow(source(chain, (call, given) => (isWrong && given?.stateRoot ? { ...given, gasUsed: '0x1' } : given)), { everyMs: EVERY_MS })
  const { head, waiting } = await until(follow, ({ waiting }) => waiting?.includes('hashes to'))
  assert.equal(head, null)
  assert.match(waiting, /^source 1: /)
  isWrong = false
  await reaches(follow, chain.head)
})

test('a provider of another chain has no voice, and says so in words', async (t) => {
  const { chain, db } = await world(t)
  const provider = new TestProvider(chain, { chainId: 5 })
  const follow = db.follow(provider, { everyMs: EVERY_MS })
  await until(follow, ({ waiting }) => waiting === 'source 1: it is on chain "0x5", and not on 1337')
  assert.equal(follow.standing.head, null)
})

test('a wallet whose chain changes loses its voice until it is on the right one again', async (t) => {
  const { chain, db } = await world(t)
  let chainId = { toString: 7 }
  const hears = {}
  const wallet = source(chain, (call, given) => (call.method === 'eth_chainId' ? chainId : given))
  wallet.on = (event, listener) => { hears[event] = listener }
  wallet.removeListener = (event) => { delete hears[event] }
  const follow = db.follow(wallet, { everyMs: EVERY_MS })
  await until(follow, ({ waiting }) => waiting?.includes('chain {"toString":7}'))
  chainId = quantity(chain.chainId)
  hears.chainChanged(chainId)
  await reaches(follow, chain.head)
  chainId = '0x5'
  hears.chainChanged(chainId)
  await until(follow, ({ waiting }) => waiting?.includes('chain "0x5"'))
  follow.stop()
  await follow
  assert.deepEqual(hears, {})
})

test('another block of the same number is taken, and so is a longer chain after a reorg of three', async (t) => {
  const { chain, db, disagreements } = await world(t, { blocks: 6 })
  const follow = db.follow([source(chain), source(chain), source(chain)], { everyMs: EVERY_MS })
  await reaches(follow, chain.head)
  const before = chain.head
  chain.drop(1)
  await chain.advance(3)
  assert.notEqual(chain.head.hash, before.hash)
  await reaches(follow, chain.head)
  chain.drop(3)
  for (let at = 0; at < 3; at++) await chain.advance(3)
  await reaches(follow, chain.head)
  assert.equal(numberOf(chain.head), 6)
  await chain.advance(3)
  await reaches(follow, chain.head)
  assert.equal(db.complete.root, chain.head.header.stateRoot)
  assert.ok(disagreements().every(({ agreed }) => agreed), 'nothing but a moment in which one source was behind')
})

test('a block with a lower number is not taken, also not below the state that is there', async (t) => {
  const { chain, db } = await world(t, { blocks: 5 })
  const held = chain.head
  const first = db.follow(source(chain), { everyMs: EVERY_MS })
  await reaches(first, held)
  chain.drop(2)
  const words = /^the newest block, 3, is lower than 5$/
  const { state, behind } = await until(first, ({ waiting }) => words.test(waiting))
  assert.deepEqual([state, behind, first.standing.head.number], ['waiting', 0, 5])
  const second = db.follow(source(chain), { everyMs: EVERY_MS })
  await assert.rejects(async () => first, superseded)
  await until(second, ({ waiting }) => words.test(waiting))
  assert.equal(db.complete.block.hash, held.hash)
  // It is taken when it has grown.
  await chain.advance(3)
  await chain.advance(3)
  assert.notEqual(chain.head.hash, held.hash)
  await reaches(second, chain.head)
})

test('a block with a lower number is taken where the caller says so', async (t) => {
  const { chain, db } = await world(t, { blocks: 5 })
  const follow = db.follow(source(chain), { everyMs: EVERY_MS, backwards: true })
  await reaches(follow, chain.head)
  chain.drop(2)
  const { head } = await reaches(follow, chain.head)
  assert.equal(head.number, 3)
})

test('each tag follows its own block, and the newest that were followed are remembered', async (t) => {
  const { chain, db } = await world(t, { blocks: 6 })
  chain.behind = { safe: 2, finalized: 4 }
  assert.deepEqual(Snaplight.followed(db), {})
  for (const tag of ['finalized', 'safe', 'latest']) {
    const follow = db.follow(source(chain), { everyMs: EVERY_MS, tag })
    const block = chain.find(tag)
    await reaches(follow, block)
    assert.deepEqual([follow.tag, Snaplight.followed(db)[tag]], [tag, { number: numberOf(block), hash: block.hash }])
  }
  const { latest, safe, finalized } = Snaplight.followed(db)
  assert.deepEqual([latest.number, safe.number, finalized.number], [6, 4, 2])
})

test('the last eight headers are remembered with their hashed fields only', async (t) => {
  const { chain, db } = await world(t, { blocks: 1 })
  const follow = db.follow(source(chain, (call, given) => (given?.hash ? { ...given, size: '0x1', uncles: [1], l1Fee: 'x'.repeat(1_000) } : given)), { everyMs: EVERY_MS })
  const blocks = []
  for (let at = 0; at < 10; at++) {
    await reaches(follow, chain.head)
    blocks.push(chain.head)
    await chain.advance(3)
  }
  follow.stop()
  await follow
  const kept = Snaplight.headers(db)
  assert.equal(kept.size, 8)
  for (const block of blocks.slice(3)) assert.deepEqual(kept.get(block.hash), headerOf(block))
  await db.sync({ header: { ...chain.find('0x1').header, hash: chain.genesisHash }, blockHash: chain.find('0x1').hash })
  assert.deepEqual([...kept].at(-1), [chain.find('0x1').hash, headerOf(chain.find('0x1'))])
  assert.equal(kept.size, 8)
})

test('the header of a block that is complete already is remembered, too', async (t) => {
  const { chain, db } = await world(t)
  await db.sync({ blockHash: chain.head.hash })
  assert.equal(Snaplight.headers(db).size, 0)
  await reaches(db.follow(source(chain), { everyMs: EVERY_MS }), chain.head)
  assert.deepEqual(Snaplight.headers(db).get(chain.head.hash), headerOf(chain.head))
  assert.equal(Snaplight.followed(db).latest.hash, chain.head.hash)
})

test('an aborted signal, stop() and close() end it without an error, and its sync with it', async (t) => {
  const { chain, db } = await world(t)
  const aborter = new AbortController()
  const ends = [() => aborter.abort(), (follow) => follow.stop(), () => db.close()]
  for (const end of ends) {
    // No peer has the state, so the sync waits.
    const unknown = forged(headerOf(chain.head), { stateRoot: chain.genesisHash, number: '0x100' })
    const asked = source(chain, (call, given) => (isLatest(call) ? unknown : given))
    const follow = db.follow(asked, { everyMs: EVERY_MS, signal: aborter.signal.aborted ? undefined : aborter.signal })
    const { behind } = await until(follow, ({ state }) => state === 'syncing')
    assert.equal(behind, null)
    end(follow)
    assert.equal(db.following, null)
    assert.equal(await follow, undefined)
    for await (const { state } of follow) assert.equal(state, 'syncing')
    await turns()
    const { asked: before } = asked
    await turns()
    assert.equal(asked.asked, before)
  }
  assert.throws(() => db.follow(source(chain)), { name: 'ClosedError' })
})

test('a signal that is aborted already ends it at once', async (t) => {
  const { chain, db } = await world(t)
  const asked = source(chain)
  const follow = db.follow(asked, { signal: AbortSignal.abort() })
  assert.equal(db.following, null)
  assert.equal(await follow, undefined)
  assert.equal(asked.asked, 0)
  assert.deepEqual([follow.standing.state, follow.standing.head], ['waiting', null])
})

test('a sync, or another follow, ends it with a CancelledError that nobody has to handle', async (t) => {
  const { chain, db } = await world(t)
  const unhandled = []
  const note = (error) => unhandled.push(error)
  process.on('unhandledRejection', note)
  t.after(() => process.off('unhandledRejection', note))
  const first = db.follow(source(chain), { everyMs: EVERY_MS })
  await reaches(first, chain.head)
  const second = db.follow(source(chain), { everyMs: EVERY_MS })
  assert.equal(db.following, second)
  await reaches(second, chain.head)
  await chain.advance(3)
  assert.throws(() => db.sync('0x12'), { name: 'MisuseError' })
  assert.throws(() => db.sync({ header: { ...headerOf(chain.head), number: '0x1' } }), { code: 'WRONG_HEADER' })
  assert.equal(db.following, second, 'a sync that does not start takes nothing over')
  await db.sync({ blockHash: chain.head.hash })
  assert.equal(db.following, null)
  await turns()
  assert.deepEqual(unhandled, [])
  for (const follow of [first, second]) {
    await assert.rejects(async () => follow, superseded)
    await assert.rejects(until(follow, () => false), superseded)
  }
})

test('the sync that a follow had does not end the sync that takes over', async (t) => {
  const { chain, db } = await world(t)
  const unknown = forged(headerOf(chain.head), { stateRoot: chain.genesisHash, number: '0x100' })
  const follow = db.follow(() => ({ header: unknown }), { everyMs: EVERY_MS })
  await until(follow, ({ state }) => state === 'syncing')
  const report = await db.sync({ blockHash: chain.head.hash })
  assert.equal(report.block.hash, chain.head.hash)
  await assert.rejects(async () => follow, superseded)
})

test('a block whose state nobody has is left for the next one', async (t) => {
  const { chain, db } = await world(t)
  let target = { header: forged(headerOf(chain.head), { stateRoot: chain.genesisHash }) }
  const phases = []
  const follow = db.follow(() => target, { everyMs: EVERY_MS, onProgress: ({ waitingFor }) => phases.push(waitingFor) })
  await eventually(() => phases.includes('root'))
  assert.equal(follow.standing.state, 'syncing')
  await chain.advance(3)
  target = { header: headerOf(chain.head) }
  await reaches(follow, chain.head)
})

test('a page that is hidden asks for nothing, and asks at once when it is shown', async (t) => {
  const page = Object.assign(new EventTarget(), { visibilityState: 'visible' })
  globalThis.document = page
  t.after(() => delete globalThis.document)
  const show = (state) => {
    page.visibilityState = state
    page.dispatchEvent(new Event('visibilitychange'))
  }
  const { chain, db } = await world(t)
  const [polled, subscribed] = [source(chain), new TestProvider(chain)]
  const follow = db.follow([polled, subscribed], { everyMs: EVERY_MS, agree: 2 })
  await reaches(follow, chain.head)
  show('hidden')
  assert.equal((await until(follow, () => true)).state, 'resting')
  await turns()
  const before = [{ ...polled.provider.calls }, { ...subscribed.calls }, db.complete.block.hash]
  for (let at = 0; at < 10; at++) await chain.advance(3)
  globalThis.dispatchEvent?.(new Event('online'))
  await turns(50)
  assert.deepEqual([{ ...polled.provider.calls }, { ...subscribed.calls }, db.complete.block.hash], before)
  assert.equal(follow.standing.state, 'resting')
  show('visible')
  await reaches(follow, chain.head)
  show('hidden')
  await until(follow, ({ state }) => state === 'resting')
  const awake = db.follow(polled, { everyMs: EVERY_MS, whileHidden: true })
  await chain.advance(3)
  await reaches(awake, chain.head)
})

test('it works with the database in a worker', async (t) => {
  const { port1, port2 } = new MessageChannel()
  serve(port2)
  t.after(() => [port1, port2].forEach((port) => port.close()))
  const { chain, db } = await world(t, { opening: (options) => openInWorker(port1, options) })
  const follow = db.follow([source(chain), source(chain), source(chain, LIARS['has a header with another hash'])], { everyMs: EVERY_MS })
  for (let at = 0; at < 3; at++) {
    await reaches(follow, chain.head)
    await chain.advance(3)
  }
  follow.stop()
  await follow
})

test('sources and options that are none are refused', async (t) => {
  const { chain, db } = await world(t)
  const good = source(chain)
  const fn = () => null
  for (const bad of [undefined, null, 7, {}, [], 'nonsense', 'ftp://a.example', [fn], [good, 7], Array(17).fill(good)]) assert.throws(() => db.follow(bad), misuse(/^(source|the number of sources) must be/))
  for (const [options, words] of [
    [{ tag: 'pending' }, 'options.tag'], [{ agree: 0 }, 'options.agree'], [{ agree: 2 }, 'options.agree'], [{ agree: 0.5 }, 'options.agree'],
    [{ everyMs: 0 }, 'options.everyMs'], [{ everyMs: '5' }, 'options.everyMs'], [{ everyMs: NaN }, 'options.everyMs'], [{ everyMs: NEVER_MS + 1 }, 'options.everyMs'],
    [{ backwards: 1 }, 'options.backwards'], [{ whileHidden: 'no' }, 'options.whileHidden'], [{ signal: {} }, 'options.signal'],
    [{ onProgress: 1 }, 'options.onProgress'], [7, 'options'],
  ]) assert.throws(() => db.follow(good, options), misuse(new RegExp(`^${words} must be`)))
  assert.equal(db.following, null)
  const { WebSocket } = globalThis
  delete globalThis.WebSocket
  t.after(() => {
    globalThis.WebSocket = WebSocket
  })
  assert.throws(() => db.follow('ws://a.example'), { name: 'UnsupportedError' })
})

test('a source that names other blocks without end is told of once for each number', async (t) => {
  const { chain, db, disagreements } = await world(t)
  let at = 0
  const liar = source(chain, (call, given) => (given?.stateRoot ? forged(given, { extraData: `0x${(at++).toString(16).padStart(8, '0')}` }) : given))
  const follow = db.follow([source(chain), source(chain), liar], { everyMs: EVERY_MS })
  await reaches(follow, chain.head)
  await eventually(() => at > 10)
  await chain.advance(3)
  await reaches(follow, chain.head)
  await eventually(() => at > 20)
  assert.deepEqual(disagreements().flatMap(({ blocks }) => blocks.map(({ source, number }) => [source, number])), [['source 3', 3], ['source 3', 4]])
})

test('nothing that a subscription brings throws, ends the follow or is taken unproven', async (t) => {
  const { chain, db } = await world(t)
  let hear
  const wallet = source(chain, (call, given) => given)
  wallet.request = async (call) => (call.method === 'eth_subscribe' ? 'mine' : wallet.provider.request(call))
  wallet.on = (event, listener) => {
    if (event === 'message') hear = listener
  }
  wallet.removeListener = () => { throw new Error('no') }
  const follow = db.follow(wallet, { everyMs: NEVER_MS })
  await reaches(follow, chain.head)
  await turns()
  const header = headerOf(await chain.advance(3))
  const unreadable = new Proxy({}, { get() { throw new Error('no') } })
  const results = [undefined, null, 7, 'x', [], {}, unreadable, { ...header, hash: undefined }, { ...header, number: '0x99' }, { hash: header.hash, extraData: 'x'.repeat(1e6) }]
  for (const message of [undefined, null, 7, {}, { type: 'eth_subscription' }, { type: 'eth_subscription', data: null }, { type: 'eth_subscription', data: unreadable }]) hear(message)
  hear({ type: 'eth_subscription', data: { subscription: 'another', result: header } })
  await turns()
  assert.equal(follow.standing.state, 'current')
  for (const result of results) hear({ type: 'eth_subscription', data: { subscription: 'mine', result } })
  await turns()
  assert.equal(follow.standing.head.number, 3)
  hear({ type: 'eth_subscription', data: { subscription: 'mine', result: header } })
  await reaches(follow, chain.head)
  follow.stop()
  await follow
})

test('a Node process ends by itself when its follow has ended', async () => {
  assert.equal(await succeeds('follow-and-end.mjs'), 'ended\n')
})

test('a block that leaves the state as it is becomes the complete one, too', async (t) => {
  const { chain, db } = await world(t)
  const follow = db.follow(source(chain), { everyMs: EVERY_MS })
  await reaches(follow, chain.head)
  const { stateRoot } = chain.head.header
  for (let at = 0; at < 3; at++) {
    await chain.block(new Map())
    assert.equal(chain.head.header.stateRoot, stateRoot)
    await reaches(follow, chain.head)
  }
})
