// The package's entry `snaplight/provider`: see provider.d.ts for what everything does.

import { Snaplight } from './lib/database.js'
import { INVALID_REQUEST, ProviderRpcError, invalidParams, toRpcError, unsupported } from './lib/eip1193/errors.js'
import { openFallback } from './lib/eip1193/fallback.js'
import { HEADER_METHODS, METHODS } from './lib/eip1193/methods.js'
import { States } from './lib/eip1193/state.js'
import { bad, boolean, optionsOf } from './lib/input.js'
import { call } from './lib/running.js'

export { ProviderRpcError } from './lib/eip1193/errors.js'

/** Methods whose answers come as events, which the provider has none of. */
const SUBSCRIPTIONS = ['eth_subscribe', 'eth_unsubscribe']

export function createProvider(db, options) {
  if (!(db instanceof Snaplight)) bad('db', 'an open database', db)
  const { fallback: wanted, onDemand = false, headers = false } = optionsOf(options)
  boolean(onDemand, 'options.onDemand')
  boolean(headers, 'options.headers')
  const fallback = openFallback(wanted, checkOpen)
  const source = { db, states: new States(db, onDemand), hasFallback: fallback !== null }
  /** By event, in the order in which they were added. Bound: the caller's. */
  const listeners = new Map()
  /** Why nothing is answered any more. */
  let ended = null

  const stop = Snaplight.listen(db, ({ type, error }) => {
    if (type !== 'closed') return
    stop()
    ended = error
    source.states.close()
    fallback?.close()
    // Later, because a listener may call the database.
    queueMicrotask(() => emit('disconnect', toRpcError(error)))
  })
  const timer = setTimeout(() => {
    if (!ended) emit('connect', { chainId: METHODS.get('eth_chainId')(source) })
  })
  timer.unref?.()

  function checkOpen() {
    if (ended) throw toRpcError(ended)
  }

  function listenersOf(event) {
    return listeners.get(event) ?? []
  }

  /** An error that a listener throws is reported as uncaught, and reaches nobody else. */
  function emit(event, argument) {
    for (const listener of listenersOf(event)) call(listener, argument)
  }

  // An object of functions: `request` can be taken out of it, and the object can be wrapped.
  const provider = {
    async request(request) {
      const asked = opened(request)
      checkOpen()
      const proven = METHODS.get(asked.method) ?? (headers ? HEADER_METHODS.get(asked.method) : undefined)
      try {
        const answer = await proven?.(source, asked.params)
        if (answer !== undefined) return answer
      } catch (error) {
        throw toRpcError(error)
      }
      if (!fallback || SUBSCRIPTIONS.includes(asked.method)) throw unsupported(asked.method)
      emit('unverified', { ...asked })
      return fallback.request(asked)
    },
    on(event, listener) {
      if (typeof listener !== 'function') bad('listener', 'a function', listener)
      listeners.set(event, [...listenersOf(event), listener])
      return provider
    },
    /** Takes out the one that was added last, as Node's `EventEmitter` does. */
    removeListener(event, listener) {
      const at = listenersOf(event).lastIndexOf(listener)
      listeners.set(event, listenersOf(event).filter((_, index) => index !== at))
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
  if (params == null) return { method }
  if (typeof params !== 'object') throw invalidParams('the parameters must be an array')
  return { method, params }
}
