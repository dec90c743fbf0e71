/**
 * An EIP-1193 provider that answers from proven state, for viem, ethers, wagmi and whatever else
 * takes one.
 *
 * ```js
 * import { open } from 'snaplight'
 * import { createProvider } from 'snaplight/provider'
 *
 * const provider = createProvider(db, { fallback: 'https://rpc.example' })
 * provider.on('unverified', ({ method }) => console.log(method, 'was not proven'))
 * const ethers = new BrowserProvider(provider)
 * const client = createPublicClient({ transport: custom(provider) })
 * ```
 *
 * It is no wallet: it has no accounts, signs nothing, and does not announce itself by EIP-6963.
 */
import type { Provider, Snaplight } from './snaplight.js'

/**
 * Makes a provider of an open database. Nothing is asked of anybody by that.
 *
 * | answered, proven | from |
 * |---|---|
 * | `eth_chainId`, `net_version` | the database's network |
 * | `eth_accounts` | `[]` |
 * | `eth_blockNumber` | the complete state's block |
 * | `eth_getBalance`, `eth_getTransactionCount`, `eth_getCode`, `eth_getStorageAt`, `eth_getStorageValues`, `eth_getProof` | what is stored of the block asked for |
 * | `eth_getBlockByNumber`, `eth_getBlockByHash` | with `headers`, and without transactions: headers that the database followed |
 *
 * A block is a number, a hash, `{ blockNumber }` or `{ blockHash }` (EIP-1898), `latest`, or left
 * out, which is `latest`: the newest complete state, whatever the chain's newest block is. `safe`
 * and `finalized` are the newest state that was followed by that tag, or for `safe` by `finalized`.
 * `earliest` is block 0. `pending` is refused, because nobody can prove it. It is that very block
 * or an error, never a neighbour.
 *
 * Parameters are taken as go-ethereum takes them: trailing ones may be left out, storage keys may
 * have fewer digits than 64, and `eth_getProof` and `eth_getStorageValues` take 1,024 of them at
 * most. Of a block by its hash with `requireCanonical`, the state is not read once another block
 * with its number has been synced to.
 *
 * All other methods go to `fallback`, unproven, with the event `unverified`; without one they are
 * refused. Nothing that could be proven goes to `fallback`. `eth_subscribe` is always refused,
 * because no events of a fallback come through.
 *
 * Errors have `code`, `message` and `data`, as EIP-1193 and EIP-1474 have them:
 *
 * | code | when | `data` |
 * |---|---|---|
 * | -32600 | the request is no object with a `method` | |
 * | -32602 | parameters that are none, or `pending` | |
 * | -32001 | the block is none of those that can be read, or the account or slot is not held | `{ code, pending }` of the {@link NotTrackedError} |
 * | 4200 | a method that is neither answered nor has a fallback: "the method X does not exist/is not available" | |
 * | 4900 | the database is closed or has crashed | `{ code }` |
 * | -32603 | the store failed, or something is damaged | `{ code }` |
 *
 * What the fallback rejects with comes through as it is; of one by its URL, that is the `error` of
 * its answer. If a URL gives no answer, that is -32603, or -32005 for the HTTP status 429.
 *
 * @throws {MisuseError} `BAD_ARGUMENT`: not a database, or an option that is none.
 * @throws {UnsupportedError} A ws: or wss: URL, where there is no `WebSocket`.
 * @throws {ClosedError} The database is closed.
 * @throws {CrashError}
 */
export function createProvider(db: Snaplight, options?: ProviderOptions): Eip1193Provider

export interface ProviderOptions {
  /**
   * Who is asked for all other methods: a provider, or the URL of one (http:, https:, ws: or wss:).
   * A WebSocket is opened at the first such method, again at the next one after it was lost, and
   * closed with the database.
   */
  fallback?: Provider | string | URL
  /**
   * Whether accounts and slots that are not tracked are fetched and proven, for this once, from the
   * database's peers that were given by a URL or are providers. They are kept in memory, at most
   * 1,024 of them, the oldest are forgotten first, and they are not in `db.tracked()`. Calls of one
   * turn are fetched together. Default: `false`. A database of everything has no need of it.
   * Its code is loaded at the first need, which a service worker can do only if a bundler has put
   * all code into one file; else such a read is -32603.
   */
  onDemand?: boolean
  /**
   * Whether `eth_getBlockByNumber` and `eth_getBlockByHash` without transactions are answered with
   * the proven header of a block that was followed or synced to by its header. The lists of such an
   * answer (`transactions`, `uncles`, `withdrawals`) are empty, whatever the block has, and what no
   * hash covers, such as `size`, is left out. Other blocks go to the fallback; without one they are
   * -32001. Default: `false`; all go to the fallback.
   */
  headers?: boolean
}

/** A provider as EIP-1193 has it. */
export interface Eip1193Provider {
  /** @throws {ProviderRpcError} */
  request(request: { method: string; params?: readonly unknown[] | object }): Promise<any>
  /**
   * - `connect`: once, in the next turn, with `{ chainId }`.
   * - `disconnect`: the database was closed or has crashed; a {@link ProviderRpcError} with code
   *   4900.
   * - `unverified`: a call went to the fallback, with its `{ method, params }`.
   *
   * `chainChanged`, `accountsChanged` and `message` can be listened to, and never happen. An error
   * that a listener throws is reported as uncaught.
   *
   * @throws {MisuseError} `BAD_ARGUMENT`: the listener is no function.
   */
  on(event: string, listener: (argument: any) => void): this
  removeListener(event: string, listener: (argument: any) => void): this
}

/** @see https://eips.ethereum.org/EIPS/eip-1193#rpc-errors */
export class ProviderRpcError extends Error {
  readonly code: number
  readonly data?: unknown
}
