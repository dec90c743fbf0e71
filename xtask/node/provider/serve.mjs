/**
 * Serves a provider over HTTP, with batches and for pages of any origin, and over WebSocket at the
 * same port.
 *
 * What can be wrong with the line (`line` of `modes.mjs`):
 * - `status`, `body`, `headers`: answers so instead, `times` times or always; over a WebSocket,
 *   which has no statuses, the connection is closed;
 * - `largestBatch`: beyond it, the one error `tooLarge`, or an empty answer with `tooLargeStatus`
 *   (the close code 1009 over a WebSocket);
 * - `answered`: beyond so many calls of a batch, the error `otherwise` for each;
 * - `delayMs`, `silent`: late, or never;
 * - `reverse`, `twice`, `uninvited`, `nullError`: what the array of answers has.
 */

import { createServer } from 'node:http'
import { WebSocketServer } from 'ws'
import { bodyOf, listen } from '../loopback.mjs'
import { RpcError } from './modes.mjs'

const CORS = {
  'access-control-allow-origin': '*',
  'access-control-allow-headers': 'content-type',
  'access-control-expose-headers': 'retry-after',
  // As go-ethereum says it. Without it, browsers remember for 5 s that a page may call.
  'access-control-max-age': '600',
}
const MESSAGE_TOO_LARGE = 1009
const TRY_AGAIN_LATER = 1013

export async function serveProvider(provider) {
  const stats = { batches: [], connections: 0, preflights: 0 }
  const server = createServer(async (request, response) => {
    if (request.method !== 'POST') {
      stats.preflights += 1
      return response.writeHead(204, CORS).end()
    }
    const { status = 200, headers = {}, text } = await answerTo(provider, await bodyOf(request), stats)
    if (text === null) return undefined
    return response.writeHead(status, { ...CORS, 'content-type': 'application/json', ...headers }).end(text)
  })
  // As long as go-ethereum keeps a connection on which nothing happens.
  server.keepAliveTimeout = 120_000
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', (socket) => {
    stats.connections += 1
    const subscriptions = []
    const subscribe = () => {
      subscriptions.push(provider.subscribe((params) => socket.send(JSON.stringify({ jsonrpc: '2.0', method: 'eth_subscription', params }))))
      return subscriptions.at(-1)
    }
    socket.on('close', () => subscriptions.forEach((subscription) => provider.unsubscribe(subscription)))
    socket.on('message', async (data) => {
      const { status = 200, text } = await answerTo(provider, String(data), stats, subscribe)
      if (text === null) return
      if (status === 200) socket.send(text)
      else socket.close(status === 413 ? MESSAGE_TOO_LARGE : TRY_AGAIN_LATER)
    })
  })
  const { port, close } = await listen(server, sockets)
  return { http: `http://127.0.0.1:${port}/`, ws: `ws://127.0.0.1:${port}/`, stats, close, cut: (code) => sockets.clients.forEach((socket) => socket.close(code)) }
}

/** `{ status, headers, text }`; a text of null is no answer at all. */
async function answerTo(provider, body, stats, subscribe) {
  const { line } = provider
  const message = JSON.parse(body)
  const calls = [message].flat()
  stats.batches.push(calls.length)
  if (line.delayMs) await new Promise((resolve) => setTimeout(resolve, line.delayMs))
  if (line.silent) return { text: null }
  if (line.status && !(provider.count('statuses') > line.times)) return { status: line.status, headers: line.headers, text: line.body ?? '' }
  if (calls.length > line.largestBatch) {
    if (line.tooLargeStatus) return { status: line.tooLargeStatus, text: '' }
    return { text: JSON.stringify({ jsonrpc: '2.0', id: null, error: line.tooLarge }) }
  }
  let answers = await Promise.all(calls.map((call, at) => (at >= line.answered ? { jsonrpc: '2.0', id: call.id, error: line.otherwise } : answered(provider, call, subscribe))))
  if (line.nullError) answers = answers.map((answer) => ({ error: null, ...answer }))
  if (!Array.isArray(message)) return { text: JSON.stringify(answers[0]) }
  if (line.reverse) answers.reverse()
  if (line.twice) answers = answers.flatMap((answer) => [answer, { ...answer, result: null }])
  if (line.uninvited) answers.unshift({ jsonrpc: '2.0', id: 987_654, result: '0x1' }, null, 7)
  return { text: JSON.stringify(answers) }
}

async function answered(provider, { id, method, params }, subscribe) {
  try {
    if (method === 'eth_subscribe' && !subscribe) throw new RpcError(-32601, 'notifications not supported')
    return { jsonrpc: '2.0', id, result: method === 'eth_subscribe' ? subscribe() : await provider.request({ method, params }) }
  } catch ({ code = -32603, message, data }) {
    return { jsonrpc: '2.0', id, error: { code, message, data } }
  }
}
