// What somebody reads who has just installed the package: each message names what was given, what is
// wanted, and the URL where there is one.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { after, before, test } from 'node:test'
import { checkTarget } from '../lib/target.js'
import { open } from '../snaplight.js'
import { openInWorker } from '../worker.js'
import { EMPTY_CODE, EMPTY_ROOT, NETWORK, SOME_ROOT, memory } from './support/database.mjs'
import { EventSocket } from './support/sockets.mjs'
import { WebSocket, WebSocketServer } from './support/ws.mjs'

const MAINNET = "{ id: 1, genesisHash: '0xd4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3' }"
const misuse = (message) => ({ name: 'MisuseError', code: 'BAD_ARGUMENT', message })

const { WebSocket: given } = globalThis
before(() => {
  globalThis.WebSocket = WebSocket
})
after(() => {
  globalThis.WebSocket = given
})

for (const [name, options, got] of [
  ['open()', undefined, 'undefined'],
  ['open({ chainId: 1 })', { chainId: 1 }, '{ chainId }'],
  ['open({})', {}, '[object Object]'],
]) {
  test(`${name} says what it wants, by the example of mainnet, and what it got`, async () => {
    await assert.rejects(open(options), misuse(`options must be { network: ${MAINNET} } (that is mainnet); got ${got}.`))
  })
}

test('a network that is none, or half of one, is named with what is missing', async () => {
  await assert.rejects(open({ network: 1 }), misuse(`options.network must be ${MAINNET} (that is mainnet); got 1.`))
  await assert.rejects(open({ network: { chainId: 1 } }), misuse(/^options\.network\.id must be an id, such as 1: .*; got undefined\.$/))
  await assert.rejects(open({ network: { id: 1 } }), misuse(/^options\.network\.genesisHash must be a hash: .*; got undefined\.$/))
})

test('an object in place of an address is shown by its keys, with an address for an example', async (t) => {
  const db = await memory(t)
  await assert.rejects(db.getAccount({ address: '0x' }), misuse(/^address must be an address: .* such as 0x[0-9a-f]{40}, .*; got \{ address \}\.$/))
  await assert.rejects(db.getAccount(['0x', '0x']), misuse(/; got an array of 2\.$/))
  await assert.rejects(db.getAccount(() => 1), misuse(/; got \[object Function\]\.$/))
  await assert.rejects(db.getAccount(new Map()), misuse(/; got \[object Map\]\.$/))
  await assert.rejects(db.getAccount({ ['k'.repeat(5000)]: 1 }), (error) => error.message.length < 300)
})

test("the genesis block's hash, or the hash of no bytes, given as a root is refused by name and not waited for", async (t) => {
  const db = await memory(t)
  assert.throws(() => db.sync(NETWORK.genesisHash), misuse(/^target must be a state root, or \{ blockHash \} for a block; got "0x1+", which is the genesis block's hash\.$/))
  assert.throws(() => db.sync({ root: EMPTY_CODE }), misuse(/which is the hash of no bytes\.$/))
  const sync = db.sync(SOME_ROOT)
  assert.throws(() => sync.retarget(NETWORK.genesisHash), misuse(/which is the genesis block's hash/))
  assert.deepEqual([sync.target, db.progress().phase === 'idle'], [{ root: SOME_ROOT }, false], 'it goes on')
  sync.cancel()
  await assert.rejects(sync, { code: 'CANCELLED' })
  const wanted = db.sync({ blockHash: NETWORK.genesisHash })
  wanted.cancel()
  await assert.rejects(wanted, { code: 'CANCELLED' })
})

test("a state root that is held is not a block's hash", async (t) => {
  const db = await memory(t)
  await db.sync(EMPTY_ROOT)
  assert.throws(() => db.sync({ blockHash: EMPTY_ROOT }), misuse(/^target\.blockHash must be a block's hash, or \{ root \} for a state; got "0x56e8\w+", which is a state root\.$/))
})

test('the hash of a block that is held or followed is not a root', () => {
  const hash = (digits) => `0x${digits.repeat(32)}`
  const bytes = (digits) => new Uint8Array(32).fill(parseInt(digits, 16))
  const known = { network: NETWORK, states: [{ root: hash('0a'), block: { number: 7, hash: hash('0b') } }, { root: hash('0c'), block: null }], heads: [{ number: 9, hash: hash('0d') }, null] }
  assert.throws(() => checkTarget({ root: bytes('0b') }, known), misuse(/which is the hash of block 7\.$/))
  assert.throws(() => checkTarget({ root: bytes('0d') }, known), misuse(/which is the hash of block 9\.$/))
  for (const root of ['0a', '0c', '0e']) checkTarget({ root: bytes(root) }, known)
  for (const blockHash of ['0b', '0d', '0e']) checkTarget({ blockHash: bytes(blockHash) }, known)
  checkTarget({ header: {}, blockHash: bytes('0a') }, known)
})

/** How a connection to this URL ends. */
async function reasonOf(t, url, options) {
  const db = await memory(t)
  const { by, code, reason } = await db.addPeer(url, { reconnect: false, ...options }).closed
  assert.deepEqual([by, code], ['peer', 1006])
  return reason
}

async function listening(t, server) {
  await once(server.listen?.(0, '127.0.0.1') ?? server, 'listening')
  t.after(() => server.close())
  return server.address().port
}

test('a refused port, wss: to a ws: port, and a JSON-RPC endpoint are told with the URL, what Node knows, and the likely causes', async (t) => {
  const server = createServer((request, response) => response.writeHead(405).end())
  server.on('upgrade', (request, socket) => socket.end('HTTP/1.1 405 Method Not Allowed\r\n\r\n'))
  const port = await listening(t, server)
  const refused = createServer()
  const silent = await listening(t, refused)
  await new Promise((resolve) => refused.close(resolve))
  const causes = "Likely causes: nothing listens there; it is no snap peer (a JSON-RPC endpoint needs { by: 'rpc' })"
  assert.equal(await reasonOf(t, `ws://127.0.0.1:${silent}/`), `the connection could not be opened (ws://127.0.0.1:${silent}/): connect ECONNREFUSED 127.0.0.1:${silent}. ${causes}`)
  assert.equal(await reasonOf(t, `ws://127.0.0.1:${port}/`), `the connection could not be opened (ws://127.0.0.1:${port}/): Unexpected server response: 405. ${causes}`)
  const tls = await reasonOf(t, `wss://127.0.0.1:${port}/`)
  assert.match(tls, /^the connection could not be opened \(wss:\/\/127\.0\.0\.1:\d+\/\): .*wrong version number.*\. Likely causes: nothing listens there; it has no TLS \(ws: instead of wss:\) or a certificate that is not trusted; it is no snap peer/)
  const provider = await reasonOf(t, `ws://127.0.0.1:${port}/key`, { by: 'rpc' })
  assert.match(provider, /it is no JSON-RPC endpoint for WebSockets$/)
  assert.doesNotMatch(provider, /key/, "a provider's path may be a key")
})

test('a socket that was made without the subprotocol is told how to be made', async (t) => {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, verifyClient: ({ req }) => !!req.headers['sec-websocket-protocol'] })
  const port = await listening(t, server)
  const reason = await reasonOf(t, new WebSocket(`ws://127.0.0.1:${port}/`))
  assert.match(reason, /^the connection could not be opened \(ws:\/\/127\.0\.0\.1:\d+\/\): .* the socket did not offer 'devp2p\.1' \(new WebSocket\(url, 'devp2p\.1'\)\)$/)
})

test('a server that selects no subprotocol is named, and a JSON-RPC endpoint told what it needs', async (t) => {
  globalThis.WebSocket = class extends EventSocket {
    readyState = 0
    protocol = ''
    constructor() {
      super()
      queueMicrotask(() => {
        this.readyState = 1
        this.emit('open')
      })
    }
  }
  t.after(() => {
    globalThis.WebSocket = WebSocket
  })
  const db = await memory(t)
  const closed = await db.addPeer('ws://peer.example', { reconnect: false }).closed
  assert.deepEqual([closed.by, closed.reason], ['fault', "the server did not select the WebSocket subprotocol devp2p.1 (ws://peer.example/); a JSON-RPC endpoint needs { by: 'rpc' }"])
})

for (const [browser, Socket] of [
  ['Chromium', class extends EventSocket { readyState = 3 }],
  ['Firefox', class { constructor() { throw new DOMException('The operation is insecure.', 'SecurityError') } }],
]) {
  test(`a URL that the page's policy forbids is told by that, as ${browser} does it`, async (t) => {
    globalThis.WebSocket = Socket
    t.after(() => {
      globalThis.WebSocket = WebSocket
    })
    const db = await memory(t)
    const forbidden = { name: 'UnsupportedError', code: 'UNSUPPORTED', message: /^This page may not connect to wss:\/\/peer\.example\/: its Content-Security-Policy has to allow it \(connect-src\)/ }
    assert.throws(() => db.addPeer('wss://peer.example'), forbidden)
    assert.deepEqual(db.peers, [])
  })
}

test('a closed socket is named by its URL', async (t) => {
  const db = await memory(t)
  const socket = Object.assign(new EventSocket(), { readyState: 3, url: 'wss://peer.example/' })
  assert.throws(() => db.addPeer(socket), { code: 'SOCKET_CLOSED', message: /^The socket to wss:\/\/peer\.example\/ is closing or closed/ })
})

test('a provider that cannot be reached is told by its host, what Node knows, and the likely causes', async (t) => {
  const refused = createServer()
  const port = await listening(t, refused)
  await new Promise((resolve) => refused.close(resolve))
  const db = await memory(t)
  const peer = db.addPeer(`http://127.0.0.1:${port}/key`, { by: 'rpc' })
  const sync = db.sync({ blockHash: SOME_ROOT })
  for await (const { peers } of sync) if (peers[0].lastError) break
  sync.cancel()
  await assert.rejects(sync, { code: 'CANCELLED' })
  assert.match(peer.stats.lastError, new RegExp(`^the request failed \\(127\\.0\\.0\\.1:${port}\\): connect ECONNREFUSED .*\\(CORS\\)`))
  assert.doesNotMatch(peer.stats.lastError, /key/)
})

test('options in place of a worker are told their place', async () => {
  await assert.rejects(openInWorker({ network: NETWORK }, undefined), misuse(/^options must be/))
  await assert.rejects(openInWorker({ network: NETWORK }, { network: NETWORK }), misuse('worker must be a Worker, a MessagePort, or undefined (the options come second); got { network }.'))
})
