// The package's entry `snaplight/provider`: see provider.d.ts for what everything does.

import { Snaplight } from './lib/database.js'
import { INVALID_REQUEST, ProviderRpcError, invalidParams, toRpcError, unsupported } from './lib/eip1193/errors.js'
import { Events } from './lib/eip1193/events.js'
import { openFallback } from './lib/eip1193/fallback.js'
import { HEADER_METHODS, METHODS } from './lib/eip1193/methods.js'
import { States } from './lib/eip1193/state.js'
import { bad, oneOf, optionsOf } from './lib/input.js'

export { ProviderRpcError } from './lib/eip1193/errors.js'

/** Methods whose answers come as events, which the provider has none of. */
const SUBSCRIPTIONS = ['eth_subscribe', 'eth_unsubscribe']

export function createProvider(db, options) {
  if (!(db instanceof Snaplight)) bad('db', 'an open database', db)
  const { fallback: wanted, onDemand = false, headers = false } = optionsOf(options)
  oneOf(onDemand, [true, false], 'options.onDemand')
  oneOf(headers, [true, false], 'options.headers')
  const fallback = openFallback(wanted)
  const events = new Events()
  const source = { db, states: new States(db, onDemand), hasFallback: fallback !== null }
  /** Why nothing is answered any more. */
  let ended = null

  const stop = Snaplight.listen(db, ({ type, error }) => {
    if (type !== 'closed') return
    stop()
    ended = error
    source.states.close()
    fallback?.close()
    // Later, because a listener may call the database.
    queueMicrotask(() => events.emit('disconnect', toRpcError(error)))
  })
  const timer = setTimeout(() => {
    if (!ended) events.emit('connect', { chainId: METHODS.get('eth_chainId')(source) })
  })
  timer.unref?.()

  // An object of functions: `request` can be taken out of it, and the object can be wrapped.
  const provider = {
    async request(request) {
      const call = opened(request)
      if (ended) throw toRpcError(ended)
      const proven = METHODS.get(call.method) ?? (headers ? HEADER_METHODS.get(call.method) : undefined)
      try {
        const answer = await proven?.(source, call.params)
        if (answer !== undefined) return answer
      } catch (error) {
        throw toRpcError(error)
      }
      if (!fallback || SUBSCRIPTIONS.includes(call.method)) throw unsupported(call.method)
      events.emit('unverified', { ...call })
      return fallback.request(call)
    },
    on(event, listener) {
      if (typeof listener !== 'function') bad('listener', 'a function', listener)
      events.on(event, listener)
      return provider
    },
    removeListener(event, listener) {
      events.removeListener(event, listener)
      return provider
    },
  }
  return provider
}

/** `{ method, params }` of a request, which may be anything. */
function opened(request) {
  let method, params
  try {
    ;({ method, params } = request)
  } catch {
    method = undefined
  }
  if (typeof method !== 'string') throw new ProviderRpcError(INVALID_REQUEST, 'a request has a method')
  if (params === undefined || params === null) return { method }
  if (typeof params !== 'object') throw invalidParams('the parameters must be an array')
  return { method, params }
}
