// How a peer is asked is said to addPeer, and reaches the wire on every connection to it.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openInWorker, serve } from '../worker.js'
import { NETWORK, memory, turn } from './support/database.mjs'
import { EventSocket, bytes, greet, greetByHash, rlp } from './support/sockets.mjs'

const URL_OF_PEER = 'ws://peer.example/'
/** The id of NewBlockHashes on a connection by hash. */
const NEW_BLOCK_HASHES = 0x11
/** The hash of the head in a double's Status. */
const HEAD = `0x${'09'.repeat(32)}`

const OFFERS = {
  snap: rlp([[Buffer.from('eth'), 69], [Buffer.from('snap'), 1]]),
  hash: rlp([[Buffer.from('eth'), 66]]),
}

/** Whether the first frame sent on a socket is a Hello that offers what goes with `by`. */
const offers = ({ sent: [hello] }, by) => hello[0] === 0x80 && Buffer.from(hello).includes(OFFERS[by])

/** Replaces WebSocket, and returns the sockets that are made of URLs, oldest first. */
function socketsOfUrls(t) {
  const made = []
  const before = globalThis.WebSocket
  t.after(() => {
    globalThis.WebSocket = before
  })
  globalThis.WebSocket = class extends EventSocket {
    protocol = 'devp2p.1'

    constructor() {
      super()
      made.push(this)
    }
  }
  return made
}

test('a peer is asked by snap unless by hash is said, and says how', async (t) => {
  const db = await memory(t)
  for (const [options, by] of [[undefined, 'snap'], [{}, 'snap'], [{ by: undefined }, 'snap'], [{ by: 'snap' }, 'snap'], [{ by: 'hash' }, 'hash']]) {
    const socket = new EventSocket()
    const peer = db.addPeer(socket, options)
    assert.ok(offers(socket, by), by)
    const row = db.progress().peers.find(({ id }) => id === peer.id)
    assert.deepEqual([peer.by, peer.stats.by, row.by], [by, by, by])
    peer.close()
    await peer.closed
    assert.deepEqual([peer.by, peer.stats.by], [by, by])
  }
})

test('another word than snap or hash is refused, and no peer is made of it', async (t) => {
  const db = await memory(t)
  for (const by of ['eth', 'HASH', null, 66]) {
    assert.throws(() => db.addPeer(new EventSocket(), { by }), { name: 'MisuseError', code: 'BAD_ARGUMENT' })
  }
  assert.deepEqual(db.progress().peers, [])
})

test('the head of a peer by hash has no number before it announces a block', async (t) => {
  const db = await memory(t)
  const socket = new EventSocket()
  const peer = db.addPeer(socket, { by: 'hash' })
  greetByHash(socket, NETWORK)
  assert.equal(peer.state, 'ready')
  db.progress()
  assert.deepEqual(peer.stats.head, { number: null, hash: HEAD })
  const announced = rlp([[Buffer.alloc(32, 7), 1_000]])
  socket.emit('message', { data: bytes(NEW_BLOCK_HASHES, ...announced).buffer })
  db.progress()
  assert.deepEqual(peer.stats.head, { number: 1_000, hash: `0x${'07'.repeat(32)}` })
})

test('a peer that does not speak what it is asked in is dropped, and the fault says so', async (t) => {
  const db = await memory(t)
  for (const [by, answer, words] of [['hash', greet, /eth\/66/], ['snap', greetByHash, /snap\/1/]]) {
    const socket = new EventSocket()
    const peer = db.addPeer(socket, { by })
    answer(socket, NETWORK)
    const closed = await peer.closed
    assert.equal(closed.by, 'fault')
    assert.match(closed.reason, words)
  }
})

test('a peer by hash that was lost is asked by hash again', async (t) => {
  const made = socketsOfUrls(t)
  const db = await memory(t)
  t.mock.timers.enable({ apis: ['setTimeout'] })
  t.after(() => t.mock.timers.reset())
  const peer = db.addPeer(URL_OF_PEER, { by: 'hash' })
  greetByHash(made[0], NETWORK)
  made[0].emit('close', { code: 1006 })
  assert.deepEqual([peer.state, peer.by], ['waiting', 'hash'])
  t.mock.timers.tick(1_000)
  assert.equal(made.length, 2)
  assert.ok(made.every((socket) => offers(socket, 'hash')))
  greetByHash(made[1], NETWORK)
  assert.equal(peer.state, 'ready')
})

test('a worker asks a peer by hash too', async (t) => {
  const made = socketsOfUrls(t)
  const { port1, port2 } = new MessageChannel()
  serve(port1)
  const db = await openInWorker(port2, { network: NETWORK, memory: true })
  t.after(async () => {
    await db.close()
    port1.close()
  })
  const peers = [db.addPeer(URL_OF_PEER, { by: 'hash' }), db.addPeer(URL_OF_PEER)]
  assert.throws(() => db.addPeer(URL_OF_PEER, { by: 'eth' }), { name: 'MisuseError', code: 'BAD_ARGUMENT' })
  while (made.length < 2) await turn()
  assert.deepEqual([offers(made[0], 'hash'), offers(made[1], 'snap')], [true, true])
  assert.deepEqual(peers.map(({ by }) => by), ['hash', 'snap'])
})
