// What carries calls to providers: objects with `request`, HTTP and WebSockets. Each call ends once,
// with a result or with an error of one form, whatever the provider does.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { before, test } from 'node:test'
import { Chain, TestProvider, startProvider } from '../../xtask/node/provider.mjs'
import { LIMITS, ODDITIES } from '../../xtask/node/provider/modes.mjs'
import { contractOf } from '../../xtask/node/provider/chain.mjs'
import { ForwardedProvider, openProvider, requested } from '../lib/provider.js'
import { WebSocket, WebSocketServer } from './support/ws.mjs'

const KINDS = ['http', 'ws']
const CHAIN_ID = { method: 'eth_chainId', params: [] }
const NO_ERROR = { code: 0, message: '', data: '', status: 0, retryAfterMs: null }
/** The cap of a call. */
const CALL_TIMEOUT_MS = 60_000
/** Most calls of a batch. */
const SIZE = 20

let chain
before(async () => {
  chain = await Chain.generate({ accounts: 20, contracts: 2, slots: 5 })
  globalThis.WebSocket ??= WebSocket
})

/** A provider on loopback, and what the package makes of its URL. */
async function opened(t, kind, mode) {
  const server = await startProvider(chain, mode)
  const lost = []
  const provider = openProvider(server[kind], (...how) => lost.push(how))
  t.after(() => {
    provider.close()
    return server.close()
  })
  return { server, provider, lost, stats: server.stats }
}

/** Many calls in one turn: what comes of each. */
function many(provider, count, call = CHAIN_ID) {
  return Promise.all(Array.from({ length: count }, () => provider.call(call)))
}

/** An HTTP server that answers with what `answer(body, response)` does. */
async function serving(t, answer) {
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    answer(JSON.parse(body), response)
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const provider = openProvider(`http://127.0.0.1:${server.address().port}/`)
  t.after(() => {
    provider.close()
    server.closeAllConnections()
    server.close()
  })
  return provider
}

/** When everything that was requested before is done. */
const turn = () => new Promise((resolve) => setImmediate(resolve))

const errorOf = async (promise) => (await promise).error

test('an object gets the call as EIP-1193 has it, and its result comes back as plain JSON', async () => {
  const calls = []
  const provider = openProvider({
    request(call) {
      calls.push(call)
      return { number: 1, text: 'a', list: [null, { deep: true }], left: undefined, method() {} }
    },
  })
  const call = { method: 'eth_getCode', params: ['0x1', { blockHash: '0x2' }] }
  assert.deepEqual(await provider.call(call), { result: { number: 1, text: 'a', list: [null, { deep: true }] } })
  assert.deepEqual(calls, [call])
  assert.deepEqual(await openProvider({ request: async () => undefined }).call(CHAIN_ID), { result: null })
})

test('an object that throws or rejects gives an error with its code, words, data and status', async () => {
  const errors = [
    [Object.assign(new Error('rejected'), { code: 4001 }), { code: 4001, message: 'rejected' }],
    [{ code: -32603, message: 'Internal error', data: { trace: 'MissingTrieNodeException' } }, { code: -32603, message: 'Internal error', data: '{"trace":"MissingTrieNodeException"}' }],
    ['only words', { message: 'only words' }],
    [undefined, { message: 'undefined' }],
    [Object.assign(new Error('URL: https://node.example/key'), { details: 'Too Many Requests', status: 429, headers: new Headers({ 'retry-after': '2' }) }), { message: 'Too Many Requests', status: 429, retryAfterMs: 2_000 }],
    [Object.assign(new Error('could not coalesce error'), { code: 'UNKNOWN_ERROR', error: { code: -32000, message: 'header not found' } }), { code: -32000, message: 'could not coalesce error' }],
    [{ message: 'x'.repeat(9_000), data: 'y'.repeat(9_000) }, { message: 'x'.repeat(500), data: 'y'.repeat(1_000) }],
    [{ get code() { throw new Error('no') } }, { message: 'the provider threw something that cannot be read' }],
  ]
  for (const [thrown, expected] of errors) {
    for (const request of [() => { throw thrown }, () => Promise.reject(thrown)]) {
      assert.deepEqual(await errorOf(openProvider({ request }).call(CHAIN_ID)), { ...NO_ERROR, ...expected })
    }
  }
})

test('an object whose result cannot be written as JSON gives an error', async () => {
  const cycle = {}
  cycle.cycle = cycle
  for (const result of [cycle, 1n, { get key() { throw new Error('boom') } }, () => {}, Symbol('x')]) {
    const { message } = await errorOf(openProvider({ request: () => result }).call(CHAIN_ID))
    assert.ok(message.length > 0)
  }
})

test('an object that never answers ends each call after a minute, and its late answer changes nothing', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  let answer
  const provider = openProvider({ request: () => new Promise((resolve) => { answer = resolve }) })
  const ended = []
  provider.call(CHAIN_ID).then((outcome) => ended.push(outcome))
  t.mock.timers.tick(CALL_TIMEOUT_MS - 1)
  await turn()
  assert.deepEqual(ended, [])
  t.mock.timers.tick(1)
  await turn()
  assert.deepEqual(ended, [{ error: { ...NO_ERROR, message: 'no answer within 60 s' } }])
  answer('0x1')
  await turn()
  assert.equal(ended.length, 1)
})

test('closing ends the calls of an object, and no timer is left', async () => {
  const provider = openProvider({ request: () => new Promise(() => {}) })
  const call = provider.call(CHAIN_ID)
  provider.close()
  assert.deepEqual(await call, { error: { ...NO_ERROR, message: 'closed' } })
})

test('a page’s object is asked through messages, and its errors keep their code and data', async () => {
  const page = { request: async ({ params }) => { if (params[0]) return { echo: params }; throw Object.assign(new Error('no'), { code: -32602, data: 'why' }) } }
  const forwarded = new ForwardedProvider(async (id, call) => forwarded.replied(id, structuredClone(await requested(page, structuredClone(call)))))
  const provider = openProvider(forwarded)
  assert.deepEqual(await provider.call({ method: 'm', params: ['0x1'] }), { result: { echo: ['0x1'] } })
  assert.deepEqual(await errorOf(provider.call({ method: 'm', params: [] })), { ...NO_ERROR, code: -32602, message: 'no', data: 'why' })
  forwarded.replied(99, { result: 1 })
})

for (const kind of KINDS) {
  test(`${kind}: the calls of one turn go out together, ${SIZE} in a batch`, async (t) => {
    const { provider, stats } = await opened(t, kind)
    const outcomes = await many(provider, SIZE + 5)
    assert.deepEqual(outcomes, Array(SIZE + 5).fill({ result: '0x539' }))
    assert.deepEqual(stats.batches, [SIZE, 5])
    await provider.call(CHAIN_ID)
    assert.deepEqual(stats.batches, [SIZE, 5, 1])
  })

  test(`${kind}: a proof comes through as the provider wrote it, and an error with its code and data`, async (t) => {
    const { provider } = await opened(t, kind)
    const call = { method: 'eth_getProof', params: [contractOf(0), ['0x1'], { blockHash: chain.head.hash }] }
    const [proof, error, lacking] = await Promise.all([
      provider.call(call),
      errorOf(provider.call({ ...call, params: [contractOf(0), [], { blockHash: `0x${'12'.repeat(32)}` }] })),
      errorOf(provider.call({ method: 'eth_nothing', params: [] })),
    ])
    assert.deepEqual(proof.result, JSON.parse(JSON.stringify(await new TestProvider(chain).request(call))))
    assert.deepEqual(error, { ...NO_ERROR, code: -32000, message: 'header for hash not found' })
    assert.equal(lacking.code, -32601)
  })

  for (const [name, mode] of Object.entries(ODDITIES).filter(([, { line }]) => line)) {
    test(`${kind}: ${name}: each call ends with its own answer`, async (t) => {
      const { provider } = await opened(t, kind, mode)
      const wanted = [CHAIN_ID, { method: 'eth_blockNumber', params: [] }, { method: 'eth_getCode', params: [contractOf(1), 'latest'] }]
      const outcomes = await Promise.all(wanted.map((call) => provider.call(call)))
      const plain = new TestProvider(chain)
      assert.deepEqual(outcomes, await Promise.all(wanted.map(async (call) => ({ result: await plain.request(call) }))))
    })
  }

  for (const [name, mode] of Object.entries(LIMITS).filter(([name]) => /batch/.test(name) && !/HTTP status 4(00|13)/.test(name))) {
    test(`${kind}: ${name}: all calls end well, and the next batches are small enough`, async (t) => {
      const { provider, stats } = await opened(t, kind, mode)
      assert.deepEqual(await many(provider, SIZE), Array(SIZE).fill({ result: '0x539' }))
      const taken = stats.batches.length
      assert.deepEqual(await many(provider, 8), Array(8).fill({ result: '0x539' }))
      const most = mode.line.largestBatch ?? mode.line.answered
      for (const batch of stats.batches.slice(taken)) assert.ok(batch <= most, `a batch of ${batch}, at most ${most}`)
    })
  }

  test(`${kind}: a server that knows no batches is asked singly after one batch`, async (t) => {
    const { provider, stats } = await opened(t, kind, { line: { largestBatch: 1, tooLarge: { code: -32700, message: 'parse error' } } })
    assert.deepEqual(await many(provider, 4), Array(4).fill({ result: '0x539' }))
    assert.deepEqual(stats.batches, [4, 1, 1, 1, 1])
  })

  test(`${kind}: a limit of calls is passed on and not tried again: how many calls are made is the engine’s business`, async (t) => {
    const { provider, stats } = await opened(t, kind, LIMITS['error code 429 twice (Alchemy over a WebSocket)'])
    const outcomes = await many(provider, 8)
    assert.deepEqual(outcomes.map(({ error }) => error?.code), [429, 429, ...Array(6).fill(undefined)])
    assert.deepEqual(stats.batches, [8])
  })

  test(`${kind}: a provider that is not there ends the calls with an error`, async (t) => {
    const { server, provider } = await opened(t, kind)
    await server.close()
    const gone = openProvider(server[kind], () => {})
    const { message } = await errorOf(gone.call(CHAIN_ID))
    assert.match(message, kind === 'http' ? /^the request failed/ : /^the connection could not be opened/)
    provider.close()
  })

  test(`${kind}: a provider that never answers ends each call after a minute`, async (t) => {
    const { provider } = await opened(t, kind, { line: { silent: true } })
    t.mock.timers.enable({ apis: ['setTimeout'] })
    const call = provider.call(CHAIN_ID)
    t.mock.timers.tick(CALL_TIMEOUT_MS)
    assert.match((await errorOf(call)).message, /^(no answer within 60 s|the request failed)/)
  })

  test(`${kind}: closing ends the calls that wait`, async (t) => {
    const { provider } = await opened(t, kind, { line: { silent: true } })
    const calls = many(provider, 3)
    provider.close()
    assert.deepEqual(await calls, Array(3).fill({ error: { ...NO_ERROR, message: 'closed' } }))
  })
}

for (const [status, retry, expected] of [
  [429, '3', 3_000], [429, undefined, null], [429, '99999999', 86_400_000], [429, 'soon', null], [503, '0', 0], [402, undefined, null], [403, undefined, null],
]) {
  test(`HTTP status ${status} with Retry-After ${retry} ends the calls of a batch with both, and they are not tried again`, async (t) => {
    const line = { status, headers: retry && { 'retry-after': retry } }
    const { provider, stats } = await opened(t, 'http', { line })
    for (const { error } of await many(provider, 3)) assert.deepEqual(error, { ...NO_ERROR, message: `HTTP status ${status}`, status, retryAfterMs: expected })
    assert.deepEqual(stats.batches, [3])
  })
}

test('a Retry-After that is a date is the time until then', async (t) => {
  const date = new Date(Date.now() + 3_600_000).toUTCString()
  const { provider } = await opened(t, 'http', { line: { status: 429, headers: { 'retry-after': date } } })
  const { retryAfterMs } = await errorOf(provider.call(CHAIN_ID))
  assert.ok(retryAfterMs > 3_500_000 && retryAfterMs <= 3_600_000, `${retryAfterMs}`)
})

test('a status with an error in the body has the code and words of the body', async (t) => {
  const body = JSON.stringify({ jsonrpc: '2.0', id: null, error: { code: 402, message: 'daily request count exceeded' } })
  const { provider } = await opened(t, 'http', { line: { status: 402, body } })
  for (const { error } of await many(provider, 2)) assert.deepEqual(error, { ...NO_ERROR, code: 402, message: 'daily request count exceeded', status: 402 })
})

for (const status of [400, 405, 413, 415, 500]) {
  test(`HTTP status ${status} to a batch has the calls asked again in smaller ones, and the next ones too`, async (t) => {
    const { provider, stats } = await opened(t, 'http', { line: { largestBatch: 1, tooLargeStatus: status } })
    assert.deepEqual(await many(provider, 2), Array(2).fill({ result: '0x539' }))
    await many(provider, 2)
    assert.deepEqual(stats.batches, [2, 1, 1, 1, 1])
  })

  test(`HTTP status ${status} to a single call is an error`, async (t) => {
    const { provider, stats } = await opened(t, 'http', { line: { status } })
    assert.deepEqual(await errorOf(provider.call(CHAIN_ID)), { ...NO_ERROR, message: `HTTP status ${status}`, status })
    assert.deepEqual(stats.batches, [1])
  })
}

test('what is not JSON-RPC ends each call with an error, be it for one call or for a batch', async (t) => {
  for (const body of ['<html>', '', '{', 'null', '7', '"text"', '[]', '[[]]', '[null, 5]', '{}', '{"id": 1}', '{"error": 5}', '[{"id": 1, "error": "no"}]']) {
    const provider = await serving(t, (_, response) => response.end(body))
    for (const count of [1, 3]) {
      for (const { error } of await many(provider, count)) assert.ok(error && error.status === 0, `${body}: ${JSON.stringify(error)}`)
    }
  }
})

test('a call that a batch’s answer leaves out ends with an error', async (t) => {
  const provider = await serving(t, (calls, response) => response.end(JSON.stringify([{ id: calls[1].id, result: 'second' }])))
  const [first, second] = await many(provider, 2)
  assert.deepEqual(second, { result: 'second' })
  assert.match(first.error.message, /not JSON-RPC/)
})

test('an answer above 32 MiB is not read to its end', async (t) => {
  let written = 0
  const piece = 'x'.repeat(1024 * 1024)
  const provider = await serving(t, (_, response) => {
    const write = () => {
      for (;;) {
        written += piece.length
        if (!response.write(piece)) break
      }
    }
    response.on('drain', write)
    write()
  })
  const { code, message } = await errorOf(provider.call(CHAIN_ID))
  assert.deepEqual([code, message], [-32003, 'the answer is too long'])
  assert.ok(written < 80 * piece.length, `${written} bytes were written`)
})

test('ws: calls that are made before the connection is open are sent when it is', async (t) => {
  const { provider, stats, lost } = await opened(t, 'ws')
  const calls = many(provider, 3)
  assert.deepEqual(stats.batches, [])
  assert.deepEqual(await calls, Array(3).fill({ result: '0x539' }))
  assert.deepEqual([stats.batches, stats.connections, lost], [[3], 1, []])
})

test('ws: a lost connection is told once and before its calls end, and not if we closed it', async (t) => {
  const { server, provider } = await opened(t, 'ws', { line: { silent: true } })
  const order = []
  const other = openProvider(server.ws, (code, reason) => order.push(['lost', code, reason]))
  const call = other.call(CHAIN_ID).then(({ error }) => order.push(['ended', error.message]))
  const isAsked = () => server.stats.batches.length > 0
  while (!isAsked()) await turn()
  server.cut(1011)
  await call
  other.close()
  assert.deepEqual(order, [['lost', 1011, 'the connection broke'], ['ended', 'the connection broke']])
  provider.close()
})

test('ws: a connection that was closed because a batch was too large may return, and then has smaller batches', async (t) => {
  const mode = { line: { largestBatch: 10, tooLargeStatus: 413 } }
  const { server, provider, lost } = await opened(t, 'ws', mode)
  const outcomes = await many(provider, 20)
  assert.ok(outcomes.every(({ error }) => error))
  assert.deepEqual(lost, [[1006, 'the connection broke']])
  const again = openProvider(server.ws, () => assert.fail('the connection was lost again'))
  t.after(() => again.close())
  assert.deepEqual(await many(again, 20), Array(20).fill({ result: '0x539' }))
  assert.deepEqual(server.stats.batches, [20, 10, 10])
})

test('ws: bytes, or text above 32 MiB, end the connection', async (t) => {
  for (const data of [Buffer.of(1, 2, 3), 'x'.repeat(32 * 1024 * 1024 + 1)]) {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
    t.after(() => server.close())
    await once(server, 'listening')
    server.on('connection', (socket) => socket.on('message', () => socket.send(data)))
    const lost = new Promise((resolve) => {
      const provider = openProvider(`ws://127.0.0.1:${server.address().port}/`, (...how) => resolve(how))
      provider.call(CHAIN_ID)
    })
    assert.deepEqual(await lost, [1003, 'the provider sent bytes, or an answer that is too long'])
  }
})

test('a server’s error that is a text of 30 MB is an error like any other, and is not taken apart', async (t) => {
  const body = JSON.stringify({ id: 1, error: 'x'.repeat(30e6) })
  const provider = await serving(t, (_, response) => response.end(body))
  assert.deepEqual(await errorOf(provider.call(CHAIN_ID)), { ...NO_ERROR, message: 'the answer is not JSON-RPC' })
})

test('a server’s error says no status and no wait, which are HTTP’s to say', async (t) => {
  for (const retryAfterMs of [1e300, -1, 'abc', {}]) {
    const error = { code: 429, message: 'slow down', status: 200, retryAfterMs, headers: { get: 1 }, cause: { code: 7 } }
    const provider = await serving(t, (calls, response) => response.end(JSON.stringify({ id: calls.id, error })))
    assert.deepEqual(await errorOf(provider.call(CHAIN_ID)), { ...NO_ERROR, code: 429, message: 'slow down' })
  }
})

test('a wait that an object asks for is a number of milliseconds of a day at most, or none', async () => {
  for (const [retryAfterMs, expected] of [[1e300, 86_400_000], [-5, 0], ['abc', null], [NaN, null], [7, 7], [Infinity, null]]) {
    const provider = openProvider({ request: async () => { throw { retryAfterMs } } })
    assert.equal((await errorOf(provider.call(CHAIN_ID))).retryAfterMs, expected)
  }
})

test('ws: words of an error that are none end the calls of a batch, and throw nothing', async (t) => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  t.after(() => server.close())
  await once(server, 'listening')
  for (const message of [{ toString: 1, valueOf: 1 }, ['x'], 7, null]) {
    server.removeAllListeners('connection')
    server.on('connection', (socket) => socket.on('message', () => socket.send(JSON.stringify({ id: null, error: { code: 1, message } }))))
    const provider = openProvider(`ws://127.0.0.1:${server.address().port}/`)
    for (const { error } of await many(provider, 3)) assert.equal(error.code, 1)
    provider.close()
  }
})
