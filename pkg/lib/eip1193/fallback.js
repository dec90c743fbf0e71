// Whoever answers what cannot be proven: a provider of the caller's, or the URL of one.

import { openProvider, providerTarget } from '../provider.js'
import { INTERNAL, LIMIT_EXCEEDED, ProviderRpcError, invalidParams, toRpcError } from './errors.js'

const TOO_MANY_REQUESTS = 429

/**
 * The fallback that an option names, `{ request, close }`; `null` if it is left out.
 * @param {() => void} checkOpen Throws what the caller gets once the database has ended.
 */
export function openFallback(value, checkOpen) {
  if (value == null) return null
  const target = providerTarget(value, 'options.fallback')
  if (typeof target === 'string') return urlFallback(target, checkOpen)
  // Its results and errors are the caller's, as they are. A wallet may ask its user for long.
  return { request: async (request) => target.request(request), close() {} }
}

function urlFallback(url, checkOpen) {
  /** From the first use on. One that was lost is made again at the next use. */
  let connection = null

  const connect = () => {
    checkOpen()
    try {
      connection ??= openProvider(url, () => (connection = null))
    } catch (error) {
      // A URL that this page may not connect to.
      throw toRpcError(error)
    }
    return connection
  }

  return {
    async request({ method, params }) {
      const { result, error, answer } = await connect().call({ method, params: plain(params) })
      if (!error) return result
      checkOpen()
      // `answer` is the server's own error; `error` is without it, and what is known of the line.
      const { code, message, data } = Object(answer)
      if (Number.isSafeInteger(code)) throw new ProviderRpcError(code, typeof message === 'string' ? message : error.message, data)
      throw new ProviderRpcError(error.status === TOO_MANY_REQUESTS ? LIMIT_EXCEEDED : INTERNAL, `The fallback ${new URL(url).host} did not answer: ${error.message}`)
    },
    close() {
      connection?.close()
    },
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
