// Carries JSON-RPC calls to providers: objects with `request` (EIP-1193), HTTP and WebSockets.
//
// The module sees all of them as `{ call({ method, params }), close() }`. A call's promise
// never rejects. It resolves once and in any case: to `{ result }`, which is plain JSON, or to `{ error:
// { code, message, data, status, retryAfterMs } }`. There, `code` and `status` are 0 and
// `retryAfterMs` is null if there is none. Beside the `error` of a server's own there is `answer`,
// which is that error as it came. What an error means, and when to ask again, is the engine's
// business. Only the size of a batch is decided here. `problem` says in words why the call that ended
// last has failed, and is null if it was answered.

import { bad, isProvider, peerUrl } from './input.js'
import { SUBSCRIBE, hearHead, listenToObject } from './new-heads.js'
import { checkWebSocket, connect, notOpened, noteError, onFailure } from './socket.js'

/**
 * How long a call may take. The engine asks others long before that. Chosen without a measurement:
 * as long as it waits for a peer's smallest request.
 */
const CALL_TIMEOUT_MS = 60_000
/** Most calls of a batch: Alchemy takes no more over a WebSocket, and advises few over HTTP. */
const MAX_BATCH = 20
/**
 * Most characters of an answer, or of a whole batch of answers: go-ethereum sends 25 MB at most,
 * and WebSocket messages of 32 MiB.
 */
const LONGEST_ANSWER = 32 * 1024 * 1024
/** What is kept of an error's words and of its data, which a stranger writes. */
const LONGEST_MESSAGE = 500
const LONGEST_DATA = 1_000
/** The longest wait that a provider may ask for: a day, because daily limits end by then. */
const LONGEST_RETRY_MS = 86_400_000

/** JSON-RPC codes of a batch that is too large, and of such an answer (as go-ethereum sends them). */
const BATCH_TOO_LARGE = -32600
const ANSWER_TOO_LARGE = -32003
/** Codes of too many calls: EIP-1474's, and what Alchemy sends over a WebSocket. */
const RATE_CODES = [-32005, 429]
/** What is taken in for an answer that is too long. */
const TOO_LONG = { error: { code: ANSWER_TOO_LARGE, message: 'the answer is too long' } }
/** HTTP statuses that say nothing of batches: credentials, money, rates, and broken gateways. */
const NOT_OF_BATCHES = [401, 402, 403, 408, 429, 502, 503, 504]
/** HTTP status of a request that is too large, and the WebSocket close code (RFC 6455, 7.4.1). */
const BODY_TOO_LARGE = 413
const MESSAGE_TOO_LARGE = 1009
/** WebSocket close code of a message that cannot be taken (RFC 6455, 7.4.1). */
const UNACCEPTABLE = 1003
/** WebSocket close codes of a normal end, and of a broken connection. */
const DONE = 1000
const ABNORMAL = 1006
/** `readyState` of an open WebSocket. */
const OPEN = 1

/**
 * The size of batches that a WebSocket's URL took, after it has closed a connection for one. Bound:
 * the caller's URLs.
 */
const socketBatches = new Map()

/** What `openProvider` takes of what a caller names, which is a provider or the URL of one. */
export function providerTarget(value, argument, expected = 'a provider, or the URL of one') {
  if (isProvider(value)) return value
  const url = peerUrl(value, 'rpc', argument) ?? bad(argument, expected, value)
  if (/^ws/.test(url)) checkWebSocket()
  return url
}

/**
 * @param {object | string} target Of `providerTarget`.
 * @param {(code: number, reason: string) => void} onLost Called once, when a WebSocket has ended and
 *   `close` did not end it.
 */
export function openProvider(target, onLost) {
  if (typeof target !== 'string') return new ObjectProvider(target)
  return /^http/i.test(target) ? new HttpProvider(target) : new SocketProvider(target, onLost)
}

/**
 * Asks a caller's object, which may do anything.
 * @returns {Promise<object>} What the module gets. It can be posted.
 */
export async function requested(target, request) {
  try {
    const result = await target.request(request)
    // As text in between: an object with getters, or a proxy, could call back into the module while
    // the module reads it.
    const text = JSON.stringify(result ?? null)
    return text.length > LONGEST_ANSWER ? failure(TOO_LONG.error) : { result: JSON.parse(text) }
  } catch (thrown) {
    return failure(thrown)
  }
}

/**
 * A page's object, seen from a worker: its calls are `post`ed, and `replied` brings what `requested`
 * made of each. Bound: the engine's calls in flight.
 */
export class ForwardedProvider {
  #calls = new Map()
  #lastId = 0
  #post

  /** @param {(id: number, request: object) => void} post */
  constructor(post) {
    this.#post = post
  }

  request(request) {
    return new Promise((resolve, reject) => {
      const id = ++this.#lastId
      this.#calls.set(id, { resolve, reject })
      this.#post(id, request)
    })
  }

  replied(id, { result, error }) {
    const call = this.#calls.get(id)
    this.#calls.delete(id)
    if (error) call?.reject(error)
    else call?.resolve(result)
  }
}

/** Calls in flight, by id. Each ends once. Bound: the engine's calls in flight. */
class Calls {
  /** Why the call that ended last has failed, in words; `null` if it was answered. */
  problem = null
  #open = new Map()
  #lastId = 0

  /** Begins a call. `send` has it made, and `end` ends it. */
  begin(request, send) {
    return new Promise((resolve) => {
      const id = ++this.#lastId
      const limit = afterTimeout(() => this.end(id, failure({ message: `no answer within ${CALL_TIMEOUT_MS / 1000} s` })))
      this.#open.set(id, { resolve, limit })
      send({ id, request })
    })
  }

  has({ id }) {
    return this.#open.has(id)
  }

  end(id, outcome) {
    const call = this.#open.get(id)
    if (!call) return
    this.#open.delete(id)
    clearTimeout(call.limit)
    this.problem = outcome.error?.message ?? null
    call.resolve(outcome)
  }

  /**
   * Ends all of them, or these, with an error.
   * @param {object} [answer] The server's own error, if there is one.
   */
  fail(error, calls = [...this.#open.keys()].map((id) => ({ id })), answer = undefined) {
    for (const { id } of calls) this.end(id, { ...failure(error), ...(answer && { answer }) })
  }
}

/** An object of the caller's: a wallet, or a library's transport. */
class ObjectProvider {
  #calls = new Calls()
  #target
  #ended = new AbortController()

  constructor(target) {
    this.#target = target
  }

  get problem() {
    return this.#calls.problem
  }

  /**
   * Has `onHead(header)` called with each new head, which may be any plain JSON, and `onChain()` when
   * the chain has changed, if the object has events.
   */
  listen(onHead, onChain) {
    // A request has no limit of time, because a subscription that is confirmed late has to be ended.
    listenToObject(this.#target, (request) => requested(this.#target, request), onHead, onChain, this.#ended.signal)
  }

  call(request) {
    return this.#calls.begin(request, async ({ id }) => this.#calls.end(id, await requested(this.#target, request)))
  }

  close() {
    this.#calls.fail({ message: 'closed' })
    this.#ended.abort()
  }
}

/** Calls that go out as JSON-RPC batches, those of one turn together. */
class Batches {
  /** Most calls of the next batch. */
  size
  calls = new Calls()
  #waiting = []
  #send

  /** @param {(calls: object[]) => void} send Sends one batch. */
  constructor(size, send) {
    this.size = size
    this.#send = send
  }

  call(request) {
    return this.calls.begin(request, (call) => this.#add(call))
  }

  /** Sends what waits. */
  flush() {
    const calls = this.#waiting.splice(0).filter((call) => this.calls.has(call))
    while (calls.length > 0) {
      const batch = calls.splice(0, this.size)
      for (const call of batch) call.batch = batch.length
      this.#send(batch)
    }
  }

  /**
   * Takes in the answer to one call, which may be anything.
   * @param {object} [http] What the HTTP status says: `{ status, message, retryAfterMs }`.
   */
  take(call, answer, http) {
    const error = answer?.error
    const { code } = Object(error)
    if (call.batch > 1 && (code === BATCH_TOO_LARGE || code === ANSWER_TOO_LARGE)) {
      this.#shrink(call.batch)
      this.#add(call)
    } else if (error || answer?.result === undefined) {
      this.calls.fail({ message: 'the answer is not JSON-RPC', ...http, ...wordsOf(error) }, [call], error)
    } else {
      this.calls.end(call.id, { result: answer.result })
    }
  }

  /** Takes in one answer to a batch of several calls. */
  takeForAll(calls, answer, http) {
    const { code, message } = Object(answer?.error)
    const [{ batch }] = calls
    if (NOT_OF_BATCHES.includes(http?.status) || RATE_CODES.includes(code)) {
      return this.calls.fail({ ...http, ...wordsOf(answer?.error) }, calls, answer?.error)
    }
    const isTooLarge = http?.status === BODY_TOO_LARGE || code === ANSWER_TOO_LARGE || /too (large|many)/i.test(text(message, LONGEST_MESSAGE))
    // Anything else is a server that knows no batches.
    this.#shrink(isTooLarge ? batch : 1)
    for (const call of calls) this.#add(call)
  }

  /** A batch of as many calls was too much. */
  #shrink(batch) {
    this.size = Math.max(1, Math.min(this.size, batch >> 1))
  }

  #add(call) {
    if (this.#waiting.push(call) === 1) queueMicrotask(() => this.flush())
  }
}

class HttpProvider {
  #url
  #batches = new Batches(MAX_BATCH, (calls) => this.#send(calls))
  /** Of the requests in flight. Bound: the calls in flight. */
  #aborters = new Set()

  constructor(url) {
    this.#url = url
  }

  get problem() {
    return this.#batches.calls.problem
  }

  call(request) {
    return this.#batches.call(request)
  }

  close() {
    for (const aborter of this.#aborters) aborter.abort()
    this.#batches.calls.fail({ message: 'closed' })
  }

  async #send(calls) {
    const aborter = new AbortController()
    this.#aborters.add(aborter)
    const limit = afterTimeout(() => aborter.abort())
    try {
      const response = await fetch(this.#url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: bodyOf(calls),
        signal: aborter.signal,
        // Not `cache: 'no-store'`: no browser caches the answer to a POST, and Chromium would ask the
        // provider before each call whether it lets the page in, instead of remembering that.
        // The provider learns what it is asked. Cookies and the page's path are not for it.
        credentials: 'omit',
        referrerPolicy: 'no-referrer',
      })
      const { ok, status, headers } = response
      const http = ok ? undefined : { status, message: `HTTP status ${status}`, retryAfterMs: retryAfter(headers) }
      this.#hear(calls, parsed(await textOf(response)), http)
    } catch (thrown) {
      // Browsers do not tell pages why. Node does, in the cause. A URL's path may be a key.
      const words = `the request failed (${new URL(this.#url).host}): ${thrown?.cause?.message || thrown?.cause?.code || thrown?.message}`
      const causes = 'Likely causes: no network, or nothing listens there; it does not let this page ask it (CORS); the Content-Security-Policy (connect-src)'
      this.#batches.calls.fail({ message: `${words}. ${causes}` }, calls)
    } finally {
      clearTimeout(limit)
      this.#aborters.delete(aborter)
    }
  }

  #hear(calls, answer, http) {
    if (Array.isArray(answer)) {
      // Reversed, so that the first answer to a call counts.
      const answers = new Map(answer.map((each) => [each?.id, each]).reverse())
      for (const call of calls) this.#batches.take(call, answers.get(call.id), http)
    } else if (calls.length > 1) {
      this.#batches.takeForAll(calls, answer, http)
    } else {
      this.#batches.take(calls[0], answer, http)
    }
  }
}

class SocketProvider {
  #socket
  #batches
  #onLost
  #onNotice
  /** Batches that are not wholly answered, oldest first. Bound: the calls in flight. */
  #sent = []

  constructor(url, onLost) {
    this.#onLost = onLost
    const socket = connect(url, [])
    this.#socket = socket
    this.#batches = new Batches(socketBatches.get(url) ?? MAX_BATCH, (calls) => this.#send(calls))
    let wasOpen = false
    socket.onopen = () => {
      wasOpen = true
      for (const calls of this.#sent) socket.send(bodyOf(calls))
    }
    socket.onmessage = ({ data }) => this.#hear(data)
    // A close event follows. The `ws` package ends the process for an error that nobody hears.
    socket.onerror = noteError
    onFailure(socket, () => socket.onclose({ code: ABNORMAL }))
    socket.onclose = ({ code, reason }) => {
      const wasTooLarge = code === MESSAGE_TOO_LARGE && this.#batches.size > 1
      if (wasTooLarge) socketBatches.set(url, this.#batches.size >> 1)
      this.#end(wasTooLarge ? ABNORMAL : code, reason || (wasOpen ? 'the connection broke' : notOpened(socket, new URL(url).origin, 'it is no JSON-RPC endpoint for WebSockets')))
    }
  }

  get problem() {
    return this.#batches.calls.problem
  }

  call(request) {
    return this.#batches.call(request)
  }

  /** As an object's; the chain of a URL does not change. */
  async listen(onHead) {
    const { result } = await this.call(SUBSCRIBE)
    this.#onNotice = (notice) => hearHead(result, notice, onHead)
  }

  close() {
    this.#onLost = null
    this.#end(DONE, 'closed')
  }

  #send(calls) {
    this.#sent.push(calls)
    // What is sent before it is open waits in `#sent`.
    if (this.#socket.readyState === OPEN) this.#socket.send(bodyOf(calls))
  }

  #hear(data) {
    if (typeof data !== 'string' || data.length > LONGEST_ANSWER) {
      return this.#end(UNACCEPTABLE, 'the provider sent bytes, or an answer that is too long')
    }
    // One answer, or an array of them.
    for (const answer of [parsed(data)].flat()) {
      const call = this.#sent.flat().find(({ id }) => id === answer?.id)
      if (call) this.#batches.take(call, answer)
      else if (answer?.method === 'eth_subscription') this.#onNotice?.(answer.params)
      else if (answer?.error && answer.id == null) this.#refused(answer)
    }
    this.#forgetAnswered()
  }

  /** An error that names no call is about the oldest batch. */
  #refused(answer) {
    this.#forgetAnswered()
    const calls = this.#sent.shift()?.filter((call) => this.#batches.calls.has(call)) ?? []
    if (calls.length > 1) this.#batches.takeForAll(calls, answer)
    else if (calls.length === 1) this.#batches.take(calls[0], answer)
  }

  #forgetAnswered() {
    this.#sent = this.#sent.filter((calls) => calls.some((call) => this.#batches.calls.has(call)))
  }

  #end(code, reason) {
    const onLost = this.#onLost
    this.#onLost = null
    // First, so that the engine does not take the ends of the calls for the provider's answers.
    onLost?.(code, reason)
    this.#batches.calls.fail({ message: reason })
    this.#socket.close()
  }
}

function bodyOf(calls) {
  const bodies = calls.map(({ id, request }) => ({ jsonrpc: '2.0', id, ...request }))
  return JSON.stringify(bodies.length === 1 ? bodies[0] : bodies)
}

/** The body of a response. It stops reading where it is too long. */
async function textOf({ body }) {
  const reader = body.getReader()
  const decoder = new TextDecoder()
  let text = ''
  for (;;) {
    const { done, value } = await reader.read()
    text += decoder.decode(value, { stream: !done })
    if (done) return text
    if (text.length > LONGEST_ANSWER) {
      reader.cancel().catch(() => {})
      return JSON.stringify(TOO_LONG)
    }
  }
}

function parsed(text) {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/**
 * Milliseconds until the date, or the number of seconds, of `Retry-After`. Null without one; a page
 * sees it only if the server exposes it (CORS).
 */
function retryAfter(headers) {
  const value = headers?.get?.('retry-after')
  const ms = Number(value) >= 0 ? value * 1_000 : Date.parse(value) - Date.now()
  return value && !Number.isNaN(ms) ? boundedWait(ms) : null
}

function boundedWait(ms) {
  return Math.min(Math.max(ms, 0), LONGEST_RETRY_MS)
}

/**
 * What a server's own error may say, and nothing else of it: only HTTP says a status and a wait, and a
 * long text has a property for each of its characters.
 */
function wordsOf(error) {
  const { code, message, data } = Object(error)
  return { ...(code !== undefined && { code }), ...(message !== undefined && { message }), ...(data !== undefined && { data }) }
}

/** The outcome of a call that failed, by whatever an object threw or a server said. */
function failure(thrown) {
  try {
    const { code, message, details, data, status, retryAfterMs, headers, cause, error } = Object(thrown)
    // Libraries wrap what the server said. In `message` they may repeat the URL with its key.
    const inner = Object(cause ?? error)
    return {
      error: {
        code: [code, inner.code].find(Number.isSafeInteger) ?? 0,
        message: text(details ?? message ?? thrown, LONGEST_MESSAGE),
        data: text(data ?? inner.data ?? '', LONGEST_DATA),
        status: [status, inner.status].find(Number.isSafeInteger) ?? 0,
        retryAfterMs: Number.isFinite(retryAfterMs) ? boundedWait(retryAfterMs) : retryAfter(headers),
      },
    }
  } catch {
    return failure({ message: 'the provider threw something that cannot be read' })
  }
}

function text(value, limit) {
  return (typeof value === 'string' ? value : JSON.stringify(value) ?? String(value)).slice(0, limit)
}

function afterTimeout(act) {
  const timer = setTimeout(act, CALL_TIMEOUT_MS)
  // A call does not keep a Node process alive.
  timer.unref?.()
  return timer
}
