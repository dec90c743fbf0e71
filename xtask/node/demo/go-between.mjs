/**
 * A go-between: it stands between a page and a provider, hands everything on, and changes one
 * balance in the provider's answers when it is told to. By that a page can be shown a provider that
 * lies, whatever provider there is.
 *
 * It speaks what the provider speaks, HTTP or WebSocket. `GET /control` says what it does, and
 * `POST /control` with `{ lieAbout: address | null }` changes it. Only pages of one origin may use
 * it, because a provider's URL can hold a key.
 */

import { createServer } from 'node:http'
import { WebSocket, WebSocketServer } from 'ws'
import { bodyOf, listen } from '../loopback.mjs'
import { quantity } from '../provider/chain.mjs'

/** What is added to the balance that it lies about, in wei: a thousand ether. */
export const LIE = 1_000n * 10n ** 18n
/** Messages of one page that wait for the provider's connection. Chosen without a measurement. */
const MOST_WAITING = 1_000

/**
 * @param {{upstream: string, origin: string}} options `upstream`: the provider's URL (http:,
 *   https:, ws: or wss:); `origin`: that of the page
 * @returns {Promise<{url: string, control: string, status: () => object, lieAbout: (address: string
 *   | null) => void, close: () => Promise<void>}>} `status()`: `{ lieAbout, calls, lies }`; a call
 *   is one JSON-RPC call of the page
 */
export async function startGoBetween({ upstream, origin }) {
  const status = { lieAbout: null, calls: 0, lies: 0 }
  const lieAbout = (address) => {
    status.lieAbout = typeof address === 'string' ? address.toLowerCase() : null
  }
  const server = createServer((request, response) => {
    answer(request, response).catch((error) => {
      if (!response.headersSent) response.writeHead(502, cors).end(JSON.stringify({ error: error.message }))
    })
  })
  const cors = {
    'access-control-allow-origin': origin,
    'access-control-allow-headers': 'content-type',
    'access-control-expose-headers': 'retry-after',
    'content-type': 'application/json',
    'cache-control': 'no-store',
  }

  async function answer(request, response) {
    if (request.headers.origin !== origin) return response.writeHead(403).end()
    if (request.method === 'OPTIONS') return response.writeHead(204, cors).end()
    const body = await bodyOf(request)
    if (request.url === '/control') {
      if (request.method === 'POST') lieAbout(JSON.parse(body).lieAbout)
      return response.writeHead(200, cors).end(JSON.stringify(status))
    }
    const asked = callsOf(body)
    status.calls += asked.length
    // Nodes that speak WebSocket speak HTTP at the same port.
    const answered = await fetch(upstream.replace(/^ws/, 'http'), { method: 'POST', headers: { 'content-type': 'application/json' }, body })
    const after = answered.headers.get('retry-after')
    response.writeHead(answered.status, after ? { ...cors, 'retry-after': after } : cors)
    return response.end(changed(await answered.text(), new Map(asked.map((call) => [call.id, call]))))
  }

  /** The provider's answers, as the page is to see them. */
  function changed(text, asked) {
    if (!status.lieAbout) return text
    const answers = parsed(text)
    let lies = 0
    for (const each of [answers].flat()) {
      const call = asked.get(each?.id)
      if (!each?.result || call?.params?.[0]?.toLowerCase?.() !== status.lieAbout) continue
      if (call.method === 'eth_getProof') each.result.balance = moreThan(each.result.balance)
      else if (call.method === 'eth_getBalance') each.result = moreThan(each.result)
      else continue
      lies++
    }
    status.lies += lies
    return lies > 0 ? JSON.stringify(answers) : text
  }

  const sockets = new WebSocketServer({ server, verifyClient: ({ origin: from }) => from === origin })
  sockets.on('connection', (page) => {
    const provider = new WebSocket(upstream, { perMessageDeflate: false })
    const asked = new Map()
    const waiting = []
    provider.on('open', () => waiting.splice(0).forEach((text) => provider.send(text)))
    page.on('message', (data) => {
      const text = String(data)
      for (const call of callsOf(text)) {
        status.calls++
        asked.set(call.id, call)
      }
      if (provider.readyState === WebSocket.OPEN) provider.send(text)
      else if (waiting.length < MOST_WAITING) waiting.push(text)
    })
    provider.on('message', (data) => {
      const text = changed(String(data), asked)
      for (const each of [parsed(text)].flat()) asked.delete(each?.id)
      if (page.readyState === WebSocket.OPEN) page.send(text)
    })
    // Whichever end goes, the other one goes too. Errors are followed by a close.
    for (const [one, other] of [[page, provider], [provider, page]]) {
      one.on('error', () => {})
      one.on('close', () => other.close())
    }
  })

  const { port, close } = await listen(server, sockets)
  return {
    url: `${/^ws/.test(upstream) ? 'ws' : 'http'}://127.0.0.1:${port}/`,
    control: `http://127.0.0.1:${port}/control`,
    status: () => ({ ...status }),
    lieAbout,
    close,
  }
}

function callsOf(text) {
  return [parsed(text)].flat().filter((call) => call?.method)
}

function moreThan(balance) {
  return quantity(BigInt(balance) + LIE)
}

function parsed(text) {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
