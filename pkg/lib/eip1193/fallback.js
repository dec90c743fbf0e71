// Whoever answers what cannot be proven: a provider of the caller's, or the URL of one.

import { bad, isProvider, peerUrl } from '../input.js'
import { openProvider } from '../provider.js'
import { checkWebSocket } from '../socket.js'
import { DISCONNECTED, INTERNAL, LIMIT_EXCEEDED, ProviderRpcError, invalidParams, toRpcError } from './errors.js'

const TOO_MANY_REQUESTS = 429

/** The fallback that an option names; `null` if it is left out. */
export function openFallback(value) {
  if (value === undefined || value === null) return null
  const url = peerUrl(value, 'rpc', 'options.fallback')
  if (/^ws/.test(url)) checkWebSocket()
  if (url) return new UrlFallback(url)
  return isProvider(value) ? new ObjectFallback(value) : bad('options.fallback', 'a provider, or the URL of one', value)
}

/** What it resolves to and rejects with is the caller's, as it is. A wallet may ask its user for long. */
class ObjectFallback {
  #target

  constructor(target) {
    this.#target = target
  }

  async request(request) {
    return this.#target.request(request)
  }

  close() {}
}

class UrlFallback {
  #url
  /** The connection, from the first use on. One that was lost is made again at the next use. */
  #connection = null
  #isClosed = false

  constructor(url) {
    this.#url = url
  }

  async request({ method, params }) {
    const { result, error, answer } = await this.#connect().call({ method, params: plain(params) })
    if (!error) return result
    this.#checkOpen()
    // `answer` is the server's own error; `error` is without it, and what is known of the line.
    const { code, message, data } = Object(answer)
    if (Number.isSafeInteger(code)) throw new ProviderRpcError(code, typeof message === 'string' ? message : error.message, data)
    throw new ProviderRpcError(error.status === TOO_MANY_REQUESTS ? LIMIT_EXCEEDED : INTERNAL, `The fallback ${new URL(this.#url).host} did not answer: ${error.message}`)
  }

  close() {
    this.#isClosed = true
    this.#connection?.close()
  }

  #connect() {
    this.#checkOpen()
    try {
      this.#connection ??= openProvider(this.#url, () => (this.#connection = null))
    } catch (error) {
      throw toRpcError(error)
    }
    return this.#connection
  }

  #checkOpen() {
    if (this.#isClosed) throw new ProviderRpcError(DISCONNECTED, 'the database was closed')
  }
}

/** The parameters as plain JSON, so that nothing fails when they are sent. */
function plain(params = []) {
  try {
    return JSON.parse(JSON.stringify(params))
  } catch (cause) {
    throw invalidParams('the parameters are not JSON', cause)
  }
}
