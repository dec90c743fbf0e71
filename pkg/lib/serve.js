// The worker's side: each `open` brings a port of its own, over which one database is used.
//
// Messages in: `{ id, method, args }`. Out: `{ id, value }` or `{ id, error }` in answer, and `{
// event, args }` for what database.js's listener is to hear. Everything in them can be cloned;
// errors go flat and are revived.

import { adoptError, flattenError } from './errors.js'
import { connectLocal } from './local.js'

/**
 * What the first message on an endpoint must carry, so that a worker can have other things to do as
 * well.
 */
export const OPEN = 'snaplight:open'

/** Methods that answer with a promise; those of the others that fail say so through an event. */
const ANSWERED = new Set(['account', 'storage', 'code', 'close'])

export function serve(endpoint) {
  endpoint.addEventListener('message', ({ data }) => {
    if (data?.type === OPEN) open(data.port, data.options)
  })
  endpoint.start?.()
}

async function open(port, options) {
  const listener = tellingListener(port)
  let backend
  try {
    backend = await connectLocal(options, listener)
  } catch (error) {
    port.postMessage({ id: 0, error: flattenError(error) })
    port.close()
    return
  }
  port.addEventListener('message', ({ data }) => run(port, backend, listener, data))
  port.start()
  port.postMessage({ id: 0 })
}

async function run(port, backend, listener, { id, method, args }) {
  if (ANSWERED.has(method)) {
    try {
      port.postMessage({ id, value: await backend[method](...args) })
    } catch (error) {
      port.postMessage({ id, error: flattenError(error) })
    }
    if (method === 'close') port.close()
    return
  }
  try {
    backend[method](...args)
  } catch (error) {
    if (method === 'addPeer') listener.onPeerClosed(args[0], 'fault', 1006, error.message, {})
    else if (method === 'startSync') listener.onFailed(error, args[1])
  }
}

/** Every call becomes a message. Named one by one, because nothing but these may cross. */
function tellingListener(port) {
  const tell = (event) => (...args) => port.postMessage({ event, args })
  return {
    onProgress: tell('onProgress'),
    onComplete: tell('onComplete'),
    onSynced: tell('onSynced'),
    onPeer: tell('onPeer'),
    onPeerClosed: tell('onPeerClosed'),
    onRole: tell('onRole'),
    onEvent: tell('onEvent'),
    onEnded: tell('onEnded'),
    onFailed: (error, start) => port.postMessage({ event: 'onFailed', args: [flattenError(adoptError(error)), start] }),
    onCrashed: (error) => port.postMessage({ event: 'onCrashed', args: [flattenError(error)] }),
  }
}
