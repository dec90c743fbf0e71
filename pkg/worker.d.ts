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
 * `MisuseError` `BAD_ARGUMENT`: it cannot be handed to another thread; a provider stays in the
 * page, and the worker's calls of it come here), a URL that may not be connected to shows in
 * `peer.closed`, and `progress()`, `complete`, `states`, `holds` and `peer.stats` are as of the
 * last message from the worker: at most 100 ms old during a sync, 250 ms otherwise.
 *
 * The database lives as long as both sides do. When the worker is gone (`terminate()`, a crash),
 * everything rejects with a {@link CrashError}, and the database can be opened again. When the page
 * is gone without `close()`, a `SharedWorker` closes its database, and the next tab writes. An
 * uncaught error of other code in the worker ends nothing.
 *
 * @param worker A worker that runs `snaplight/worker-entry`, or a `MessagePort` whose other end was
 *   given to `serve`. Left out, one is started, and ended with its last database. One worker can
 *   hold several databases. Page and worker have to run the same version of this package.
 * @param options As for `open`. The module is compiled in the page, while the worker loads its
 *   script, or in the worker where the page may not. `wasm` is posted: a URL, bytes, a
 *   `WebAssembly.Module` (which no `SharedWorker` gets), or a `Response`, of which the bytes are.
 * @throws As `open`. {@link UnsupportedError}: there is no `Worker` here, as in a service worker, or
 *   workers cannot be modules (Firefox before 114).
 *   {@link LoadError}: the worker's script cannot be loaded, does not answer within 30 seconds, or
 *   is of another version of this package. The message names the script and the remedy. `cause` is
 *   the browser's error, or a copy of the one that the worker threw.
 */
export function openInWorker(worker: Worker | MessagePort | undefined, options: OpenOptions): Promise<Snaplight>

/**
 * Inside a worker of your own: answers the `openInWorker` at the other end of `port`. Call it
 * before anything that the script awaits, because messages that come before are lost. Messages of
 * your own, whose `type` is not `'snaplight:open'`, are left to you.
 */
export function serve(port: MessageEndpoint): void

/** A `MessagePort`, a `Worker`, or a worker's own global scope. */
export interface MessageEndpoint {
  postMessage(message: unknown, transfer?: Transferable[]): void
  addEventListener(type: 'message', listener: (event: MessageEvent) => void): void
  start?(): void
}

export * from './snaplight.js'
