// Closes `ws` sockets in different ways: `sockets.mjs SCENARIO`. The process must end by itself and
// without an error. Otherwise an error was not caught, or something keeps the process alive.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { crashed } from '../../lib/crash.js'
import { open, openInWorker, serve } from '../../worker.js'
import { WebSocket, WebSocketServer } from '../support/ws.mjs'

const NETWORK = { id: 1, genesisHash: `0x${'11'.repeat(32)}` }
const EVENTS = ['open', 'message', 'close', 'error']

/** Sockets made here or by the package of a URL. */
const made = []
globalThis.WebSocket = class extends WebSocket {
  constructor(...options) {
    super(...options)
    made.push(this)
  }
}

/** Takes connections and never answers. */
const silent = createServer((connection) => connection.on('error', () => {}))
silent.listen(0, '127.0.0.1')
await once(silent, 'listening')
const url = `ws://127.0.0.1:${silent.address().port}`

const memory = () => open({ network: NETWORK, memory: true })

const scenarios = {
  async 'the peer is closed while it connects'() {
    const db = await memory()
    const peer = db.addPeer(new globalThis.WebSocket(url, 'devp2p.1'))
    peer.close()
    assert.equal((await peer.closed).by, 'user')
    await ended()
    await db.close()
  },

  async 'the database is closed while a peer connects'() {
    const db = await memory()
    const peer = db.addPeer(new globalThis.WebSocket(url, 'devp2p.1'))
    await db.close()
    assert.equal((await peer.closed).by, 'user')
    await ended()
  },

  async 'the peer was given by its URL'() {
    const db = await memory()
    const peer = db.addPeer(url)
    peer.close()
    assert.equal((await peer.closed).by, 'user')
    await ended()
    await db.close()
  },

  async 'the database is in a worker'() {
    const { port1, port2 } = new MessageChannel()
    serve(port1)
    const db = await openInWorker(port2, { network: NETWORK, memory: true })
    const peer = db.addPeer(url)
    await db.close()
    assert.equal((await peer.closed).by, 'user')
    await ended()
    port1.close()
  },

  async 'the module crashes while a peer connects'() {
    const db = await memory()
    const peer = db.addPeer(new globalThis.WebSocket(url, 'devp2p.1'))
    crashed('a test')
    assert.equal((await peer.closed).by, 'fault')
    // The listeners of a module that has stopped stay where they are, and do nothing.
    await end(made[0])
    await db.close()
  },

  async 'the socket made of a URL is refused'() {
    const listen = globalThis.WebSocket.prototype.addEventListener
    globalThis.WebSocket.prototype.addEventListener = function (event, ...rest) {
      if (event === 'open') throw new Error('not to be listened to')
      return listen.call(this, event, ...rest)
    }
    const db = await memory()
    assert.throws(() => db.addPeer(url), { code: 'BAD_ARGUMENT' })
    await ended()
    await db.close()
  },

  async 'nothing listens at the address'() {
    await new Promise((resolve) => silent.close(resolve))
    const db = await memory()
    const peer = db.addPeer(new globalThis.WebSocket(url, 'devp2p.1'))
    const { reason, ...closed } = await peer.closed
    assert.deepEqual(closed, { by: 'peer', code: 1006, disconnect: null })
    assert.match(reason, /^the connection could not be opened \(ws:.*ECONNREFUSED/)
    await ended()
    await db.close()
  },

  async 'the server breaks the protocol after the peer was closed'() {
    const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
    await once(server, 'listening')
    server.on('connection', (connection, { socket }) => {
      connection.on('error', () => {})
      // Reserved bits: the answer to what the client sends before its close frame.
      connection.once('message', () => socket.write(Uint8Array.of(0xf2, 0)))
    })
    const db = await memory()
    const socket = new globalThis.WebSocket(`ws://127.0.0.1:${server.address().port}`, 'devp2p.1')
    const errors = []
    const peer = db.addPeer(socket)
    // This listener runs after the package's own, which has sent Hello by then.
    socket.addEventListener('open', () => peer.close(), { once: true })
    // The listeners are only counted, because a listener of the test would hide that there is none.
    const { emit } = socket
    socket.emit = function (event, ...rest) {
      if (event === 'error') errors.push(rest[0].code)
      return emit.call(this, event, ...rest)
    }
    assert.equal((await peer.closed).by, 'user')
    await ended()
    assert.deepEqual(errors, ['WS_ERR_UNEXPECTED_RSV_2_3'])
    await db.close()
    server.close()
  },

  async 'the socket has on... properties only'() {
    const socket = new globalThis.WebSocket(url, 'devp2p.1')
    const wrapper = {
      onopen: null, onmessage: null, onclose: null, onerror: null,
      get readyState() { return socket.readyState },
      send: (data) => socket.send(data),
      close: (code, reason) => socket.close(code, reason),
    }
    socket.on('error', (error) => {
      if (!wrapper.onerror) throw error
      wrapper.onerror({ error })
    })
    socket.on('close', (code) => wrapper.onclose?.({ code, reason: '' }))
    const db = await memory()
    const peer = db.addPeer(wrapper)
    peer.close()
    assert.equal((await peer.closed).by, 'user')
    await end(socket)
    assert.deepEqual([wrapper.onopen, wrapper.onmessage, wrapper.onclose, wrapper.onerror], [null, null, null, null])
    await db.close()
  },
}

/** Waits until every socket has ended, and checks that it has no listeners then. */
async function ended() {
  for (const socket of made) {
    await end(socket)
    assert.deepEqual(EVENTS.filter((event) => socket.listenerCount(event) > 0), [], 'a socket that has ended has no listeners')
  }
}

/**
 * Waits for the socket's end. `once` of `node:events` also listens to errors, which would hide that
 * nothing else does.
 */
function end(socket) {
  return new Promise((resolve) => (socket.readyState === WebSocket.CLOSED ? resolve() : socket.once('close', resolve)))
}

const [, , name] = process.argv
if (name === undefined) console.log(JSON.stringify(Object.keys(scenarios)))
else await scenarios[name]()
silent.close()
