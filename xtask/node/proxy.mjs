/**
 * A JSON-RPC provider in front of a real node, over HTTP and WebSocket at the same port, which
 * counts what it is asked. It passes everything on as it is, or lies about new blocks, or lags
 * behind.
 */

import { createServer } from 'node:http'
import { WebSocket, WebSocketServer } from 'ws'
import { bodyOf, listen } from './loopback.mjs'
import { hashOf, quantity } from './provider/chain.mjs'

const CORS = { 'access-control-allow-origin': '*', 'access-control-allow-headers': 'content-type' }
const INTERNAL_ERROR = { code: -32603, message: 'the node behind this proxy does not answer' }

/**
 * What is said of blocks. `latest` gets the newest header and `ask(method, params)`, which asks the
 * node, and gives the header that is passed on. `numbered` is the same for a block that was asked
 * for by its number; without it that is what the node says.
 */
export const WORDS = {
  honest: { latest: (header) => header },
  /** Blocks of the same numbers that do not exist, with the hashes that they would have. */
  forger: { latest: forged, numbered: forged },
  /** The real hashes over state roots that are not the blocks'. */
  falsifier: { latest: falsified, numbered: falsified },
  /** A block 1,000 numbers ahead, which nobody else will ever name. */
  prophet: { latest: (header) => hashed({ ...header, number: quantity(Number(header.number) + 1_000) }) },
  /** The block this many before. */
  late: (blocks) => ({
    latest: (header, ask) => ask('eth_getBlockByNumber', [quantity(Math.max(0, Number(header.number) - blocks)), false]),
  }),
}

function forged(header) {
  if (hashed(header).hash !== header.hash) throw new Error('the hash of a header is not understood here, so it cannot be forged')
  return hashed(falsified(header))
}

function falsified(header) {
  const { stateRoot } = header
  return { ...header, stateRoot: stateRoot.slice(0, -1) + (stateRoot.endsWith('0') ? '1' : '0') }
}

/** The header with the hash of its fields. */
function hashed(header) {
  return { ...header, hash: hashOf(Object.fromEntries(Object.entries(header).filter(([, value]) => value !== null))) }
}

/**
 * @param {{rpcUrl: string}} node its WebSocket URL; it answers over HTTP at the same port
 * @param {{latest: Function, numbered?: Function}} [word] one of `WORDS`
 * @returns {Promise<{http: string, ws: string, calls: () => number, methods: () => object, stall:
 *   (answers: number) => void, close: () => Promise<void>}>} `calls` is how many calls have come,
 *   and `methods` how many of each; after `stall` so many are still answered, and then none
 */
export async function startProxy({ rpcUrl }, word = WORDS.honest) {
  const upstream = rpcUrl.replace(/^ws/, 'http')
  const counts = {}
  let answers = Infinity
  const subscribers = new Set()
  const ask = async (method, params) => {
    const { result, error } = await forwarded(upstream, { jsonrpc: '2.0', id: 1, method, params })
    if (error) throw new Error(`${method}: ${error.message}`)
    return result
  }
  const answer = async (call, asker) => {
    const { id, method, params = [] } = call
    counts[method] = (counts[method] ?? 0) + 1
    if (--answers < 0) return new Promise(() => {})
    try {
      if (method === 'eth_subscribe' && params[0] === 'newHeads' && asker) return { jsonrpc: '2.0', id, result: subscribe(subscribers, asker) }
      if (method === 'eth_unsubscribe' && asker) return { jsonrpc: '2.0', id, result: unsubscribe(subscribers, asker, params[0]) }
      const answered = await forwarded(upstream, call)
      const change = method === 'eth_getBlockByNumber' && answered.result && (params[0] === 'latest' ? word.latest : word.numbered)
      return change ? { ...answered, result: await change(answered.result, ask) } : answered
    } catch {
      return { jsonrpc: '2.0', id, error: INTERNAL_ERROR }
    }
  }
  const answerAll = async (body, asker) => {
    const message = JSON.parse(body)
    return JSON.stringify(Array.isArray(message) ? await Promise.all(message.map((call) => answer(call, asker))) : await answer(message, asker))
  }

  const server = createServer(async (request, response) => {
    if (request.method !== 'POST') return response.writeHead(204, CORS).end()
    return response.writeHead(200, { ...CORS, 'content-type': 'application/json' }).end(await answerAll(await bodyOf(request)))
  })
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', (socket) => {
    socket.on('error', () => {})
    socket.on('message', async (data) => {
      const subscribed = []
      socket.send(await answerAll(String(data), { socket, subscribed }))
      subscribed.forEach(begin)
    })
    socket.on('close', () => subscribers.forEach((one) => one.socket === socket && subscribers.delete(one)))
  })
  // One after the other, so that nobody hears of a block before its parent.
  let telling = Promise.resolve()
  const heads = await newHeads(rpcUrl, (header) => {
    telling = telling.then(async () => tell(subscribers, await word.latest(header, ask))).catch(() => {})
  })
  const { port, close } = await listen(server, sockets)
  return {
    http: `http://127.0.0.1:${port}/`,
    ws: `ws://127.0.0.1:${port}/`,
    calls: () => Object.values(counts).reduce((sum, count) => sum + count, 0),
    methods: () => ({ ...counts }),
    stall: (more) => (answers = more),
    close: () => {
      heads.terminate()
      return close()
    },
  }
}

async function forwarded(url, call) {
  const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(call) })
  return response.json()
}

/** Hears of the node's new blocks. */
async function newHeads(url, hear) {
  const socket = new WebSocket(url)
  socket.on('error', () => {})
  await new Promise((resolve, reject) => {
    socket.once('error', reject)
    socket.on('open', () => socket.send(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'eth_subscribe', params: ['newHeads'] })))
    socket.on('message', (data) => {
      const { id, error, method, params } = JSON.parse(String(data))
      if (method === 'eth_subscription') hear(params.result)
      else if (id === 1) error ? reject(new Error(error.message)) : resolve()
    })
  })
  return socket
}

let subscriptions = 0

/** As with go-ethereum, what is told before the subscription's answer has been sent comes after it. */
function subscribe(subscribers, { socket, subscribed }) {
  const subscription = { id: quantity(++subscriptions), socket, held: [] }
  subscribers.add(subscription)
  subscribed.push(subscription)
  return subscription.id
}

function begin(subscription) {
  for (const message of subscription.held) subscription.socket.send(message)
  subscription.held = null
}

function unsubscribe(subscribers, { socket }, id) {
  for (const one of subscribers) if (one.socket === socket && one.id === id) return subscribers.delete(one)
  return false
}

function tell(subscribers, result) {
  for (const { id, socket, held } of subscribers) {
    const message = JSON.stringify({ jsonrpc: '2.0', method: 'eth_subscription', params: { subscription: id, result } })
    if (held) held.push(message)
    else socket.send(message)
  }
}
