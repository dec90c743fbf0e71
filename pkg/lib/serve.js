// The worker's side of remote.js. Each `open` brings a port of its own, over which one database is
// used.
//
// Messages in: `{ id, method, args }`. Messages out: `{ id, value }` or `{ id, error }` in answer,
// and `{ event, args }` for a call of database.js's listener. All of it can be cloned: errors are
// posted as plain objects and made errors again at the other end.

import { adoptError, flattenError } from './errors.js'
import { connectLocal } from './local.js'
import { closedByError } from './peer.js'

/**
 * The `type` of the message that opens a database. Other messages are ignored, so that the worker
 * can be used for other things too.
 */
export const OPEN = 'snaplight:open'

/** Methods that return a promise. Failures of the others are told by an event. */
const ANSWERED = new Set(['account', 'storage', 'code', 'close'])

export function serve(endpoint) {
  endpoint.addEventListener('message', ({ data }) => {
    if (data?.type === OPEN) open(data.port, data.options)
  })
  endpoint.start?.()
}

async function open(port, options) {
  const listener = postingListener(port)
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
    if (method === 'addPeer') listener.onPeerClosed(args[0], closedByError(error), {}, 'closed')
    else if (method === 'startSync') listener.onFailed(error, args[1])
  }
}

/**
 * A listener that posts every call as a message. The calls are named one by one, because no others
 * may be posted.
 */
function postingListener(port) {
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
