// The backend whose database is in a worker. The worker's side is serve.js.

import { Ending, holdLock } from './ends.js'
import { ClosedError, CrashError, LoadError, reviveError } from './errors.js'
import { Host } from './host.js'
import { bad, peerUrl } from './input.js'
import { OPEN, ignore, ignoredMessages } from './messages/shapes.js'
import { isAnswer, isEvent, isRequest } from './messages/to-page.js'
import { idle } from './progress.js'
import { requested } from './provider.js'
import { onWake } from './reconnect.js'
import { postable } from './source.js'
import { version } from './version.js'

/** Opens the database in `worker`, or in a new one; `listener` is database.js's. */
export function connectRemote(worker, options, listener) {
  const host = worker === undefined ? Host.start() : new Host(worker)
  if (typeof host.endpoint?.postMessage !== 'function') bad('worker', 'a Worker, a MessagePort, or undefined (the options come second)', worker)
  return connectTo(host, options, listener)
}

async function connectTo(host, options, listener) {
  const { port1: port, port2: theirs } = new MessageChannel()
  const backend = new RemoteBackend(port, listener, host)
  try {
    await backend.open(theirs, options)
  } catch (error) {
    backend.release()
    throw error
  }
  return backend
}

class RemoteBackend {
  #port
  #listener
  #host
  #raw = idle()
  /**
   * Calls that wait for their answer, by id; 0 is the opening. Bound: the caller's calls in flight.
   */
  #calls = new Map()
  #nextCall = 1
  /** The caller's providers by the ids of their peers: they stay here. Bound: the open peers. */
  #providers = new Map()
  #crash = null
  #stopWaking
  /** Hears when the worker is gone. */
  #ending
  /** The lock that shows the worker that this end lives. */
  #lock = null
  /** The wait for the worker to say that it serves; `null` when it has said so. */
  #expectation
  #isReleased = false

  constructor(port, listener, host) {
    this.#port = port
    this.#listener = listener
    this.#host = host
    host.join()
    this.#ending = new Ending(port, () => this.#workerGone())
    this.#expectation = host.expect((error) => this.#refuse(error))
    port.addEventListener('message', ({ data }) => this.#receive(data))
    port.start()
    // A worker is not told when its page is shown again.
    this.#stopWaking = onWake(() => this.#crash ?? this.#tell('wake'))
  }

  /** Has the worker open the database. Called once. */
  async open(port, options) {
    const opened = this.#answer(0)
    // An end that comes before the await below is told by it.
    opened.catch(() => {})
    // Both at once, and while the worker starts.
    const wasm = postable(this.#host.endpoint, options.wasm)
    wasm.catch(() => {})
    this.#lock = await holdLock()
    const message = { type: OPEN, version, lock: this.#lock.name, port, options: { ...options, wasm: await wasm } }
    try {
      this.#host.endpoint.postMessage(message, [port])
    } catch (cause) {
      bad('options.wasm', 'a URL, bytes, a WebAssembly.Module or a Response, which can be posted to a worker', options.wasm, cause)
    }
    // Not before: a page that is prerendered gets no lock, and the module may be a promise.
    this.#expectation?.begin()
    await opened
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

  async diagnostics() {
    const found = await this.#ask('diagnostics')
    return { ...found, ignoredMessages: found.ignoredMessages + ignoredMessages() }
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

  /** Ends the connection, and the worker if it is ours and nobody else's. Twice is as once. */
  release() {
    if (this.#isReleased) return
    this.#isReleased = true
    this.#stopWaking()
    this.#expectation?.stop()
    this.#ending.stop()
    this.#lock?.release()
    this.#port.close()
    this.#host.leave()
  }

  #ask(method, ...args) {
    if (this.#crash) return Promise.reject(this.#crash)
    const id = this.#nextCall++
    const answer = this.#answer(id)
    this.#port.postMessage({ id, method, args })
    return answer
  }

  #tell(method, ...args) {
    if (this.#crash) throw this.#crash
    this.#port.postMessage({ method, args })
  }

  /** A promise of the answer to the call `id`. */
  #answer(id) {
    return new Promise((resolve, reject) => this.#calls.set(id, { resolve, reject }))
  }

  #receive(data) {
    const message = Object(data)
    if (this.#expectation) this.#begin(message)
    else if (isEvent(message)) this.#hear(message.event, message.args)
    else if (isRequest(message)) this.#request(message.id, ...message.request)
    else if (isAnswer(message, this.#calls)) this.#answered(message)
    else ignore()
  }

  /**
   * The first message says that the worker serves. Older workers do not, and only answer the
   * opening.
   */
  #begin({ serving, lock = null, id }) {
    const isFirst = typeof serving === 'string' && (lock === null || typeof lock === 'string')
    if (!isFirst && id !== 0) return ignore()
    this.#expectation.stop()
    this.#expectation = null
    const error = this.#host.served(serving)
    if (error) this.#refuse(error)
    else this.#ending.watch(lock)
  }

  #answered({ id, value, error }) {
    const { resolve, reject } = this.#calls.get(id)
    this.#calls.delete(id)
    if (error) reject(reviveError(error))
    else resolve(value)
  }

  /** The opening fails. */
  #refuse(error) {
    this.#calls.get(0)?.reject(error)
    this.#calls.delete(0)
  }

  #workerGone() {
    if (this.#expectation) return this.#refuse(new LoadError('LOAD_FAILED', 'The worker ended before it answered: its script failed, or it was terminated.'))
    this.#crashed(new CrashError('CRASHED', 'The worker that held the database is gone: somebody has ended it, or it has crashed. What was committed is intact: open the database again.'))
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
    if (event === 'onCrashed') this.#crashed(reviveError(args[0]))
    else if (event === 'onFailed') this.#listener.onFailed(reviveError(args[0]), args[1])
    else this.#listener[event](...args)
  }

  #crashed(error) {
    if (this.#crash) return
    this.#crash = error
    // A worker of ours is of no more use, and its end releases the database's lock.
    this.release()
    this.#rejectCalls(error)
    this.#listener.onCrashed(error)
  }

  #rejectCalls(error) {
    for (const { reject } of this.#calls.values()) reject(error)
    this.#calls.clear()
  }
}
