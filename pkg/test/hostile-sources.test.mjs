// Tests of hostile and careless sources and callers of `db.follow`, in Node: whatever they do, and
// whenever, nothing unproven leaves as proven, nothing goes on after the end, and no error is lost.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Chain, TestProvider, addressOf } from '../../xtask/node/provider.mjs'
import { hashOf, quantity } from '../../xtask/node/provider/chain.mjs'
import { createProvider } from '../provider.js'
import { Snaplight, open } from '../snaplight.js'
import { turn } from './support/database.mjs'

const EVERY_MS = 5
/** A question that is never asked again within a test. */
const NEVER_MS = 2 ** 26
const misuse = (message) => ({ name: 'MisuseError', code: 'BAD_ARGUMENT', message })

/** Errors that nobody handled, in all tests of this file. */
const unhandled = []
process.on('unhandledRejection', (error) => unhandled.push(error))

async function turns(count = 20) {
  for (let at = 0; at < count; at++) await turn()
}

/** Calls it until it holds. */
async function eventually(holds) {
  while (!holds()) await turn()
}

/** A chain of some blocks, and a database in memory of a set that has a provider of it as its peer. */
async function world(t, { blocks = 3, onEvent, ...options } = {}) {
  const chain = await Chain.generate({ accounts: 20, contracts: 2, slots: 5 })
  while (chain.head.header.number !== quantity(blocks)) await chain.advance(3)
  const events = []
  const db = await open({
    network: { id: chain.chainId, genesisHash: chain.genesisHash }, memory: true, hold: 'set', ...options,
    onEvent: (event) => {
      events.push(event)
      onEvent?.(event)
    },
  })
  t.after(async () => {
    await db.close()
    await turns()
    assert.deepEqual(unhandled.splice(0), [])
  })
  const peer = new TestProvider(chain)
  db.addPeer({ request: (call) => peer.request(call) })
  db.track([addressOf(1)]).catch(() => {})
  return { chain, db, events, disagreements: () => events.filter(({ type }) => type === 'disagreement') }
}

/** A provider without subscriptions, which answers what `answer` makes of the chain's answer. */
function source(chain, answer = (call, given) => given) {
  const provider = new TestProvider(chain)
  const calls = []
  return {
    calls,
    request: async (call) => {
      calls.push(call)
      return answer(call, await provider.request(call))
    },
  }
}

/** The first standing of which this holds. */
async function until(follow, holds) {
  for await (const standing of follow) if (holds(standing)) return standing
  return assert.fail('the follow ended before')
}

const reaches = (follow, { hash }) => until(follow, ({ state, complete }) => state === 'current' && complete.block.hash === hash)
const isBlock = ({ method }) => method === 'eth_getBlockByNumber'
const headerOf = ({ header, hash }) => ({ ...header, hash })
/** Another header whose fields hash to its hash. */
const forged = (header, fields) => ({ ...header, ...fields, hash: hashOf({ ...header, ...fields }) })

/** Ways to write a header that all hash to the same hash. */
const SPELLINGS = {
  'without 0x': (text) => text.replace(/^0x/, ''),
  'in capital letters': (text) => text.replace(/^0x/, '').toUpperCase(),
  'with 0X': (text) => text.replace(/^0x/, '0X'),
  'with leading zeros': (text) => (text.length < 20 && text !== '0x0000000000000000' ? text.replace(/^0x/, '0x000') : text),
  'as numbers': (text) => (text.length < 10 ? Number(text) : text),
}

for (const [how, spell] of Object.entries(SPELLINGS)) {
  test(`a header that is written ${how} is given on as its block's, in the one form that there is`, async (t) => {
    // Block 16 is 0x10: whoever reads the digits alone takes it for block 10.
    const { chain, db } = await world(t, { blocks: 16 })
    const written = (call, given) => (isBlock(call) && given ? Object.fromEntries(Object.entries(given).map(([name, value]) => [name, typeof value === 'string' && name !== 'extraData' ? spell(value) : value])) : given)
    const hash = (call, given) => (given?.hash ? { ...written(call, given), hash: given.hash } : given)
    await reaches(db.follow(source(chain, hash), { everyMs: EVERY_MS }), chain.head)
    assert.deepEqual(Snaplight.headers(db).get(chain.head.hash), headerOf(chain.head))
    const provider = createProvider(db, { headers: true })
    const ask = (number) => provider.request({ method: 'eth_getBlockByNumber', params: [quantity(number), false] })
    assert.equal((await ask(16)).number, '0x10')
    await assert.rejects(ask(10), { code: -32001 })
  })
}

test('a source that is named twice would have two voices, so it is refused', async (t) => {
  const { chain, db } = await world(t)
  const one = source(chain)
  for (const sources of [
    [one, one], [one, source(chain), one], ['http://a.example', new URL('http://a.example/')], ['https://a.example/v1', 'https://A.example:443/v1', one],
  ]) assert.throws(() => db.follow(sources), misuse(/^source must be/))
  assert.equal(db.following, null)
  // Other paths and keys of a host may be other nodes.
  const follow = db.follow(['http://127.0.0.1:1/a', 'http://127.0.0.1:1/b'])
  follow.stop()
  await follow
})

test('an array with holes is refused, and nothing follows', async (t) => {
  const { chain, db } = await world(t)
  const holes = [source(chain), , source(chain)]
  for (const sources of [new Array(2), holes]) assert.throws(() => db.follow(sources), misuse(/^source must be/))
  assert.equal(db.following, null)
  await reaches(db.follow(source(chain), { everyMs: EVERY_MS }), chain.head)
})

test('a follow that cannot begin leaves nothing, and the one before goes on', async (t) => {
  const { chain, db } = await world(t)
  const follow = db.follow(source(chain), { everyMs: EVERY_MS })
  const signal = { aborted: false, addEventListener() { throw new Error('no') }, removeEventListener() {} }
  assert.throws(() => db.follow(source(chain), { signal }), { message: 'no' })
  assert.equal(db.following, follow)
  await reaches(follow, chain.head)
  await db.sync({ blockHash: chain.head.hash })
  assert.equal(db.following, null)
})

for (const [what, act] of Object.entries({
  'stops the follow': ({ follow }) => follow.stop(),
  'closes the database': ({ db }) => db.close(),
})) {
  test(`no sync begins after a listener of a disagreement ${what}`, async (t) => {
    const held = {}
    const { chain, db } = await world(t, { onEvent: ({ type }) => type === 'disagreement' && act(held) })
    const lies = source(chain, (call, given) => (isBlock(call) && given ? forged(given, { mixHash: chain.genesisHash }) : given))
    const progress = []
    const follow = db.follow([source(chain), source(chain), lies], { everyMs: EVERY_MS, onProgress: ({ phase }) => progress.push(phase) })
    Object.assign(held, { db, follow })
    await follow
    const { length } = progress
    await turns()
    assert.equal(progress.length, length)
    assert.equal(db.progress().phase, 'idle')
  })
}

test('a sync that a listener of a disagreement starts is the one that runs', async (t) => {
  let started = null
  const { chain, db } = await world(t, { onEvent: ({ type }) => { if (type === 'disagreement') started ??= db.sync({ blockHash: chain.find('0x1').hash }) } })
  const lies = source(chain, (call, given) => (isBlock(call) && given ? forged(given, { mixHash: chain.genesisHash }) : given))
  const follow = db.follow([source(chain), source(chain), lies], { everyMs: EVERY_MS })
  await assert.rejects(async () => follow, { code: 'CANCELLED' })
  assert.equal((await started).block.number, 1)
  await turns()
  assert.equal(db.complete.block.number, 1)
})

/** Where a source's object is called by a follow, and could end it. */
const ENTRIES = {
  'in `request`': (end) => ({ request: async () => end() }),
  'in `request`, of a question later on': (end, chain) => {
    let asked = 0
    return source(chain, (call, given) => (++asked === 4 ? end() : given))
  },
  'in `on`': (end, chain) => ({ ...source(chain), on: end, removeListener() {} }),
  'in `removeListener`': (end, chain) => ({ ...source(chain), on() {}, removeListener: end }),
  'as it is subscribed to': (end, chain) => ({ request: async (call) => (call.method === 'eth_subscribe' ? end() : new TestProvider(chain).request(call)), on() {}, removeListener() {} }),
}

for (const [where, entry] of Object.entries(ENTRIES)) {
  test(`a follow that a source ends ${where} asks nobody any more`, async (t) => {
    const { chain, db } = await world(t)
    let follow = null
    const ending = entry(() => {
      if (follow) follow.stop()
      // Within the call of `follow`, its caller can only get at it so.
      else db.following?.stop()
    }, chain)
    const others = [source(chain), source(chain)]
    follow = db.follow([ending, ...others], { everyMs: EVERY_MS })
    if (where === 'in `removeListener`') follow.stop()
    await follow
    await turns()
    assert.equal(db.following, null)
    const asked = () => others.map(({ calls }) => calls.length)
    const before = asked()
    // Of a follow that goes on, the source is asked again and again meanwhile.
    const next = source(chain)
    await reaches(db.follow(next, { everyMs: EVERY_MS }), chain.head)
    await eventually(() => next.calls.filter(isBlock).length >= 20)
    assert.deepEqual(asked(), before)
  })
}

test('a follow that starts another one in its end leaves that one', async (t) => {
  const { chain, db } = await world(t)
  // No peer has the state, so the sync waits until it is cancelled.
  const unknown = forged(headerOf(chain.head), { stateRoot: chain.genesisHash, number: '0x100' })
  let next = null
  const follow = db.follow(() => ({ header: unknown }), {
    everyMs: NEVER_MS,
    onProgress() {
      if (isStopping) next ??= db.follow(source(chain), { everyMs: EVERY_MS })
    },
  })
  let isStopping = false
  await until(follow, ({ state }) => state === 'syncing')
  isStopping = true
  follow.stop()
  await turns()
  assert.ok(next)
  assert.equal(db.following, next)
  await reaches(next, chain.head)
})

test('a subscription is ended with its follow, so a wallet does not collect them', async (t) => {
  const { chain, db } = await world(t)
  const wallet = new TestProvider(chain)
  for (let at = 0; at < 5; at++) {
    const follow = db.follow(wallet, { everyMs: NEVER_MS })
    await reaches(follow, chain.head)
    await eventually(() => chain.listeners.size === 1)
    await turns()
    follow.stop()
    await follow
    await eventually(() => chain.listeners.size === 0)
  }
})

test('a subscription that is confirmed after the end is ended as well', async (t) => {
  const { chain, db } = await world(t)
  const wallet = new TestProvider(chain)
  let confirm
  const request = async (call) => {
    const answer = await wallet.request(call)
    if (call.method === 'eth_subscribe') await new Promise((resolve) => { confirm = resolve })
    return answer
  }
  const follow = db.follow({ request, on: (...args) => wallet.on(...args), removeListener: (...args) => wallet.removeListener(...args) }, { everyMs: NEVER_MS })
  await eventually(() => confirm)
  follow.stop()
  await follow
  confirm()
  await eventually(() => chain.listeners.size === 0)
})

test('a wallet whose chain changes without a word is not followed to the other chain', async (t) => {
  const { chain, db } = await world(t)
  const other = await Chain.generate({ accounts: 3, contracts: 1, slots: 1, seed: 7 })
  for (let at = 0; at < 9; at++) await other.advance(1)
  let at = chain
  const asked = []
  // As a transport of a library, which has no events.
  const wallet = {
    request: async (call) => {
      asked.push(call.method)
      return new TestProvider(at, { chainId: at === chain ? undefined : 5 }).request(call)
    },
  }
  const heads = []
  const follow = db.follow(wallet, { everyMs: EVERY_MS })
  const noted = (async () => {
    for await (const { head } of follow) if (head) heads.push(head.hash)
  })()
  await reaches(follow, chain.head)
  at = other
  await until(follow, ({ waiting }) => /chain "0x5"/.test(waiting))
  at = chain
  await chain.advance(3)
  await reaches(follow, chain.head)
  follow.stop()
  await noted
  for (const hash of heads) assert.ok(chain.find(hash), `${hash} is no block of the chain`)
})

test('a wallet that says at every call that its chain has changed does not keep the page busy', async (t) => {
  const { chain, db } = await world(t)
  const hears = new Map()
  const wallet = source(chain, (call, given) => {
    hears.get('chainChanged')?.('0x539')
    return given
  })
  wallet.on = (event, listener) => hears.set(event, listener)
  wallet.removeListener = (event) => hears.delete(event)
  const follow = db.follow(wallet, { everyMs: NEVER_MS })
  // Turns come at all: its promises are not one endless chain.
  await turns(50)
  assert.ok(wallet.calls.length <= 200, `${wallet.calls.length} calls in 50 turns`)
  follow.stop()
  await follow
  assert.equal(hears.size, 0)
})

for (const answer of [false, 0, '', true, 7, [], 'block', {}]) {
  test(`a source whose block is ${JSON.stringify(answer)} says nothing, and others do not wait for it`, async (t) => {
    const { chain, db } = await world(t, { blocks: 4 })
    const lies = source(chain, (call, given) => (isBlock(call) ? answer : given))
    const behind = source(chain, (call, given) => (isBlock(call) && call.params[0] === 'latest' ? headerOf(chain.find('0x3')) : given))
    const follow = db.follow([source(chain), behind, lies], { everyMs: EVERY_MS })
    await reaches(follow, chain.find('0x3'))
    follow.stop()
    await follow
    const alone = db.follow(lies, { everyMs: EVERY_MS })
    const { waiting } = await until(alone, ({ waiting }) => waiting && !waiting.endsWith('no answer yet'))
    assert.match(waiting, /^source 1: ./)
  })
}

test('one that names another hash at each question is told of once for each block, not at each question', async (t) => {
  const { chain, db, disagreements } = await world(t)
  let count = 0
  const liar = source(chain, (call, given) => (isBlock(call) && given ? forged(given, { mixHash: `0x${(++count).toString(16).padStart(64, '0')}` }) : given))
  const follow = db.follow([source(chain), source(chain), liar], { everyMs: EVERY_MS })
  await reaches(follow, chain.head)
  await eventually(() => count >= 20)
  const told = disagreements().flatMap(({ blocks }) => blocks)
  assert.deepEqual([...new Set(told.map(({ source }) => source))], ['source 3'])
  assert.equal(new Set(told.map(({ number }) => number)).size, told.length, `told ${told.length} times`)
})

test('of three that never agree, and name other hashes each time, it is told once for each number', async (t) => {
  const { chain, db, disagreements } = await world(t)
  let count = 0
  const liar = () => source(chain, (call, given) => (isBlock(call) && given ? forged(given, { mixHash: `0x${(++count).toString(16).padStart(64, '0')}` }) : given))
  const follow = db.follow([liar(), liar(), liar()], { everyMs: EVERY_MS })
  await until(follow, ({ waiting }) => waiting?.includes(chain.head.header.number.slice(2)))
  await eventually(() => count >= 60)
  const told = disagreements().flatMap(({ blocks }) => blocks.map(({ source, number }) => `${source} ${number}`))
  assert.ok(told.length >= 2)
  assert.equal(new Set(told).size, told.length, `told ${told.length} times`)
})

test('what a function gives may be unreadable, and its number none', async (t) => {
  const { chain, db } = await world(t)
  const { hash } = chain.head
  const throwing = (thrown) => new Proxy({}, { get: (_, name) => { if (name !== 'then') throw thrown } })
  let give
  const follow = db.follow(() => give(), { everyMs: EVERY_MS })
  for (const broken of [throwing(undefined), throwing(null), throwing(7), throwing(Object.create(null)), { then() { throw undefined } }]) {
    give = () => broken
    await until(follow, ({ waiting }) => /^source 1: ./.test(waiting) && !/no answer yet|names no block/.test(waiting))
    give = () => null
    await until(follow, ({ waiting }) => waiting === 'source 1: it names no block')
  }
  for (const number of [NaN, Infinity, -1, 1.5, 1e30, 2n ** 64n, 'x', {}, null]) {
    give = () => ({ blockHash: hash, number })
    await until(follow, ({ state }) => state === 'current')
    give = () => null
    await until(follow, ({ waiting }) => waiting === 'source 1: it names no block')
  }
  // No such number keeps the next block from being taken.
  await chain.advance(3)
  give = () => ({ header: headerOf(chain.head) })
  await reaches(follow, chain.head)
})

test('ten thousand notices in one turn are one or few checks, and the newest block is taken', async (t) => {
  const { chain, db } = await world(t)
  let hear
  let hashed = 0
  const wallet = source(chain, (call, given) => given)
  const request = wallet.request
  wallet.request = async (call) => (call.method === 'eth_subscribe' ? 'mine' : request(call))
  wallet.on = (event, listener) => { if (event === 'message') hear = listener }
  wallet.removeListener = () => {}
  const follow = db.follow(wallet, { everyMs: EVERY_MS })
  await reaches(follow, chain.head)
  await turns()
  const header = headerOf(await chain.advance(3))
  const counted = (fields) => {
    const result = { ...header, ...fields }
    // The hash is read once by whoever copies the fields, and no more where nobody does.
    return Object.defineProperty(result, 'extraData', { enumerable: true, get: () => (hashed++, header.extraData) })
  }
  for (let at = 0; at < 10_000; at++) hear({ type: 'eth_subscription', data: { subscription: 'mine', result: counted({ gasUsed: quantity(at) }) } })
  await reaches(follow, chain.head)
  assert.equal(follow.standing.head.hash, header.hash)
})

test('one that is silent is not asked more often for that, nor looked at without end', async (t) => {
  const { db } = await world(t)
  const delays = []
  const { setTimeout } = globalThis
  globalThis.setTimeout = (act, ms, ...rest) => {
    delays.push(ms)
    return setTimeout(act, ms, ...rest)
  }
  t.after(() => {
    globalThis.setTimeout = setTimeout
  })
  let asked = 0
  const follow = db.follow({ request: () => new Promise(() => { asked += 1 }) }, { everyMs: EVERY_MS })
  await until(follow, ({ waiting }) => waiting === 'source 1: it does not answer')
  const { length } = delays
  await eventually(() => delays.length > length + 10)
  assert.equal(asked, 3)
  // Timers take a delay that is none for the shortest.
  assert.ok(delays.every(Number.isFinite), delays.join())
})

/** Heads of 10^15 that no peer has: how a source names one, whose caller believes that source. */
const FORGED_NUMBER = 10 ** 15
const FORGERIES = {
  'a header of another state': (chain, when) => source(chain, (call, given) => (when() && isBlock(call) ? forged(given, { number: quantity(FORGED_NUMBER), stateRoot: chain.genesisHash }) : given)),
  'a function that gives such a header': (chain, when) => () => ({ header: when() ? forged(headerOf(chain.head), { number: quantity(FORGED_NUMBER), stateRoot: chain.genesisHash }) : headerOf(chain.head) }),
  'a function that gives the hash of no block': (chain, when) => () => (when() ? { blockHash: `0x${'77'.repeat(32)}`, number: FORGED_NUMBER } : { blockHash: chain.head.hash, number: Number(chain.head.header.number) }),
}

for (const [what, make] of Object.entries(FORGERIES)) {
  test(`a very high number that was named once, by ${what}, does not keep the next blocks from being taken`, async (t) => {
    const { chain, db } = await world(t)
    let isForging = false
    const follow = db.follow(make(chain, () => isForging), { everyMs: EVERY_MS })
    await reaches(follow, chain.head)
    isForging = true
    await until(follow, ({ state, head }) => state === 'syncing' && head.number === FORGED_NUMBER)
    isForging = false
    await chain.advance(3)
    const { head } = await reaches(follow, chain.head)
    assert.deepEqual(head, { number: 4, hash: chain.head.hash })
    // What is complete is proven, so below that nothing is taken.
    chain.drop(2)
    await until(follow, ({ waiting }) => waiting === 'the newest block, 2, is lower than 4')
    assert.equal(follow.standing.head.number, 4)
  })
}

test('a block that a function gives with a number that it does not have is complete with its own, and the next ones are taken', async (t) => {
  const { chain, db } = await world(t)
  let number = FORGED_NUMBER
  const follow = db.follow(() => ({ blockHash: chain.head.hash, number }), { everyMs: EVERY_MS })
  const { head } = await reaches(follow, chain.head)
  assert.equal(head.number, 3)
  number = 4
  await chain.advance(3)
  await reaches(follow, chain.head)
})

test('a message whose getters throw is nothing', async (t) => {
  const { chain, db } = await world(t)
  let hear
  const wallet = source(chain)
  wallet.on = (event, listener) => { if (event === 'message') hear = listener }
  wallet.removeListener = () => {}
  const follow = db.follow(wallet, { everyMs: EVERY_MS })
  const unreadable = new Proxy({}, { get() { throw new Error('no') } })
  for (const message of [unreadable, { type: 'eth_subscription', get data() { throw new Error('no') } }]) hear(message)
  await reaches(follow, chain.head)
})

test('the answer about an older block that comes after a reorg is no disagreement', async (t) => {
  const { chain, db, disagreements } = await world(t, { blocks: 6 })
  const old = headerOf(chain.find('0x4'))
  let answer = null
  // It is asked for block 4 because another one is behind, and answers when its chain is another one.
  const slow = source(chain, (call, given) => (isBlock(call) && call.params[0] === '0x4' && !answer ? new Promise((resolve) => { answer = () => resolve(old) }) : given))
  let isBehind = true
  const behind = source(chain, (call, given) => (isBlock(call) && call.params[0] === 'latest' && isBehind ? headerOf(chain.find('0x4')) : given))
  const follow = db.follow([slow, behind], { everyMs: EVERY_MS })
  await eventually(() => answer)
  chain.drop(3)
  isBehind = false
  for (let at = 0; at < 4; at++) {
    await chain.advance(3)
    const { length } = slow.calls
    await eventually(() => slow.calls.length > length + 2)
  }
  answer()
  await reaches(follow, chain.head)
  await turns()
  assert.notEqual(chain.find('0x4').hash, old.hash)
  assert.ok(disagreements().every(({ blocks }) => blocks.every(({ source, hash }) => source !== 'source 1' || hash !== old.hash)), JSON.stringify(disagreements()))
})

for (const [what, on] of Object.entries({
  'ends the follow as it takes the first of them': (take, end) => (event, listener) => {
    take(event, listener)
    end()
  },
  'ends the follow before it takes the first of them': (take, end) => (event, listener) => {
    end()
    take(event, listener)
  },
  'takes them': (take) => take,
})) {
  test(`no listener is left at a wallet that ${what}, nor where it throws as one is taken away`, async (t) => {
    const { chain, db } = await world(t)
    const listeners = new Set()
    const wallet = source(chain)
    wallet.on = on((event, listener) => listeners.add(listener), () => db.following?.stop())
    wallet.removeListener = (event, listener) => {
      listeners.delete(listener)
      throw new Error('no')
    }
    const follow = db.follow(wallet, { everyMs: EVERY_MS })
    if (db.following) await reaches(follow, chain.head)
    follow.stop()
    await follow
    assert.equal(listeners.size, 0)
  })
}
