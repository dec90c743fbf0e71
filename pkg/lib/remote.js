// The backend whose database is in a worker. The worker's side is serve.js.

import { ClosedError, CrashError, adoptError } from './errors.js'
import { bad, peerUrl } from './input.js'
import { idle } from './progress.js'
import { requested } from './provider.js'
import { onWake } from './reconnect.js'
import { OPEN } from './serve.js'

/** Opens the database in `worker`, or in a new one; `listener` is database.js's. */
export function connectRemote(worker, options, listener) {
  const host = new Host(worker ?? startWorker(), worker === undefined)
  if (typeof host.endpoint?.postMessage !== 'function') bad('worker', 'a Worker, a MessagePort, or undefined', worker)
  return connectTo(host, options, listener)
}

async function connectTo(host, options, listener) {
  const { endpoint } = host
  const { port1: port, port2: theirs } = new MessageChannel()
  const onError = (event) => backend.stopped(event.message || 'its script could not be loaded')
  const backend = new RemoteBackend(port, listener, host, () => {
    // A worker of the caller's own lives on, and this listener would keep the database in memory.
    endpoint.removeEventListener?.('error', onError)
    host.leave()
  })
  host.join()
  // Only this event tells that a worker's script does not load.
  endpoint.addEventListener?.('error', onError)
  try {
    const opened = backend.answer(0)
    endpoint.postMessage({ type: OPEN, port: theirs, options: { ...options, wasm: await postable(options.wasm) } }, [theirs])
    await opened
  } catch (error) {
    backend.release()
    throw error
  }
  return backend
}

/** A worker with the databases that are open in it. */
class Host {
  endpoint
  #isOurs
  #users = 0

  /** @param {boolean} isOurs Whether it ends with the last of its databases. */
  constructor(endpoint, isOurs) {
    this.endpoint = endpoint
    this.#isOurs = isOurs
  }

  join() {
    this.#users += 1
  }

  leave() {
    this.#users -= 1
    if (this.#users === 0 && this.#isOurs) this.endpoint.terminate()
  }
}

class RemoteBackend {
  #port
  #listener
  #host
  #leaveHost
  #raw = idle()
  /** Calls that wait for their answer, by id. Bound: the caller's calls in flight. */
  #calls = new Map()
  #nextCall = 1
  /** The caller's providers by the ids of their peers: they stay here. Bound: the open peers. */
  #providers = new Map()
  #crash = null
  #stopWaking

  /** @param {() => void} leaveHost Lets go of the worker. */
  constructor(port, listener, host, leaveHost) {
    this.#port = port
    this.#listener = listener
    this.#host = host
    this.#leaveHost = leaveHost
    port.addEventListener('message', ({ data }) => this.#receive(data))
    port.start()
    // A worker is not told when its page is shown again.
    this.#stopWaking = onWake(() => this.#crash ?? this.#tell('wake'))
  }

  addPeer(id, target, by, reconnect) {
    const url = peerUrl(target, by)
    if (!url && by !== 'rpc') bad('peer', 'a ws: or wss: URL, or a provider, because a socket cannot be handed to a worker', target)
    if (!url) this.#providers.set(id, target)
    this.#tell('addPeer', id, url, by, reconnect)
  }

  closePeer(id) {
    this.#tell('closePeer', id)
  }

  startSync(target, start) {
    this.#tell('startSync', target, start)
  }

  cancelSync() {
    this.#tell('cancelSync')
  }

  progress() {
    return this.#raw
  }

  diagnostics() {
    return this.#ask('diagnostics')
  }

  read(...args) {
    return this.#ask('read', ...args)
  }

  change(...args) {
    return this.#ask('change', ...args)
  }

  beside(options, listener) {
    return connectTo(this.#host, options, listener)
  }

  async close() {
    try {
      await this.#ask('close')
    } catch {
      // The worker crashed, before or now. Then nothing is open any more, which is what was asked
      // for.
    }
    this.release()
    // What is not answered by now never will be.
    this.#rejectCalls(new ClosedError('CLOSED', 'The database was closed before the answer was there.'))
  }

  /** Ends the connection, and the worker if it is ours and nobody else's. Called once. */
  release() {
    this.#stopWaking()
    this.#port.close()
    this.#leaveHost()
  }

  /** A promise of the answer to the call `id`; 0 is the opening. */
  answer(id) {
    return new Promise((resolve, reject) => this.#calls.set(id, { resolve, reject }))
  }

  /** Notes that the worker is gone or unusable. */
  stopped(reason) {
    this.#crashed(new CrashError('CRASHED', `The worker stopped: ${reason}. What was committed is intact: open the database again.`))
  }

  #ask(method, ...args) {
    if (this.#crash) return Promise.reject(this.#crash)
    const id = this.#nextCall++
    const answer = this.answer(id)
    this.#port.postMessage({ id, method, args })
    return answer
  }

  #tell(method, ...args) {
    if (this.#crash) throw this.#crash
    this.#port.postMessage({ method, args })
  }

  #receive({ id, value, error, event, args, request }) {
    if (event) return this.#hear(event, args)
    if (request) return this.#request(id, ...request)
    const call = this.#calls.get(id)
    this.#calls.delete(id)
    if (error) call?.reject(adoptError(error))
    else call?.resolve(value)
  }

  /** The worker asks a provider. */
  async #request(id, peer, request) {
    const outcome = await requested(this.#providers.get(peer), request)
    if (!this.#crash) this.#tell('requested', peer, id, outcome)
  }

  #hear(event, args) {
    if (event === 'onPeerClosed') this.#providers.delete(args[0])
    if (event === 'onProgress') this.#raw = args[0]
    if (event === 'onSynced') this.#raw = args[1]
    if (event === 'onCrashed') this.#crashed(adoptError(args[0]))
    else if (event === 'onFailed') this.#listener.onFailed(adoptError(args[0]), args[1])
    else this.#listener[event](...args)
  }

  #crashed(error) {
    if (this.#crash) return
    this.#crash = error
    this.#stopWaking()
    this.#rejectCalls(error)
    this.#listener.onCrashed(error)
  }

  #rejectCalls(error) {
    for (const { reject } of this.#calls.values()) reject(error)
    this.#calls.clear()
  }
}

/** Written in the form that bundlers recognise, so that they include the worker's script. */
function startWorker() {
  return new Worker(new URL('../worker-entry.js', import.meta.url), { type: 'module', name: 'snaplight' })
}

/**
 * Makes `options.wasm` postable: bytes and modules as they are, URLs as text, a Response as its
 * bytes.
 */
async function postable(source) {
  const wasm = await source
  if (wasm instanceof URL) return wasm.href
  if (typeof wasm === 'string') return new URL(wasm, globalThis.location?.href).href
  return typeof wasm?.arrayBuffer === 'function' ? wasm.arrayBuffer() : wasm
}
