// The worker's side of remote.js. Each opening brings a port of its own, over which one database is
// used.
//
// The first message out is `{ serving, lock }`: the version, and the name of a lock that this realm
// holds as long as it lives. Messages in: `{ id, method, args }`. Messages out: `{ id, value }` or
// `{ id, error }` in answer, `{ event, args }` for a call of database.js's listener, and `{ id,
// request: [peer, call] }` for a provider that the page has, answered by the method `requested`.
// All of it can be cloned: errors are posted as plain objects and made errors again at the other
// end. messages/ has the shapes.

import { Ending, holdLock } from './ends.js'
import { adoptError, flattenError } from './errors.js'
import { connectLocal, prepare } from './local.js'
import { OPEN, ignore } from './messages/shapes.js'
import { isAnswered, isCall, isOpening } from './messages/to-worker.js'
import { checkOptions } from './open.js'
import { closedByError } from './peer.js'
import { ForwardedProvider } from './provider.js'
import { otherVersion, version } from './version.js'

/** The promise of this realm's lock, from the first opening on. */
let life = null

export function serve(endpoint) {
  endpoint.addEventListener('message', ({ data }) => {
    if (data?.type !== OPEN) return
    if (isOpening(data)) open(data)
    else ignore()
  })
  endpoint.start?.()
}

/**
 * @param {object} opening Its `lock` is the name of the lock that the page holds, if it holds one.
 */
async function open({ version: theirs, lock = null, port, options }) {
  const providers = new Map()
  const listener = postingListener(port, providers)
  let backend = null
  let isPageGone = false
  // Nobody uses the database any more, and its lock is for whoever waits for it.
  const end = () => {
    port.close()
    backend?.close()
  }
  const ending = new Ending(port, () => {
    isPageGone = true
    end()
  })
  ending.watch(lock)
  // Also for the event of its end.
  port.start()
  // The lock takes a while. If this fails, the opening below fails too, and says so.
  if (theirs === version) prepare(Object(options)).catch(() => {})
  life ??= holdLock()
  port.postMessage({ serving: version, lock: (await life).name })
  try {
    if (theirs !== version) throw otherVersion(theirs)
    backend = await connectLocal(checkOptions(options).checked, listener)
  } catch (error) {
    port.postMessage({ id: 0, error: flattenError(error) })
    return
  }
  if (isPageGone) return end()
  port.addEventListener('message', ({ data }) => {
    if (isCall(data)) run(port, backend, listener, providers, ending, data)
    else ignore()
  })
  port.postMessage({ id: 0 })
}

/** @param {Map<number, ForwardedProvider>} providers The page's, by the ids of their peers. */
async function run(port, backend, listener, providers, ending, { id, method, args }) {
  // The page ends the connection when it has the answer.
  if (method === 'close') ending.stop()
  if (isAnswered(method)) {
    try {
      port.postMessage({ id, value: await backend[method](...args) })
    } catch (error) {
      port.postMessage({ id, error: flattenError(error) })
    }
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
