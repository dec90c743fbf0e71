// Every object like a WebSocket can be a peer. Nothing that it does throws, hangs, or calls back
// into an object in use.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SOME_ROOT, memory, turn } from './support/database.mjs'
import { ChannelSocket, EventSocket, HandlerSocket, bytes, countingListeners, disconnect } from './support/sockets.mjs'

/** Message id of Hello. */
const HELLO = 0x80

for (const Socket of [EventSocket, HandlerSocket, ChannelSocket]) {
  test(`${Socket.name}: an open socket is sent Hello at once, is read, and has no listeners after the end`, async (t) => {
    const db = await memory(t)
    const socket = new Socket()
    const peer = db.addPeer(socket)
    assert.equal(peer.state, 'greeting')
    assert.equal(socket.sent.length, 1)
    assert.equal(socket.sent[0][0], HELLO)
    if ('binaryType' in socket) assert.equal(socket.binaryType, 'arraybuffer')
    socket.emit('message', { data: disconnect(4).buffer })
    const closed = await peer.closed
    assert.deepEqual(closed, { by: 'peer', code: 4004, reason: 'the peer has too many peers', disconnect: 4 })
    assert.deepEqual([peer.state, peer.stats.faults, peer.stats.closed], ['closed', 0, closed])
    assert.equal(socket.sent.length, 1, 'nothing is answered to a Disconnect')
    assert.ok(socket.closedWith)
    assert.deepEqual(db.peers, [])
    const before = socket.sent.length
    socket.emit('message', { data: bytes(2, 0xc0) })
    assert.equal(socket.sent.length, before)
  })
}

test('a socket that still connects is sent Hello when it opens', async (t) => {
  const db = await memory(t)
  const socket = new EventSocket()
  socket.readyState = 0
  const peer = db.addPeer(socket, { name: 'slow' })
  assert.deepEqual([peer.name, peer.state, socket.sent.length], ['slow', 'connecting', 0])
  socket.readyState = 1
  socket.emit('open')
  assert.deepEqual([peer.state, socket.sent.length], ['greeting', 1])
})

test('a connection that never opens ends with a reason', async (t) => {
  const db = await memory(t)
  const socket = new EventSocket()
  socket.readyState = 0
  const peer = db.addPeer(socket)
  socket.emit('error')
  socket.emit('close', { code: 1006, reason: '' })
  const { reason, ...closed } = await peer.closed
  assert.deepEqual(closed, { by: 'peer', code: 1006, disconnect: null })
  assert.match(reason, /^the connection could not be opened\. Likely causes: /)
})

test('a socket that fails by an error alone, as that of Node 22 does, ends too; a close event that comes in time says more', async (t) => {
  const db = await memory(t)
  const [alone, closing] = [new EventSocket(), new EventSocket()]
  alone.readyState = closing.readyState = 0
  const peers = [db.addPeer(alone), db.addPeer(closing)]
  alone.emit('error', { message: 'refused' })
  closing.emit('error')
  closing.emit('close', { code: 1013, reason: 'too busy' })
  const [first, second] = await Promise.all(peers.map(({ closed }) => closed))
  assert.deepEqual([first.by, first.code, second.code, second.reason], ['peer', 1006, 1013, 'too busy'])
  assert.match(first.reason, /^the connection could not be opened: refused\. /)
})

for (const [reason, code, words] of [
  [0, 1000, /ended the connection/],
  [1, 4001, /broke/],
  [2, 4002, /we broke the protocol/],
  [4, 4004, /too many peers/],
  [8, 4008, /shuts down/],
  [11, 4011, /too long/],
  [16, 4016, /a reason of its own/],
  [99, 4016, /devp2p reason 99/],
]) {
  test(`a Disconnect with reason ${reason} is not answered, and told with its code and in words`, async (t) => {
    const db = await memory(t)
    const [saying, closing] = [new EventSocket(), new EventSocket()]
    const peers = [db.addPeer(saying), db.addPeer(closing)]
    saying.emit('message', { data: disconnect(reason).buffer })
    // Its close event comes afterwards and is not another end.
    saying.emit('close', { code, reason: '' })
    const closed = await peers[0].closed
    assert.deepEqual([closed.by, closed.code, closed.disconnect], ['peer', code, reason])
    assert.match(closed.reason, words)
    assert.deepEqual([saying.sent.length, peers[0].stats.faults], [1, 0])
    if (reason === 0 || reason > 16) return
    // A close code says the same, if no Disconnect has come before it.
    closing.emit('close', { code, reason: '' })
    assert.deepEqual(await peers[1].closed, closed)
  })
}

test('a close code that is none of devp2p’s, and the server’s own words, are told as they came', async (t) => {
  const db = await memory(t)
  for (const [code, reason, told] of [[1000, '', 'the peer closed the connection'], [1013, 'come later', 'come later'], [4900, '', 'the peer closed the connection']]) {
    const socket = new EventSocket()
    const peer = db.addPeer(socket)
    socket.emit('close', { code, reason })
    assert.deepEqual(await peer.closed, { by: 'peer', code, reason: told, disconnect: null })
  }
})

test('a text frame, and one above 10 MiB, end the connection as the peer’s fault', async (t) => {
  const db = await memory(t)
  const [texting, huge] = [new EventSocket(), new EventSocket()]
  const peers = [db.addPeer(texting), db.addPeer(huge)]
  texting.emit('message', { data: 'hello' })
  huge.emit('message', { data: new ArrayBuffer(10 * 1024 * 1024 + 1) })
  for (const [peer, socket, words] of [[peers[0], texting, /text/], [peers[1], huge, /10485761 bytes/]]) {
    const closed = await peer.closed
    assert.equal(closed.by, 'fault')
    assert.match(closed.reason, words)
    assert.match(peer.stats.lastFault, words)
    assert.equal(peer.stats.faults, 1)
    assert.ok(socket.closedWith.code === 1000 || socket.closedWith.code >= 3000, 'a code that browsers let pages send')
    assert.ok(new TextEncoder().encode(socket.closedWith.reason).length <= 123)
  }
})

test('bytes come as ArrayBuffer, as any view of one, or from another realm', async (t) => {
  const db = await memory(t)
  const { runInNewContext } = await import('node:vm')
  const message = disconnect(4)
  const padded = new Uint8Array([9, 9, ...message, 9])
  const deliveries = [
    message.buffer,
    padded.subarray(2, 2 + message.length),
    new DataView(padded.buffer, 2, message.length),
    Buffer.from(message),
    runInNewContext(`Uint8Array.of(${message}).buffer`),
  ]
  for (const data of deliveries) {
    const socket = new EventSocket()
    const peer = db.addPeer(socket)
    socket.emit('message', { data })
    assert.equal((await peer.closed).disconnect, 4)
  }
})

test('a Blob, which cannot be read at once, is refused with advice', async (t) => {
  const db = await memory(t)
  const socket = new EventSocket()
  const peer = db.addPeer(socket)
  socket.emit('message', { data: new Blob(['x']) })
  assert.match((await peer.closed).reason, /binaryType/)
})

test('a peer that reads nothing is not sent more and more', async (t) => {
  const db = await memory(t)
  const socket = new EventSocket()
  socket.bufferedAmount = 2 * 1024 * 1024
  const peer = db.addPeer(socket)
  assert.match((await peer.closed).reason, /does not read/)
})

test('a socket whose send throws is a peer that left', async (t) => {
  const db = await memory(t)
  const socket = new EventSocket()
  socket.send = () => {
    throw new Error('out of order')
  }
  const peer = db.addPeer(socket)
  const closed = await peer.closed
  assert.equal(closed.by, 'peer')
  assert.match(closed.reason, /out of order/)
})

test('closing a peer sends Disconnect, closes the socket, and listens only to its errors until it has ended', async (t) => {
  const db = await memory(t)
  const socket = new EventSocket()
  const listeners = countingListeners(socket)
  const peer = db.addPeer(socket)
  assert.deepEqual(listeners, { open: 1, message: 1, close: 2, error: 1 })
  peer.close()
  peer.close()
  assert.deepEqual([...socket.sent.at(-1)], [...disconnect(8)])
  assert.equal(socket.closedWith.code, 1000)
  assert.equal((await peer.closed).by, 'user')
  assert.deepEqual(listeners, { open: 0, message: 0, close: 1, error: 1 })
  socket.emit('error')
  socket.emit('close', { code: 1006 })
  assert.deepEqual(listeners, { open: 0, message: 0, close: 0, error: 0 })
})

test('a socket that ends by itself loses its listeners at once', async (t) => {
  const db = await memory(t)
  const [socket, small] = [new EventSocket(), new HandlerSocket()]
  const listeners = countingListeners(socket)
  const peers = [db.addPeer(socket), db.addPeer(small)]
  assert.equal(typeof small.onerror, 'function')
  for (const ended of [socket, small]) {
    ended.readyState = 3
    ended.emit('close', { code: 1006 })
  }
  for (const peer of peers) assert.equal((await peer.closed).by, 'peer')
  assert.deepEqual(listeners, { open: 0, message: 0, close: 0, error: 0 })
  assert.deepEqual([small.onopen, small.onmessage, small.onclose, small.onerror], [null, null, null, null])
})

test('a socket that is refused keeps no listener of the package, and is left to its owner', async (t) => {
  const db = await memory(t)
  const socket = new EventSocket()
  const listeners = countingListeners(socket)
  const { addEventListener } = socket
  socket.addEventListener = (type, ...rest) => {
    if (type === 'message') throw new Error('not to be listened to')
    return addEventListener(type, ...rest)
  }
  assert.throws(() => db.addPeer(socket), { code: 'BAD_ARGUMENT' })
  assert.equal(socket.closedWith, null)
  assert.deepEqual({ open: listeners.open, close: listeners.close, error: listeners.error }, { open: 0, close: 0, error: 0 })
})

test('closing the database closes its peers', async (t) => {
  const db = await memory(t)
  const socket = new EventSocket()
  const peer = db.addPeer(socket)
  await db.close()
  assert.equal((await peer.closed).by, 'user')
  assert.equal(socket.closedWith.code, 1000)
})

test('a socket may answer, close and add peers from inside send', async (t) => {
  const db = await memory(t)
  const socket = new EventSocket()
  let others = 0
  socket.send = (data) => {
    socket.sent.push(data)
    if (others >= 3) return
    others += 1
    const other = new EventSocket()
    const peer = db.addPeer(other)
    db.progress()
    socket.emit('message', { data: bytes(2, 0xc0) })
    peer.close()
  }
  socket.close = (code, reason) => {
    socket.closedWith = { code, reason }
    socket.emit('close', { code, reason })
  }
  const peer = db.addPeer(socket)
  // The ping came before Hello, which is a fault like any other.
  assert.equal((await peer.closed).by, 'fault')
  await turn()
  assert.deepEqual(db.peers, [])
})

test('a close event inside close() is not handled twice', async (t) => {
  const db = await memory(t)
  const socket = new HandlerSocket()
  socket.close = function (code, reason) {
    this.emit('close', { code, reason: 'an echo' })
    this.closedWith = { code, reason }
  }
  const peer = db.addPeer(socket)
  peer.close()
  assert.equal((await peer.closed).by, 'user')
})

test('the same socket twice, a closed one and an object that is no socket are refused, and keep no listeners', async (t) => {
  const db = await memory(t)
  const socket = new EventSocket()
  const peer = db.addPeer(socket)
  assert.throws(() => db.addPeer(socket), { code: 'SOCKET_IN_USE' })
  peer.close()
  await peer.closed
  const refused = [
    [Object.assign(new EventSocket(), { readyState: 2 }), 'SOCKET_CLOSED'],
    [Object.assign(new ChannelSocket(), { readyState: 'closing' }), 'SOCKET_CLOSED'],
    [{}, 'BAD_ARGUMENT'],
    [{ send() {} }, 'BAD_ARGUMENT'],
    [null, 'BAD_ARGUMENT'],
    [5, 'BAD_ARGUMENT'],
    ['http://peer.example', 'BAD_ARGUMENT'],
    ['no URL', 'BAD_ARGUMENT'],
    [new Proxy({}, { get() { throw new Error('hostile') } }), 'BAD_ARGUMENT'],
    [Object.freeze({ binaryType: 'blob', send() {}, close() {}, onmessage: null }), 'BAD_ARGUMENT'],
  ]
  for (const [value, code] of refused) assert.throws(() => db.addPeer(value), { name: 'MisuseError', code })
  assert.deepEqual(db.peers, [])
  assert.deepEqual(db.progress().peers.map(({ id }) => id), [peer.id])
})

test('ids count the peers that were taken, and closed ones are forgotten after 64', async (t) => {
  const db = await memory(t)
  for (let id = 1; id <= 70; id += 1) {
    const peer = db.addPeer(new EventSocket())
    assert.equal(peer.id, id)
    peer.close()
  }
  assert.equal(db.progress().peers.length, 64)
  assert.equal(db.progress().peers[0].id, 7)
})

test('a peer that breaks the protocol while a sync runs is dropped, and the sync goes on', async (t) => {
  const db = await memory(t)
  const sync = db.sync(SOME_ROOT)
  const socket = new EventSocket()
  const peer = db.addPeer(socket)
  socket.emit('message', { data: bytes(0xff, 0xff, 0xff).buffer })
  assert.equal((await peer.closed).by, 'fault')
  await turn()
  assert.match(db.progress().waiting, /peer/)
  sync.cancel()
  await assert.rejects(sync, { code: 'CANCELLED' })
})
