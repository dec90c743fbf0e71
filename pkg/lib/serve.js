// The worker's side of remote.js. Each `open` brings a port of its own, over which one database is
// used.
//
// Messages in: `{ id, method, args }`. Messages out: `{ id, value }` or `{ id, error }` in answer,
// `{ event, args }` for a call of database.js's listener, and `{ id, request: [peer, call] }` for a
// provider that the page has, answered by the method `requested`. All of it can be cloned: errors are
// posted as plain objects and made errors again at the other end.

import { adoptError, flattenError } from './errors.js'
import { connectLocal } from './local.js'
import { closedByError } from './peer.js'
import { ForwardedProvider } from './provider.js'

/**
 * The `type` of the message that opens a database. Other messages are ignored, so that the worker
 * can be used for other things too.
 */
export const OPEN = 'snaplight:open'

/** Methods that return a promise. Failures of the others are told by an event. */
const ANSWERED = new Set(['read', 'change', 'diagnostics', 'close'])

export function serve(endpoint) {
  endpoint.addEventListener('message', ({ data }) => {
    if (data?.type === OPEN) open(data.port, data.options)
  })
  endpoint.start?.()
}

async function open(port, options) {
  const providers = new Map()
  const listener = postingListener(port, providers)
  let backend
  try {
    backend = await connectLocal(options, listener)
  } catch (error) {
    port.postMessage({ id: 0, error: flattenError(error) })
    port.close()
    return
  }
  port.addEventListener('message', ({ data }) => run(port, backend, listener, providers, data))
  port.start()
  port.postMessage({ id: 0 })
}

/** @param {Map<number, ForwardedProvider>} providers The page's, by the ids of their peers. */
async function run(port, backend, listener, providers, { id, method, args }) {
  if (ANSWERED.has(method)) {
    try {
      port.postMessage({ id, value: await backend[method](...args) })
    } catch (error) {
      port.postMessage({ id, error: flattenError(error) })
    }
    if (method === 'close') port.close()
    return
  }
  if (method === 'requested') return providers.get(args[0])?.replied(args[1], args[2])
  try {
    if (method === 'addPeer') args[1] ??= forwarded(port, providers, args[0])
    backend[method](...args)
  } catch (error) {
    if (method === 'addPeer') listener.onPeerClosed(args[0], closedByError(error), {}, 'closed')
    else if (method === 'startSync') listener.onFailed(error, args[1])
  }
}

/** Stands here for a provider of the page's. */
function forwarded(port, providers, peer) {
  const provider = new ForwardedProvider((id, request) => port.postMessage({ id, request: [peer, request] }))
  providers.set(peer, provider)
  return provider
}

/**
 * A listener that posts every call as a message. The calls are named one by one, because no others
 * may be posted.
 */
function postingListener(port, providers) {
  const tell = (event) => (...args) => port.postMessage({ event, args })
  return {
    onProgress: tell('onProgress'),
    onStates: tell('onStates'),
    onSynced: tell('onSynced'),
    onPeer: tell('onPeer'),
    onPeerClosed: (id, closed, row, state) => {
      if (state === 'closed') providers.delete(id)
      port.postMessage({ event: 'onPeerClosed', args: [id, closed, row, state] })
    },
    onRole: tell('onRole'),
    onEvent: tell('onEvent'),
    onLie: tell('onLie'),
    onEnded: tell('onEnded'),
    onFailed: (error, start) => port.postMessage({ event: 'onFailed', args: [flattenError(adoptError(error)), start] }),
    onCrashed: (error) => port.postMessage({ event: 'onCrashed', args: [flattenError(error)] }),
  }
}
