/**
 * Every misuse by JavaScript is answered with a typed error, which has a stable code and a message,
 * and never with a panic.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GENESIS } from '../../xtask/node/peers.mjs'
import { chain, setUp, syncedPage } from './lib/harness.mjs'

const world = setUp()

/**
 * Asserts that every named call fails with `code`, as an instance of `className`, with a message.
 */
function assertAll(errors, code, className) {
  for (const [call, error] of Object.entries(errors)) {
    assert.equal(error.code, code, `${call}: ${error.code}, ${error.message}`)
    assert.ok(error.isError && error.isSnaplight && error.classes.includes(className), `${call} is a ${error.name}`)
    assert.equal(error.name, className, call)
    assert.ok(error.message.length > 10, `${call} says only "${error.message}"`)
  }
}

test('malformed arguments are refused by name', async () => {
  const peer = await world.peer('--genesis', GENESIS)
  const page = await world.page()
  await syncedPage(page, 'arguments', peer)
  const errors = await page.evaluate(async ({ root, network }) => {
    const address = '0x5abfec25f74cd88437631a7731906932776356f9'
    const calls = {
      'open()': () => snaplight.open(),
      'open(null)': () => snaplight.open(null),
      'open without network': () => snaplight.open({ name: 'x' }),
      'open with half a network': () => snaplight.open({ name: 'x', network: { id: 1 } }),
      'open with a negative network': () => snaplight.open({ name: 'x', network: { ...network, id: -1 } }),
      'open with a fraction as network': () => snaplight.open({ name: 'x', network: { ...network, id: 1.5 } }),
      'open with a short genesis hash': () => snaplight.open({ name: 'x', network: { id: 1, genesisHash: '0x12' } }),
      'open with a number as name': () => snaplight.open({ name: 5, network }),
      'open with a role that there is not': () => snaplight.open({ name: 'x', network, role: 'reader' }),
      'open with something that cannot hear': () => snaplight.open({ name: 'x', network, onEvent: true }),
      'sync to nothing': () => db.sync({}),
      'sync to a root and a block': () => db.sync({ root, blockHash: root }),
      'sync to half a block': () => db.sync({ blockHash: '0x12' }),
      'sync()': () => db.sync(),
      'sync(null)': () => db.sync(null),
      'sync of a short root': () => db.sync(root.slice(0, -1)),
      'sync of a long root': () => db.sync(root + '0'),
      'sync of something that is no hexadecimal': () => db.sync('0x' + 'zz'.repeat(32)),
      'sync without 0x': () => db.sync(root.slice(2)),
      'sync of 31 bytes': () => db.sync(new Uint8Array(31)),
      'sync with something that is no signal': () => db.sync(root, { signal: {} }),
      'sync with something that is no function': () => db.sync(root, { onProgress: 5 }),
      'getAccount()': () => db.getAccount(),
      'getAccount of a hash': () => db.getAccount(root),
      'getAccount of a number': () => db.getAccount(5),
      'getStorage without slot': () => db.getStorage(address),
      'getStorage of slot -1': () => db.getStorage(address, -1),
      'getStorage of slot -1n': () => db.getStorage(address, -1n),
      'getStorage of slot 2^256': () => db.getStorage(address, 2n ** 256n),
      'getStorage of slot NaN': () => db.getStorage(address, NaN),
      'getStorage of an unsafe number': () => db.getStorage(address, 2 ** 60),
      'getCode of nothing': () => db.getCode(''),
      'getCode of 21 bytes': () => db.getCode(new Uint8Array(21)),
      'addPeer()': () => db.addPeer(),
      'addPeer of an http URL': () => db.addPeer('http://127.0.0.1:1'),
      'addPeer of no URL': () => db.addPeer('nonsense'),
      'addPeer by something unknown': () => db.addPeer('ws://127.0.0.1:9', { by: 'range' }),
      'addPeer of something that cannot send': () => db.addPeer({ close() {} }),
    }
    const errors = {}
    for (const [name, call] of Object.entries(calls)) errors[name] = await failure(call)
    // The database still works after all this.
    errors.afterwards = (await db.getAccount(address)).exists
    return errors
  }, chain(peer))
  assert.equal(errors.afterwards, true)
  delete errors.afterwards
  assertAll(errors, 'BAD_ARGUMENT', 'MisuseError')
  assert.deepEqual(page.uncaught, [])
})

test('every spelling of a hash, an address and a slot that the types allow is taken', async () => {
  const peer = await world.peer('--genesis', GENESIS)
  const page = await world.page()
  const answers = await page.evaluate(async ({ url, root, network }) => {
    const bytes = (hex) => Uint8Array.from(hex.slice(2).match(/../g), (pair) => parseInt(pair, 16))
    const db = await snaplight.open({ name: 'spellings', network: { id: BigInt(network.id), genesisHash: bytes(network.genesisHash) } })
    db.addPeer(new URL(url))
    const { root: synced } = await db.sync(bytes(root))
    const address = '0x5abfec25f74cd88437631a7731906932776356f9'
    const upper = '0x' + address.slice(2).toUpperCase()
    const balances = await Promise.all([address, upper, bytes(address)].map((spelling) => db.getAccount(spelling)))
    const slots = await Promise.all([0, 0n, '0x0', '0x' + '0'.repeat(64), new Uint8Array(32)].map((slot) => db.getStorage(address, slot)))
    await db.close()
    return { synced, balances: balances.map(({ balance }) => balance), slots: slots.map(({ slot }) => slot) }
  }, chain(peer))
  assert.equal(answers.synced, peer.root)
  assert.deepEqual(new Set(answers.balances), new Set([11901484239480000000000000n]))
  assert.deepEqual(new Set(answers.slots), new Set(['0x' + '0'.repeat(64)]))
})

test('sockets that cannot be peers are refused, each with its own code', async () => {
  const peer = await world.peer('--genesis', GENESIS)
  const page = await world.page()
  const { closed, twice } = await page.evaluate(async ({ url, network }) => {
    const db = await snaplight.open({ name: 'sockets', network })
    const gone = new WebSocket(url, 'devp2p.1')
    await new Promise((resolve) => {
      gone.onopen = () => gone.close()
      gone.onclose = resolve
    })
    const closed = await failure(() => db.addPeer(gone))
    const socket = new WebSocket(url, 'devp2p.1')
    db.addPeer(socket)
    const twice = await failure(() => db.addPeer(socket))
    await db.close()
    return { closed, twice }
  }, chain(peer))
  assertAll({ closed }, 'SOCKET_CLOSED', 'MisuseError')
  assertAll({ twice }, 'SOCKET_IN_USE', 'MisuseError')
})

test('a URL where nothing listens, or no peer, throws no exception; without reconnect it resolves closed', async () => {
  const page = await world.page()
  const { nobody, noPeer } = await page.evaluate(async (origin) => {
    const db = await snaplight.open({ name: 'nobody', network: { id: 1, genesisHash: '0x' + '01'.repeat(32) } })
    const nobody = await db.addPeer('ws://127.0.0.1:9', { reconnect: false }).closed
    const noPeer = await db.addPeer(origin.replace('http', 'ws'), { reconnect: false }).closed
    await db.close()
    return { nobody, noPeer }
  }, world.origin)
  for (const closed of [nobody, noPeer]) {
    assert.equal(closed.by, 'peer')
    assert.equal(typeof closed.code, 'number')
    assert.ok(closed.reason.length > 0)
  }
  assert.deepEqual(page.uncaught, [])
})

test('a peer of another network is dropped at its Status', async () => {
  const peer = await world.peer('--genesis', GENESIS)
  const page = await world.page()
  const closed = await page.evaluate(async ({ url }) => {
    const db = await snaplight.open({ name: 'another network', network: { id: 99, genesisHash: '0x' + '09'.repeat(32) } })
    const closed = await db.addPeer(url).closed
    await db.close()
    return closed
  }, chain(peer))
  assert.equal(closed.by, 'fault')
  assert.match(closed.reason, /^is on network 1, and not 99$/)
})

test('a peer with another genesis block is dropped, and the reason names both', async () => {
  const peer = await world.peer('--genesis', GENESIS)
  const page = await world.page()
  const genesisHash = '0x' + '09'.repeat(32)
  const closed = await page.evaluate(async ({ url, network, genesisHash }) => {
    const db = await snaplight.open({ name: 'another genesis', network: { ...network, genesisHash } })
    const closed = await db.addPeer(url).closed
    await db.close()
    return closed
  }, { ...chain(peer), genesisHash })
  assert.deepEqual([closed.by, closed.reason], ['fault', `is on the chain with genesis block ${peer.genesisHash}, and not ${genesisHash}`])
})

test('opening twice, another network, a second sync, and reading before there is a state', async () => {
  const peer = await world.peer('--genesis', GENESIS)
  const page = await world.page()
  const errors = await page.evaluate(async ({ root, network }) => {
    const db = await snaplight.open({ name: 'order', network })
    const locked = await failure(() => snaplight.open({ name: 'order', network, role: 'writer' }))
    const state = await failure(() => db.getAccount('0x' + '12'.repeat(20)))
    const running = db.sync(root)
    const superseded = failure(() => running)
    const second = db.sync('0x' + 'ab'.repeat(32))
    second.cancel()
    const cancelled = await failure(() => second)
    const ended = await failure(() => second.retarget(root))
    await db.close()
    const wrong = await failure(() => snaplight.open({ name: 'order', network: { ...network, id: 5 } }))
    return { locked, state, superseded: await superseded, cancelled, ended, wrong }
  }, chain(peer))
  assertAll({ locked: errors.locked }, 'LOCKED', 'LockedError')
  assertAll({ state: errors.state }, 'NO_STATE', 'NotTrackedError')
  assertAll({ superseded: errors.superseded, cancelled: errors.cancelled }, 'CANCELLED', 'CancelledError')
  assert.match(errors.superseded.message, /newer sync/)
  assertAll({ ended: errors.ended }, 'SYNC_ENDED', 'MisuseError')
  assertAll({ wrong: errors.wrong }, 'WRONG_NETWORK', 'MisuseError')
})

test('a database that was never synced is not opened for another network, by a writer or a follower, and says both', async () => {
  const page = await world.page()
  const { writer, follower, again } = await page.evaluate(async () => {
    const network = { id: 1, genesisHash: '0x' + '01'.repeat(32) }
    const other = { id: 1, genesisHash: '0x' + '02'.repeat(32) }
    await (await snaplight.open({ name: 'never', network })).close()
    const writer = await failure(() => snaplight.open({ name: 'never', network: other }))
    const db = await snaplight.open({ name: 'never', network })
    const follower = await failure(() => snaplight.open({ name: 'never', network: other }))
    await db.close()
    return { writer, follower, again: db.role }
  })
  assertAll({ writer, follower }, 'WRONG_NETWORK', 'MisuseError')
  for (const { message } of [writer, follower]) assert.match(message, /'never' belongs to network 1 with genesis block 0x0101.* for network 1 with genesis block 0x0202/)
  assert.equal(again, 'writer')
})

test('LOCKED says whether this page itself writes, or another tab', async () => {
  const [page, other] = [await world.page(), await world.page()]
  const insist = () => failure(() => snaplight.open({ name: 'mine', role: 'writer', network: { id: 1, genesisHash: '0x' + '01'.repeat(32) } }))
  await page.evaluate(async () => {
    globalThis.mine = await snaplight.open({ name: 'mine', network: { id: 1, genesisHash: '0x' + '01'.repeat(32) } })
  })
  const [here, there] = [await page.evaluate(insist), await other.evaluate(insist)]
  const [deletedHere, deletedThere] = await Promise.all([page, other].map((tab) => tab.evaluate(() => failure(() => snaplight.deleteDatabase('mine')))))
  await page.evaluate(() => globalThis.mine.close())
  assertAll({ here, there, deletedHere, deletedThere }, 'LOCKED', 'LockedError')
  for (const { message } of [here, deletedHere]) assert.match(message, /^This page or worker itself writes to the database "mine": use the object/)
  for (const { message } of [there, deletedThere]) assert.match(message, /^Another tab or worker writes to the database "mine": close it there/)
})

test('what a page reads of a URL: its policy forbids it, nothing listens, or it is no peer', async () => {
  const peer = await world.peer('--genesis', GENESIS)
  const page = await world.page()
  const found = await page.evaluate(async ({ url, network, origin }) => {
    const db = await snaplight.open({ name: 'urls', network })
    const reason = async (target) => (await db.addPeer(target, { reconnect: false }).closed).reason
    const reasons = [await reason('ws://127.0.0.1:9/'), await reason(url.replace('ws:', 'wss:')), await reason(origin.replace('http', 'ws')), await reason(new WebSocket(url))]
    const policy = document.createElement('meta')
    policy.httpEquiv = 'Content-Security-Policy'
    policy.content = "connect-src 'self'"
    document.head.append(policy)
    const forbidden = await failure(() => db.addPeer('wss://peer.example/'))
    await db.close()
    return { reasons, forbidden }
  }, { ...chain(peer), origin: world.origin })
  assert.deepEqual([found.forbidden.name, found.forbidden.code], ['UnsupportedError', 'UNSUPPORTED'])
  assert.match(found.forbidden.message, /^This page may not connect to wss:\/\/peer\.example\/: its Content-Security-Policy has to allow it \(connect-src\)/)
  const [refused, tls, noPeer, given] = found.reasons
  assert.match(refused, /^the connection could not be opened \(ws:\/\/127\.0\.0\.1:9\/\)\. Likely causes: nothing listens there; it is no snap peer/)
  assert.match(tls, /\(wss:.*it has no TLS \(ws: instead of wss:\)/)
  assert.match(noPeer, /it is no snap peer \(a JSON-RPC endpoint needs \{ by: 'rpc' \}\); the page's Content-Security-Policy forbids it \(connect-src\)$/)
  assert.match(given, /the socket did not offer 'devp2p\.1'/)
})

test('after close every call throws ClosedError, and closing again is fine', async () => {
  const peer = await world.peer('--genesis', GENESIS)
  const page = await world.page()
  const { errors, phase } = await page.evaluate(async ({ url, root, network }) => {
    const db = await snaplight.open({ name: 'closed', network })
    db.addPeer(url)
    const running = db.sync(root)
    const ended = failure(() => running)
    await Promise.all([db.close(), db.close()])
    await db.close()
    const address = '0x' + '12'.repeat(20)
    const calls = {
      sync: () => db.sync(root),
      addPeer: () => db.addPeer(url),
      getAccount: () => db.getAccount(address),
      getStorage: () => db.getStorage(address, 0),
      getCode: () => db.getCode(address),
    }
    const errors = { 'the running sync': await ended }
    for (const [name, call] of Object.entries(calls)) errors[name] = await failure(call)
    return { errors, phase: db.progress().phase }
  }, chain(peer))
  assertAll(errors, 'CLOSED', 'ClosedError')
  assert.equal(typeof phase, 'string')
  assert.deepEqual(page.uncaught, [])
})

test('calls from inside a progress callback are fine', async () => {
  const peer = await world.peer('--accounts', '60000')
  const page = await world.page()
  const { calls, accounts } = await page.evaluate(async ({ url, root, network }) => {
    const db = await snaplight.open({ name: 'reentrant', network })
    db.addPeer(url)
    let calls = 0
    const { accounts } = await db.sync(root, {
      onProgress: () => {
        calls++
        db.progress()
        db.addPeer(url)
        db.getAccount('0x' + '12'.repeat(20)).catch(() => {})
        for (const peer of db.peers.slice(2)) peer.close()
      },
    })
    await db.close()
    return { calls, accounts }
  }, chain(peer))
  assert.ok(calls > 0)
  assert.equal(accounts, peer.accounts)
  assert.deepEqual(page.uncaught, [])
})
