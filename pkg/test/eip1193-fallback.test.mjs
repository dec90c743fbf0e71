// The fallback of the provider: a caller's object, or a URL over HTTP or WebSocket. It gets what
// cannot be proven and nothing else, and what it says comes through as it is.

import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { Chain, TestProvider, addressOf, startProvider } from '../../xtask/node/provider.mjs'
import { RpcError } from '../../xtask/node/provider/modes.mjs'
import { createProvider } from '../provider.js'
import { open } from '../snaplight.js'
import { turn } from './support/database.mjs'
import { WebSocket } from './support/ws.mjs'

const KINDS = ['http', 'ws']
const PLAIN = addressOf(3)
/** What a contract reverts with, longer than what is kept of a peer's error. */
const REVERTED = `0x08c379a0${'5f'.repeat(4_000)}`

let chain
before(async () => {
  chain = await Chain.generate({ accounts: 20, contracts: 1, slots: 2 })
  globalThis.WebSocket ??= WebSocket
})

async function synced(t) {
  const db = await open({ network: { id: chain.chainId, genesisHash: chain.genesisHash }, memory: true, hold: 'set' })
  t.after(() => db.close())
  const peer = db.addPeer(new TestProvider(chain))
  const tracked = db.track([PLAIN])
  await db.sync({ blockHash: chain.head.hash })
  await tracked
  peer.close()
  return db
}

/** A provider with a fallback on loopback that answers some calls itself. */
async function withUrl(t, kind, mode = {}) {
  const server = await startProvider(chain, { refuse: refusing, ...mode })
  t.after(() => server.close())
  const db = await synced(t)
  const provider = createProvider(db, { fallback: server[kind] })
  return { db, provider, server }
}

function refusing({ method, params }) {
  if (method === 'eth_call') throw new RpcError(3, 'execution reverted', params[0]?.data ?? REVERTED)
  if (method === 'eth_estimateGas') throw new RpcError(-32000, 'insufficient funds', { have: '0x0', nested: [1, null] })
}

const rpcError = (code, message, data) => (error) => {
  assert.deepEqual([error.name, error.code, error.data], ['ProviderRpcError', code, data], error.message)
  assert.match(error.message, message)
  return true
}

test('an object gets what cannot be proven, and its results come through as they are', async (t) => {
  const db = await synced(t)
  const calls = []
  const result = { number: 1n, list: [undefined] }
  const fallback = { request(call) { assert.equal(this, fallback); calls.push(call); return Promise.resolve(result) } }
  const provider = createProvider(db, { fallback })
  const unverified = []
  provider.on('unverified', (event) => unverified.push(event))
  const asked = [{ method: 'eth_call', params: [{ to: PLAIN }, 'latest'] }, { method: 'eth_gasPrice' }, { method: 'wallet_watchAsset', params: { type: 'ERC20' } }, { method: 'eth_getBlockByNumber', params: ['pending', true] }]
  for (const call of asked) assert.equal(await provider.request(call), result)
  assert.deepEqual(calls, asked)
  assert.deepEqual(unverified, asked)
})

test('what an object throws or rejects with comes through as it is', async (t) => {
  const db = await synced(t)
  for (const thrown of [Object.assign(new Error('User rejected'), { code: 4001, data: { reason: 'no' } }), { code: 3, data: REVERTED }, 'only words', undefined]) {
    for (const request of [() => { throw thrown }, () => Promise.reject(thrown)]) {
      await assert.rejects(createProvider(db, { fallback: { request } }).request({ method: 'eth_call', params: [] }), (error) => error === thrown)
    }
  }
})

test('what can be proven never goes to the fallback, not even when it fails', async (t) => {
  const db = await synced(t)
  const calls = []
  const provider = createProvider(db, { fallback: { request: async ({ method }) => calls.push(method) } })
  provider.on('unverified', ({ method }) => calls.push(method))
  const ask = (method, ...params) => provider.request({ method, params })
  assert.equal(await ask('eth_getBalance', PLAIN), `0x${chain.truth(PLAIN, [], chain.head).account.balance.toString(16)}`)
  for (const method of ['eth_chainId', 'net_version', 'eth_accounts', 'eth_blockNumber']) await ask(method)
  const missing = addressOf(9)
  for (const [method, ...params] of [
    ['eth_getBalance', missing], ['eth_getTransactionCount', missing], ['eth_getCode', missing], ['eth_getStorageAt', missing, '0x0'], ['eth_getStorageValues', { [missing]: ['0x0'] }],
    ['eth_getProof', missing, []], ['eth_getBalance', PLAIN, '0x99'], ['eth_getBalance', PLAIN, 'pending'], ['eth_getBalance', 'x'],
  ]) await assert.rejects(ask(method, ...params), ({ code }) => code === -32001 || code === -32602)
  assert.deepEqual(calls, [])
})

test('subscriptions are refused, because no events come through', async (t) => {
  const provider = createProvider(await synced(t), { fallback: { request: async () => '0x1' } })
  for (const method of ['eth_subscribe', 'eth_unsubscribe']) {
    await assert.rejects(provider.request({ method, params: ['newHeads'] }), rpcError(4200, new RegExp(`^the method ${method} does not exist/is not available$`)))
  }
})

for (const kind of KINDS) {
  test(`${kind}: nothing is connected to before the first call that needs it`, async (t) => {
    const { provider, server } = await withUrl(t, kind)
    await provider.request({ method: 'eth_getBalance', params: [PLAIN] })
    await turn()
    assert.deepEqual([server.stats.connections, server.stats.batches], [0, []])
    const block = await provider.request({ method: 'eth_getBlockByNumber', params: ['latest', false] })
    assert.equal(block.hash, chain.head.hash)
    assert.deepEqual([server.stats.connections, server.stats.batches], [kind === 'ws' ? 1 : 0, [1]])
    assert.equal(await provider.request({ method: 'eth_getBlockByHash', params: [`0x${'12'.repeat(32)}`, false] }), null)
  })

  test(`${kind}: an error of the server comes through with its code, words and data`, async (t) => {
    const { provider } = await withUrl(t, kind)
    const ask = (method, ...params) => provider.request({ method, params })
    await Promise.all([
      assert.rejects(ask('eth_call'), rpcError(3, /^execution reverted$/, REVERTED)),
      assert.rejects(ask('eth_call', { data: '0x' }), rpcError(3, /^execution reverted$/, '0x')),
      assert.rejects(ask('eth_estimateGas'), rpcError(-32000, /^insufficient funds$/, { have: '0x0', nested: [1, null] })),
      assert.rejects(ask('eth_nothing'), rpcError(-32601, /^the method eth_nothing does not exist/)),
    ])
  })

  test(`${kind}: a hundred calls at once go out in batches, and each gets its own answer`, async (t) => {
    const { provider, server } = await withUrl(t, kind)
    const blocks = await Promise.all(Array.from({ length: 100 }, (_, at) => provider.request({ method: 'eth_getBlockByNumber', params: [at % 2 ? '0x0' : '0x99', false] })))
    for (const [at, block] of blocks.entries()) assert.equal(block?.hash, at % 2 ? chain.head.hash : undefined)
    assert.deepEqual(server.stats.batches, Array(5).fill(20))
  })

  test(`${kind}: parameters that are no JSON are refused, and the next call is answered`, async (t) => {
    const { provider } = await withUrl(t, kind)
    const cycle = []
    cycle.push(cycle)
    for (const params of [[1n], cycle, [{ get key() { throw new Error('boom') } }]]) {
      await assert.rejects(provider.request({ method: 'eth_call', params }), rpcError(-32602, /JSON/))
    }
    assert.equal((await provider.request({ method: 'eth_getBlockByNumber', params: ['latest', false] })).hash, chain.head.hash)
  })
}

test('a WebSocket’s URL is refused at once where there are no WebSockets', async (t) => {
  const db = await synced(t)
  const before = globalThis.WebSocket
  t.after(() => (globalThis.WebSocket = before))
  globalThis.WebSocket = undefined
  assert.throws(() => createProvider(db, { fallback: 'ws://127.0.0.1:9/' }), { name: 'UnsupportedError' })
})

test('http: a status without an answer is an error that can be tried again', async (t) => {
  for (const [status, code] of [[429, -32005], [503, -32603], [403, -32603]]) {
    const { provider } = await withUrl(t, 'http', { line: { status } })
    await assert.rejects(provider.request({ method: 'eth_gasPrice' }), rpcError(code, new RegExp(`^The fallback 127.0.0.1:.* HTTP status ${status}$`)))
  }
})

test('a server that is not there is an error that can be tried again', async (t) => {
  const db = await synced(t)
  for (const url of ['http://127.0.0.1:9/key', 'ws://127.0.0.1:9/key']) {
    const provider = createProvider(db, { fallback: url })
    for (let at = 0; at < 2; at++) await assert.rejects(provider.request({ method: 'eth_gasPrice' }), rpcError(-32603, /^The fallback 127.0.0.1:9 did not answer/))
  }
})

test('ws: a connection that is lost is made again by the next call', async (t) => {
  const line = {}
  const { provider, server } = await withUrl(t, 'ws', { line })
  const ask = () => provider.request({ method: 'eth_getBlockByNumber', params: ['latest', false] })
  await ask()
  line.silent = true
  const lost = assert.rejects(ask(), rpcError(-32603, /did not answer/))
  while (server.stats.batches.length < 2) await turn()
  server.cut(1012)
  await lost
  line.silent = false
  assert.equal((await ask()).hash, chain.head.hash)
  assert.equal(server.stats.connections, 2)
})

test('ws: nothing is connected to when a listener closes the database before the call', async (t) => {
  const { db, provider, server } = await withUrl(t, 'ws')
  provider.on('unverified', () => db.close())
  await assert.rejects(provider.request({ method: 'eth_gasPrice' }), rpcError(4900, /closed/, { code: 'CLOSED' }))
  await db.close()
  assert.equal(server.stats.connections, 0)
})

test('an error of a server that is oddly written is an error all the same', async (t) => {
  for (const error of [{ code: 7, message: { toString: 1 } }, { code: 7 }, { code: '7', message: 'a' }, 'words', 7, { message: null }, [], true]) {
    const { provider } = await withUrl(t, 'http', { line: { status: 200, body: JSON.stringify({ jsonrpc: '2.0', id: 1, error }) } })
    await assert.rejects(provider.request({ method: 'eth_gasPrice' }), (made) => {
      assert.ok(made.name === 'ProviderRpcError' && made.message.length > 0)
      assert.equal(made.code, error.code === 7 ? 7 : -32603)
      return true
    })
  }
})

for (const kind of KINDS) {
  test(`${kind}: the fallback is closed with the database, and its calls end`, async (t) => {
    const { db, provider, server } = await withUrl(t, kind, { line: { silent: true } })
    const call = assert.rejects(provider.request({ method: 'eth_gasPrice' }), rpcError(4900, /closed/, { code: 'CLOSED' }))
    while (server.stats.batches.length < 1) await turn()
    await db.close()
    await call
    await assert.rejects(provider.request({ method: 'eth_gasPrice' }), rpcError(4900, /closed/, { code: 'CLOSED' }))
    assert.equal(server.stats.batches.length, 1)
  })
}
