/**
 * The same API with all the work in a worker, so that the page's own thread stays free.
 *
 * ```js
 * import { openInWorker } from 'snaplight/worker'
 * const db = await openInWorker(undefined, { network })
 * db.addPeer('wss://peer.example') // opened inside the worker
 * ```
 */
import type { OpenOptions, Snaplight } from './snaplight.js'

/**
 * As `open` of `snaplight`, in a worker. Differences: a socket cannot be a peer (`addPeer` throws
 * `MisuseError` `BAD_ARGUMENT`: it cannot be handed to another thread; a provider stays in the page,
 * and the worker's calls of it come here), a URL that may not be connected to shows in
 * `peer.closed`, and `progress()`, `complete`, `states`, `holds` and `peer.stats` are as of the last
 * message from the worker: at most 100 ms old during a sync, 250 ms otherwise.
 *
 * @param worker A worker that runs `snaplight/worker-entry`, or a `MessagePort` whose other end was
 *   given to `serve`. Left out, one is started, and ended by `db.close()`. One worker can hold
 *   several databases.
 * @param options As for `open`. `wasm` is posted: a URL, bytes, a `WebAssembly.Module`, or a
 *   `Response`, of which the bytes are.
 * @throws As `open`; {@link CrashError} if the worker cannot be started.
 */
export function openInWorker(worker: Worker | MessagePort | undefined, options: OpenOptions): Promise<Snaplight>

/** Inside a worker of your own: answers the `openInWorker` at the other end of `port`. */
export function serve(port: MessageEndpoint): void

/** A `MessagePort`, a `Worker`, or a worker's own global scope. */
export interface MessageEndpoint {
  postMessage(message: unknown, transfer?: Transferable[]): void
  addEventListener(type: 'message', listener: (event: MessageEvent) => void): void
  start?(): void
}

export * from './snaplight.js'
