// A peer given by its URL is connected to again when it was lost and nobody lied. Timers are
// mocked, so nothing waits.

import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import { Attempts, mayReturn } from '../lib/reconnect.js'
import { open } from '../snaplight.js'
import { openInWorker, serve } from '../worker.js'
import { NETWORK, SOME_ROOT, turn } from './support/database.mjs'
import { EventSocket, bytes, disconnect, greet } from './support/sockets.mjs'

const URL_OF_PEER = 'ws://peer.example/'
/** The longest wait for an attempt. */
const LONGEST_MS = 60_000

/** Sockets that the package has made of URLs, oldest first. */
let made
beforeEach(() => {
  made = []
  globalThis.WebSocket = class extends EventSocket {
    protocol = 'devp2p.1'
    readyState = 0

    constructor(url) {
      super()
      this.url = url
      made.push(this)
    }

    open() {
      this.readyState = 1
      this.emit('open')
    }

    /** Opens and shakes hands. */
    greet() {
      this.open()
      greet(this, NETWORK)
    }

    lose(code = 1006) {
      this.readyState = 3
      this.emit('close', { code, reason: '' })
    }
  }
})

/** A database with one peer by URL, and what happens to peers; timers are mocked. */
async function lonely(t, options) {
  const events = []
  const onEvent = ({ type, peer, state, closed }) => type === 'peer' && events.push([peer, state, closed])
  const db = await open({ network: NETWORK, memory: true, onEvent })
  t.mock.timers.enable({ apis: ['setTimeout'] })
  t.after(async () => {
    t.mock.timers.reset()
    await db.close()
  })
  const peer = db.addPeer(URL_OF_PEER, options)
  return { db, peer, events, pass: (ms = LONGEST_MS) => t.mock.timers.tick(ms) }
}

async function settled(promise) {
  return Promise.race([promise, turn().then(() => null)])
}

test('a lost peer is connected to again as the same object, and events say so', async (t) => {
  const { db, peer, events, pass } = await lonely(t)
  made[0].greet()
  assert.equal(peer.state, 'ready')
  const [{ bytes: received }] = db.progress().peers
  assert.ok(received > 0)
  made[0].lose()
  assert.deepEqual([peer.state, made.length, db.peers.length], ['waiting', 1, 1])
  const lost = { by: 'peer', code: 1006, reason: 'the connection broke', disconnect: null }
  assert.deepEqual(peer.stats.closed, lost)
  assert.deepEqual(db.progress().peers.map(({ id, state, bytes }) => [id, state, bytes]), [[1, 'waiting', received]])
  pass(1_000)
  assert.deepEqual([peer.state, made.length, made[1].url], ['connecting', 2, URL_OF_PEER])
  made[1].greet()
  db.progress()
  assert.deepEqual([peer.id, peer.state, peer.stats.closed, peer.stats.bytes], [1, 'ready', null, 2 * received])
  assert.deepEqual(events, [[peer, 'ready', null], [peer, 'waiting', lost], [peer, 'ready', null]])
  assert.equal(await settled(peer.closed), null)
  peer.close()
  const closed = { by: 'user', code: 1000, reason: 'closed by the user', disconnect: null }
  assert.deepEqual(await peer.closed, closed)
  assert.deepEqual(events.at(-1), [peer, 'closed', closed])
  assert.deepEqual([...made[1].sent.at(-1)], [...disconnect(8)])
  pass()
  assert.equal(made.length, 2)
})

test('waits grow from a second to a minute, and begin anew after ten seconds of being ready', async (t) => {
  const { peer, pass } = await lonely(t)
  const clock = performance.now
  t.after(() => {
    performance.now = clock
  })
  for (const longest of [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]) {
    made.at(-1).lose()
    const before = made.length
    pass(longest / 2 - 1)
    assert.equal(made.length, before, `not before ${longest / 2} ms`)
    pass(longest / 2 + 1)
    assert.equal(made.length, before + 1, `within ${longest} ms`)
  }
  for (const [readyFor, longest] of [[9_000, 60_000], [10_000, 1_000]]) {
    const before = made.length
    made.at(-1).greet()
    assert.equal(peer.state, 'ready')
    const now = clock.call(performance)
    performance.now = () => now + readyFor
    made.at(-1).lose()
    performance.now = clock
    pass(longest / 2 - 1)
    assert.equal(made.length, before)
    pass(longest / 2 + 1)
    assert.equal(made.length, before + 1)
  }
})

test('waits begin anew after a proven answer', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  let attempts = 0
  const line = new Attempts(() => (attempts += 1))
  for (const answered of [false, false, false, true]) {
    line.lost(answered)
    t.mock.timers.tick(answered ? 1_000 : LONGEST_MS)
  }
  assert.equal(attempts, 4)
})

test('a full, restarting or silent peer is tried again; one that lies, complains or is closed is not', () => {
  const peer = (code, disconnect = null) => mayReturn({ by: 'peer', code, disconnect })
  for (const code of [1000, 1001, 1005, 1006, 1011, 1012, 1013]) assert.ok(peer(code), `code ${code}`)
  for (const code of [1002, 1003, 1007, 1008, 1009]) assert.ok(!peer(code), `code ${code}`)
  for (const reason of [0, 1, 4, 8, 11, 16, 99]) assert.ok(peer(4000 + reason, reason), `reason ${reason}`)
  for (const reason of [2, 3, 5, 6, 7, 9, 10]) assert.ok(!peer(4000 + reason, reason), `reason ${reason}`)
  for (const code of [4004, 4011]) assert.ok(mayReturn({ by: 'fault', code, disconnect: null }), `fault ${code}`)
  for (const code of [1006, 4002, 4003, 4006]) assert.ok(!mayReturn({ by: 'fault', code, disconnect: null }), `fault ${code}`)
  assert.ok(!mayReturn({ by: 'user', code: 1000, disconnect: null }))
})

test('a breach of protocol and another network end a peer for good', async (t) => {
  const { db, peer, events, pass } = await lonely(t)
  const foreign = db.addPeer(URL_OF_PEER)
  made[0].open()
  made[0].emit('message', { data: bytes(2, 0xc0).buffer })
  made[1].open()
  greet(made[1], { ...NETWORK, id: 5 })
  for (const each of [peer, foreign]) assert.equal((await each.closed).by, 'fault')
  pass()
  assert.deepEqual([made.length, db.peers.length], [2, 0])
  assert.deepEqual(events.map(([, state, { by }]) => [state, by]), [['closed', 'fault'], ['closed', 'fault']])
})

test('a full server is tried again', async (t) => {
  const { peer, pass } = await lonely(t)
  made[0].open()
  made[0].emit('message', { data: disconnect(4).buffer })
  assert.deepEqual([peer.state, peer.stats.closed.reason, peer.stats.faults], ['waiting', 'the peer has too many peers', 0])
  pass(1_000)
  assert.equal(made.length, 2)
})

test('reconnect: false, and a socket that was handed over, end with their connection', async (t) => {
  const { db, peer, pass } = await lonely(t, { reconnect: false })
  const socket = new EventSocket()
  const given = db.addPeer(socket)
  made[0].lose()
  socket.emit('close', { code: 1006 })
  for (const each of [peer, given]) assert.equal((await each.closed).by, 'peer')
  pass()
  assert.equal(made.length, 1)
  assert.throws(() => db.addPeer(URL_OF_PEER, { reconnect: 'no' }), { code: 'BAD_ARGUMENT' })
})

test('a peer that waits can be closed, also from inside its event', async (t) => {
  const { db, peer, pass } = await lonely(t)
  made[0].lose()
  peer.close()
  assert.equal((await peer.closed).by, 'user')
  const inside = await open({ network: NETWORK, memory: true, onEvent: ({ peer, state }) => state === 'waiting' && peer.close() })
  const other = inside.addPeer(URL_OF_PEER)
  made[1].lose()
  assert.equal((await other.closed).by, 'user')
  pass()
  assert.deepEqual([made.length, db.peers.length, inside.peers.length], [2, 0, 0])
  await inside.close()
})

test('nothing is connected to after the database was closed', async (t) => {
  const { db, peer, pass } = await lonely(t)
  made[0].lose()
  await db.close()
  assert.equal((await peer.closed).by, 'user')
  pass()
  assert.equal(made.length, 1)
})

test('a URL that can be used no more ends the peer with the reason', async (t) => {
  const { peer, pass } = await lonely(t)
  made[0].lose()
  globalThis.WebSocket = class {
    constructor() {
      throw new SyntaxError('not from here')
    }
  }
  pass(1_000)
  const closed = await peer.closed
  assert.equal(closed.by, 'fault')
  assert.match(closed.reason, /peer\.example/)
})

test('lost peers are connected to at once when the network or the page is back', async (t) => {
  const [network, page] = [new EventTarget(), Object.assign(new EventTarget(), { visibilityState: 'hidden' })]
  const listeners = new Set()
  globalThis.addEventListener = (type, listener) => {
    listeners.add(listener)
    network.addEventListener(type, listener)
  }
  globalThis.removeEventListener = (type, listener) => {
    listeners.delete(listener)
    network.removeEventListener(type, listener)
  }
  globalThis.document = page
  t.after(() => {
    for (const name of ['addEventListener', 'removeEventListener', 'document']) delete globalThis[name]
  })
  const { db, peer } = await lonely(t)
  const shown = (persisted) => Object.assign(new Event('pageshow'), { persisted })
  const wakes = [
    () => network.dispatchEvent(new Event('online')),
    () => network.dispatchEvent(shown(true)),
    () => {
      page.visibilityState = 'visible'
      page.dispatchEvent(new Event('visibilitychange'))
    },
  ]
  for (const wake of wakes) {
    made.at(-1).lose()
    const before = made.length
    page.visibilityState = 'hidden'
    page.dispatchEvent(new Event('visibilitychange'))
    network.dispatchEvent(shown(false))
    assert.equal(made.length, before, 'no reason to hurry')
    wake()
    wake()
    assert.deepEqual([made.length, peer.state], [before + 1, 'connecting'])
  }
  await db.close()
  assert.equal(listeners.size, 0)
})

test('a sync goes on with the peer that came back, from a worker too', async (t) => {
  const { port1, port2 } = new MessageChannel()
  serve(port1)
  const [events, waiting] = [[], []]
  const onEvent = (event) => {
    events.push(event.state)
    waiting.shift()?.()
  }
  const next = () => new Promise((resolve) => waiting.push(resolve))
  const db = await openInWorker(port2, { network: NETWORK, memory: true, onEvent })
  t.after(async () => {
    await db.close()
    port1.close()
  })
  const peer = db.addPeer(URL_OF_PEER)
  const sync = db.sync(SOME_ROOT)
  sync.catch(() => {})
  while (made.length < 1) await turn()
  const ready = next()
  made[0].greet()
  await ready
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const lost = next()
  made[0].lose()
  await lost
  assert.equal(peer.state, 'waiting')
  t.mock.timers.tick(1_000)
  const again = next()
  made[1].greet()
  await again
  // Behind both Statuses come requests.
  while (made[1].sent.length < 3) await turn()
  t.mock.timers.reset()
  assert.deepEqual(events, ['ready', 'waiting', 'ready'])
  sync.cancel()
})
