/// <reference lib="esnext.disposable" />

/**
 * Snaplight: Ethereum's state, proven, persistent and readable offline, inside the browser.
 *
 * This file is the specification of the package: what a method takes, what it answers, in which
 * units, and which errors it can throw. Every answer of a peer is verified against the state root
 * before anything of it is stored. Every stored page is verified again before it is read.
 *
 * ```js
 * import { open } from 'snaplight'
 *
 * const db = await open({
 *   network: { id: 1, genesisHash: '0xd4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3' },
 * })
 * db.addPeer('wss://peer.example')
 * const sync = db.sync('0xd7f8974fb5ac78d9ac099b9ad5018bedc2ce0a72dad1827a1709da30580f0544')
 * for await (const progress of sync) console.log(progress.phase, progress.accounts)
 * const report = await sync
 * await db.sync({ blockHash }) // the state after a newer block: only what differs is fetched
 * const { balance, root } = await db.getAccount('0x5abfec25f74cd88437631a7731906932776356f9')
 * await db.close()
 * ```
 *
 * A wallet holds its own accounts instead of everything, and needs no peer but a provider:
 *
 * ```js
 * const db = await open({ network, hold: 'set' })
 * db.addPeer('https://rpc.example', { by: 'rpc' }) // or any object with request({ method, params })
 * const tracked = db.track([account, { address: token, slots: [balanceSlot] }])
 * await db.sync({ blockHash })
 * await tracked
 * const { balance, age } = await db.getAccount(account)
 * const then = db.at(blockNumber) // all reads of one block's state
 * ```
 *
 * Conventions: hashes, roots and addresses come out as lower-case hexadecimal with `0x`; counts,
 * bytes and milliseconds are plain numbers; what the EVM counts (balance, nonce, storage value) is
 * a `bigint`.
 *
 * Any number of calls may be in flight at once, and any of them may be made from inside any
 * callback.
 */

/** Bytes as hexadecimal digits behind `0x`. */
export type Hex = `0x${string}`

/** 32 bytes: `0x` and 64 hexadecimal digits (either case), or a `Uint8Array` of 32 bytes. */
export type HashLike = string | Uint8Array

/**
 * 20 bytes: `0x` and 40 hexadecimal digits (either case; an EIP-55 checksum is not checked), or a
 * `Uint8Array` of 20.
 */
export type AddressLike = string | Uint8Array

/**
 * The state to sync to: its root, or the block that led to it. With `blockHash` the header is
 * fetched from a peer and proven by its hash; root, number and time are read from it.
 *
 * With `header` nothing is fetched for that: it is the block's header as RLP (`0x` and hexadecimal
 * digits, or bytes), or as the JSON that `eth_getBlockByHash` and `newHeads` give, of any client.
 * Its fields are hashed again and have to hash to `blockHash`. Without `blockHash` the JSON's own
 * `hash` is taken, and RLP is trusted as it is.
 */
export type SyncTarget =
  | HashLike
  | { root: HashLike }
  | { blockHash: HashLike }
  | { header: string | Uint8Array | object; blockHash?: HashLike }

/**
 * What a database holds of each state. `everything`: all accounts, slots and codes. `set`: the
 * accounts that were given to {@link Snaplight.track}, and of each the slots and the code that were
 * asked for.
 */
export type Hold = 'everything' | 'set'

/**
 * Something to track: an account by its address alone (nonce, balance, code hash and storage root
 * are always held), or with slots of it (by their numbers, or `'all'`) and its code. What is
 * tracked already stays. `'all'` needs a peer by snap or by hash: a provider cannot list slots.
 */
export type TrackedLike = AddressLike | { address: AddressLike; slots?: readonly SlotLike[] | 'all'; code?: boolean }

/** What is tracked of an account. */
export interface TrackedAccount {
  readonly address: Hex
  /** Numbers of slots, 32 bytes each, or `'all'`. */
  readonly slots: readonly Hex[] | 'all'
  readonly code: boolean
}

/**
 * A provider: an object with `request` of EIP-1193, such as a wallet, a transport of viem, a light
 * client, or a few lines around `fetch`. It is asked `eth_chainId`, `eth_getProof`, `eth_getCode`
 * and `eth_getBlockByHash`. It is trusted with nothing.
 */
export interface Provider {
  /**
   * Resolves to the JSON-RPC result, or rejects with an error that has `code`, `message` and `data`
   * as far as they are known.
   */
  request(request: { method: string; params?: any }): Promise<unknown>
}

/**
 * A storage slot's number: a `bigint` or safe integer from 0, or `0x` and up to 64 hexadecimal
 * digits, or a `Uint8Array` of 32 bytes, big-endian. It is the slot's number as in Solidity's
 * storage layout, not its hash.
 */
export type SlotLike = bigint | number | string | Uint8Array

/**
 * Opens a database, and creates it where there is none. With `memory: true` nothing touches the
 * disk.
 *
 * Of all pages and workers of an origin that have a database open, one **writes** (Web Locks) and
 * the others **follow**: they read what the writer has completed, see its switches, and stand in
 * line. When the writer closes or its tab dies, the next one takes its place
 * ({@link Snaplight.role}, the event `role`). Each database in memory is one of its own.
 *
 * What an earlier session left is checked. A root record that is damaged or gone is replaced by a
 * fresh one (event `damaged`, `what: 'record'`), and the next sync fills the database again; a set
 * is empty then, so name `hold: 'set'` at each opening, and track again. If the
 * last session ended without `close()`, nine megabytes are written and deleted in the background,
 * which keeps Chromium from losing the database (event `recovered`).
 *
 * @throws {MisuseError} `BAD_ARGUMENT`: an option is missing or malformed; `WRONG_NETWORK`: the
 *   database of this name was first opened for another network; `WRONG_HOLD`: it holds something
 *   else than `hold` says.
 * @throws {LockedError} With `role: 'writer'` only: somebody writes to it. The message says whether
 *   that is this page or worker itself, or another one.
 * @throws {UnsupportedError} Part of WebAssembly is missing (the message names it), or (without
 *   `memory`) IndexedDB or Web Locks are, or none for this page: cookies and site data are blocked, or
 *   it is in a sandboxed frame without `allow-same-origin`.
 * @throws {LoadError} The WebAssembly module was not found, or the page's Content-Security-Policy
 *   forbids it.
 * @throws {StoreError} The browser's database cannot be opened or read; `STORE_NEWER`: a newer
 *   Snaplight wrote it, in a format that this one does not know (the message names both). It is
 *   left as it is.
 * @throws {CrashError} A database of this realm has crashed.
 */
export function open(options: OpenOptions): Promise<Snaplight>

/**
 * Deletes a database with everything in it. No error if there is none. Followers of it are closed,
 * with the event `ended`.
 *
 * @param name As given to {@link open}; `'snaplight'` if left out.
 * @param options `wasm` as for {@link open}; needed only if no database was opened before.
 * @throws {MisuseError} `BAD_ARGUMENT`: not a name.
 * @throws {LockedError} Somebody has it open to write. The message says whether that is this page or
 *   worker itself, or another one.
 * @throws {UnsupportedError} No IndexedDB or no Web Locks here, or part of WebAssembly is missing.
 * @throws {LoadError} As for {@link open}.
 * @throws {CrashError} As for {@link open}.
 * @throws {StoreError} The browser refused; `STORE_BLOCKED`: another page keeps its
 *   connection open. The database is deleted as soon as that page is closed.
 */
export function deleteDatabase(name?: string, options?: { wasm?: OpenOptions['wasm'] }): Promise<void>

/** The version of this package, e.g. `'0.1.0'`. */
export const version: string

export interface OpenOptions {
  /**
   * Which chain. A peer on another one is dropped at its Status, and a database of another one is
   * not opened.
   */
  network: Network
  /** The database's name within the origin, without lone surrogates. Default: `'snaplight'`. */
  name?: string
  /**
   * Keep everything in memory and nothing on disk; `name` is then only a label. Default: `false`.
   */
  memory?: boolean
  /**
   * `'writer'`: write, or fail with a {@link LockedError}. `'follower'`: only read, never take
   * over. Left out: write if nobody else does, else follow and take over when that is possible. A
   * database in `memory` is always the writer's.
   */
  role?: Role
  /**
   * What a new database holds: `'everything'` (the default) or `'set'`. A database that exists
   * keeps what it holds: leave this out, or name the same. {@link Snaplight.hold} changes it.
   */
  hold?: Hold
  /**
   * Called with what happens to the database, also while it is being opened. An error that it
   * throws is reported as uncaught.
   */
  onEvent?: (event: DatabaseEvent) => void
  /**
   * Where the WebAssembly module comes from. Default: the file `wasm/snaplight_bg.wasm` beside
   * `snaplight.js`, which bundlers find by its `new URL(..., import.meta.url)`. The first `open` of
   * a realm decides; later ones share the module.
   */
  wasm?: WasmSource | Promise<WasmSource>
}

export interface Network {
  /** The network id of the peers' Status, e.g. 1 for mainnet. */
  id: number | bigint
  /** The hash of the genesis block (not its state root). */
  genesisHash: HashLike
  /**
   * What a provider has to answer to `eth_chainId`. Default: `id`, which is the same number on
   * mainnet and most other chains.
   */
  chainId?: number | bigint
}

export type Role = 'writer' | 'follower'

/**
 * - `complete`: {@link Snaplight.complete} is another state, or that of another block with the same
 *   root, whichever tab synced to it.
 * - `role`: this database object is the writer now.
 * - `damaged`: something stored is missing or not what its hash says. A `page` or `code` was found
 *   by a read, which rejects with a {@link DamagedError}, or by a sync on its way, and is healed
 *   from peers; a `record` was found while opening or becoming the writer, and the database starts
 *   over. Only the writer hears of it.
 * - `repaired`: all that was damaged is whole again.
 * - `recovered`: the last session ended without `close()`; the browser's log of it has been
 *   rewritten.
 * - `ended`: somebody has deleted the database, or the user the site's data. This object is closed.
 * - `peer`: a peer joined or left. `ready`: it may be asked from now on. `waiting`: its connection
 *   ended, and it will be connected to again. `closed`: it is gone for good. `closed` of the event
 *   says why the connection ended: whether the peer or the network ended it, Snaplight dropped it
 *   because of a fault, or you closed it. Each attempt to connect that fails is a `waiting` too.
 * - `lie`: what a provider said of an account beside its proof is not what the proof proves. The
 *   proven value is what is used and stored. `field` is the answer's: `balance`, `nonce`,
 *   `codeHash`, `storageHash`, or `storageProof` with the number of the slot. `claimed` and
 *   `proven` are both values, 32 bytes big-endian.
 * - `disagreement`: the sources of a {@link Snaplight.follow} name different blocks for one number.
 *   `agreed` is the block that enough of them name, and `null` if there is none. `blocks` are those
 *   of each source that contradicts it, or of all.
 */
export type DatabaseEvent =
  | { readonly type: 'complete'; readonly complete: CompleteState | null }
  | { readonly type: 'role'; readonly role: Role }
  | { readonly type: 'damaged'; readonly what: 'page' | 'code' | 'record'; readonly message: string }
  | { readonly type: 'repaired' }
  | { readonly type: 'recovered' }
  | { readonly type: 'ended'; readonly message: string }
  | {
      readonly type: 'peer'
      readonly peer: Peer
      readonly state: 'ready' | 'waiting' | 'closed'
      /** `null` only for `ready`. */
      readonly closed: PeerClosed | null
    }
  | {
      readonly type: 'lie'
      readonly peer: Peer
      readonly address: Hex
      readonly field: 'balance' | 'nonce' | 'codeHash' | 'storageHash' | 'storageProof'
      /** The number of the slot, 32 bytes; `null` for the account's own fields. */
      readonly slot: Hex | null
      readonly claimed: Hex
      readonly proven: Hex
    }
  | {
      readonly type: 'disagreement'
      readonly tag: FollowTag
      readonly agreed: Head | null
      /** `source`: the host of a URL, or `source 1`, `source 2`, ... in the order given. */
      readonly blocks: readonly { readonly source: string; readonly number: number; readonly hash: Hex }[]
    }

export type WasmSource = string | URL | Response | ArrayBuffer | ArrayBufferView | WasmModule

/** `WebAssembly.Module`, where the types of WebAssembly are known: not in Node's own. */
type WasmModule = typeof globalThis extends { WebAssembly: { Module: { prototype: infer Module } } } ? Module & object : never

/** One open database. Made by {@link open}. */
export class Snaplight implements AsyncDisposable {
  private constructor()

  /** As given to {@link open}. */
  readonly name: string

  /** As given to {@link open}, normalised. */
  readonly network: OpenNetwork

  /**
   * Whether this object is the one that writes. A follower can read all the same; its `sync` waits
   * until it is the writer.
   */
  readonly role: Role

  /** What is held of the next state. It changes at the call of {@link hold}. */
  readonly holds: Hold

  /**
   * The last complete state, which every read uses that names no other; `null` before the first. It
   * stays as it is while the next one is being synced, and changes in one step at the end. For a
   * follower it is what the writer has completed.
   */
  readonly complete: CompleteState | null

  /**
   * The states that can be read, the newest first: the complete one, and in a database of a set up
   * to seven that were complete before it.
   */
  readonly states: readonly CompleteState[]

  /** The peers that are not closed, in the order they were added; also those that wait. */
  readonly peers: readonly Peer[]

  /**
   * Hands over a peer: the URL of a WebSocket (`ws:` or `wss:`), or any object that behaves like
   * one, connecting or open. From now on Snaplight alone listens to a given object and sends with
   * it. Snaplight closes it when the peer misbehaves, at `peer.close()`, and at `db.close()`. Peers
   * may be added and may leave at any time, also while nothing syncs.
   *
   * A connection that fails or a peer that lies throws nothing: its requests go to other peers.
   *
   * A peer given by its URL is connected to again, as the same object, when its connection ended
   * and nobody lied: the network broke, the server was full, restarted or could not be reached, or
   * the peer was silent for too long. The first attempt comes within a second, each further one in
   * a row after up to twice as long, at most a minute; and at once when the network is back
   * (`online`), when the page is shown again, and when it comes back from the back-forward cache.
   * It begins with short waits again after an answer that was proven, or ten seconds of being
   * ready. A peer is gone for good, and `peer.closed` resolves, after a fault (a false answer, a
   * breach of protocol, another network), after a Disconnect or close code that complains of us,
   * and after `peer.close()` and `db.close()`. A socket that was handed over as an object is never
   * connected to again, nor is a URL with `reconnect: false`: its first end is its last.
   *
   * A follower connects to a URL when it becomes the writer, since it has nothing to ask before. At
   * most 64 peers are kept at a time: one more is closed as soon as it opens.
   *
   * A peer is asked in one of three ways, named by `by` ({@link PeerBy}): as nodes of today are; by
   * hash, as old nodes are and whatever else has a store of trie nodes by their hashes; or by
   * JSON-RPC, as providers are. All kinds can be peers of one sync. A {@link Provider} is a peer by
   * JSON-RPC without being named so; for the URL of one (`http:`, `https:`, `ws:` or `wss:`) say
   * `by: 'rpc'`. Providers serve a database of a set. For one of everything they are asked for
   * headers only, because they know accounts by address and not by hash.
   *
   * A provider learns the addresses and slots that are tracked, the times at which they are looked
   * up, and the caller's IP address; docs/providers.md of the repository says more.
   *
   * ```js
   * db.addPeer('wss://peer.example') // by snap
   * db.addPeer('wss://archive.example', { by: 'hash' })
   * db.addPeer('https://rpc.example', { by: 'rpc' })
   * db.addPeer(window.ethereum) // by rpc
   * ```
   *
   * @throws {MisuseError} `BAD_ARGUMENT`: not the URL of a peer, nor a WebSocket-like object or a
   *   provider, or an option that is none; `SOCKET_CLOSED`: the socket is closing or closed;
   *   `SOCKET_IN_USE`: this object is a peer already.
   * @throws {UnsupportedError} A URL, where there is no `WebSocket` to open it with, or to which this
   *   page may not connect: its Content-Security-Policy forbids it (`connect-src`), or the page is
   *   from https and the URL is `ws:`.
   * @throws {ClosedError} After `close()`.
   * @throws {CrashError}
   */
  addPeer(peer: string | URL | SocketLike | Provider, options?: PeerOptions): Peer

  /**
   * Makes a state complete: downloads from the peers what is missing of it, proves it and stores
   * it. If it is complete already, this resolves at once. What an earlier sync has stored is kept,
   * even if it was for another root or never finished: only what differs is asked for.
   *
   * The root or block hash is trusted: take it from a source you trust (a verified header, a light
   * client).
   *
   * ```js
   * const report = await db.sync({ blockHash }, { onProgress: (p) => bar.value = p.accounts })
   * console.log(report.block.number, report.healing.bytes)
   * ```
   *
   * If a sync to another target runs already, it rejects with a {@link CancelledError}, and the new
   * one goes on with everything it had. To move a sync and keep its promise, use {@link
   * Sync.retarget}. If the sync that runs has the same target (the same root, the same block hash,
   * or the same header), the new one joins it: both are told the progress, and both end alike.
   * Cancelling one of them does not end the other, and moving one leaves the other without its
   * sync, as a newer one does.
   *
   * A sync waits while it has no peer, while no peer answers, while no peer has the root (for a
   * newer root or such a peer) or a single item of its state, and as a follower until the writer
   * goes. `progress.waiting` says so, and it goes on by itself. A follower's sync also resolves
   * when the writer completes that state.
   *
   * It rejects with {@link CancelledError}, {@link QuotaError} (make space and call `sync` again:
   * it goes on where it was), {@link StoreError}, {@link ClosedError}, {@link CrashError}, or
   * {@link MisuseError} `BOGUS_ROOT`; never because of a peer. Nobody has to handle the first of
   * these and `ClosedError`: the caller has asked for that end. The same is true of every promise
   * here that rejects with {@link ClosedError}.
   *
   * In a database of a set, a target that is one of {@link states} and was proven for today's set
   * becomes the complete state again without any request.
   *
   * @throws {MisuseError} `BAD_ARGUMENT`: not a target, or not an AbortSignal, or a hash that is known
   *   to be something else: a root that is the hash of the genesis block, of a block that is held or
   *   followed, or of no bytes; a block's hash that is the root of a state held; `WRONG_HEADER`: the
   *   header does not hash to the block's hash, or is no header (in a worker the sync rejects with
   *   it).
   * @throws {ClosedError} After `close()`.
   * @throws {CrashError}
   */
  sync(target: SyncTarget, options?: SyncOptions): Sync

  /**
   * Follows a chain by itself: each new block that the source names becomes the target of a sync.
   * The source is believed for one thing, which block is the newest. Everything below is proven.
   *
   * ```js
   * const following = db.follow(helios) // a light client, or a node of one's own
   * const following = db.follow([urlA, urlB, urlC]) // two of three have to agree
   * for await (const { complete, head, behind } of following) show(complete, behind)
   * ```
   *
   * A provider (an object with `request`, or a http:, https:, ws: or wss: URL) is asked for the
   * header of the newest block (`eth_getBlockByNumber` with the tag), and the header's fields are
   * hashed again. New blocks are heard of by `newHeads` where the provider has subscriptions, and by
   * asking every `everyMs` where it has none. Of several providers, `agree` have to name the same
   * hash for the same number. Whoever contradicts the block that is taken, and every source where no
   * block finds enough voices, is named in the event `disagreement`, once for each number. A function
   * is called every `everyMs` instead, and believed.
   *
   * It never goes back to a number below the complete state's, or below that of a block that it may
   * still sync to, unless `backwards` says so. A block that no peer has does not count, because its
   * number is the source's word alone: a lower one is taken instead. Another block of the same
   * number is taken. While the page is hidden it rests, and catches up at once when it is shown; a
   * sync that runs is not stopped. A follower asks nobody; it goes on when it becomes the writer. A
   * first sync of everything, and each sync of a set, keeps its block until the chain is 16 blocks
   * ahead or no peer has it any more; later syncs of everything move to each new block. A sync that
   * fails by `STORE_ABORTED` is made again.
   *
   * A source that fails, is silent, or is on another chain (`eth_chainId`) has no voice, and others do
   * not wait for it. An object is asked for its chain with each new block, because a wallet's user may
   * choose another one; a URL once for each connection. At most 16 sources are asked, and each has to
   * be another one: the same object or URL twice would have two voices.
   *
   * One follows at a time. `sync`, or another `follow`, ends the one before with a
   * {@link CancelledError}, which nobody has to handle.
   *
   * @throws {MisuseError} `BAD_ARGUMENT`: not a source, the same one twice, or an option that is none.
   * @throws {UnsupportedError} A ws: or wss: URL, where there is no `WebSocket`. One that this page may
   *   not connect to shows in {@link Standing.waiting}.
   * @throws {ClosedError} After `close()`.
   * @throws {CrashError}
   */
  follow(source: FollowSource | readonly (Provider | string | URL)[], options?: FollowOptions): Follow

  /** The follow that runs; `null` while none does. */
  readonly following: Follow | null

  /**
   * Proven changes of an account, or of a slot of it: the value as soon as it can be read (`old` is
   * `null` then), and from then on one more at each new state in which it is another. The account's
   * change is that of its nonce, balance, code hash or storage root.
   *
   * ```js
   * for await (const { old, new: now } of db.watch(account)) show(now.balance, old?.balance)
   * ```
   *
   * States that are completed between two calls of `next()` are passed over; `old` is always what
   * was given last. It waits for the first state, for what is tracked and pending, and for a
   * {@link track} that is under way. It ends when the database is closed, when the signal is aborted,
   * and when the loop is left. It throws a {@link NotTrackedError} when it is not, or no longer,
   * tracked, and what a read rejects with. A page that is damaged is waited for: until it is repaired,
   * or until the next state.
   *
   * It listens only while a call of `next()` waits, so an iterator may be dropped at any time.
   *
   * @throws {MisuseError} `BAD_ARGUMENT`: not an address or not a slot, or not an AbortSignal.
   * @throws {ClosedError} After `close()`.
   */
  watch(account: AddressLike, options?: WatchOptions): AsyncIterableIterator<Change<Account>>
  watch(slot: { address: AddressLike; slot: SlotLike }, options?: WatchOptions): AsyncIterableIterator<Change<StorageValue>>

  /**
   * Where the sync stands now. Between syncs and before the first its phase is `'idle'` or
   * `'done'`, unless damage is being healed. Never throws.
   */
  progress(): Progress

  /**
   * What a bug report needs, as plain JSON: the version, limits, counters, peers, and the last 512
   * inputs and outputs of the engine. It holds no addresses, slots, hashes, URLs or names of peers,
   * and no text that could. It never rejects: when the module has crashed, or the database is
   * closed, it says so with what is known.
   *
   * ```js
   * console.log(JSON.stringify(await db.diagnostics()))
   * ```
   */
  diagnostics(): Promise<Diagnostics>

  /**
   * Changes what is held. Resolves to the complete state when it is held in this way; to `null` if
   * no state is complete yet. It may be called again before that, and a kill loses nothing: the
   * database goes on where it was.
   *
   * From everything to a set nothing is fetched: what `track` names is kept of what is there, and
   * the rest is deleted. From a set to everything is a sync of the root anew, by peers by snap or
   * by hash; the set can be read until it is complete. `'set'` on a set adds what `track` names.
   *
   * ```js
   * await db.hold('set', { track: [account, { address: token, slots: 'all', code: true }] })
   * ```
   *
   * It rejects with {@link StoreError} or {@link QuotaError} (what is held stays changed, and the
   * next `sync` goes on with it), {@link ClosedError}, {@link CrashError}, or {@link MisuseError}:
   * `BAD_ARGUMENT`, or `SET_TOO_LARGE` as for {@link track}. On a follower it goes to the writer,
   * and waits while there is none.
   */
  hold(hold: Hold, options?: { track?: readonly TrackedLike[] }): Promise<CompleteState | null>

  /**
   * Adds accounts, slots and codes to the set. Resolves to the complete state when all of them are
   * proven in it: at once if they are, with the peers there are if one of them has its root, else
   * with the next sync. Until then reads of them reject with a {@link NotTrackedError} whose
   * `pending` is true, and reads of what was there before go on. Without a complete state it
   * resolves with the first one. It waits as long as that takes, also without a network: why it does
   * not get on is in `progress().waiting`.
   *
   * ```js
   * await db.track([account, { address: token, slots: [slot], code: true }])
   * ```
   *
   * A set has at most 10,000 accounts and, over all of them, 100,000 single slots. It belongs to
   * the database, and is there after a reload. On a follower the call goes to the writer, waits
   * while there is none, and resolves when the follower can read the state.
   *
   * It rejects as {@link hold} does, and with {@link MisuseError} `NOT_A_SET` on a database of
   * everything, or `SET_TOO_LARGE`, which changes nothing.
   */
  track(accounts: readonly TrackedLike[]): Promise<CompleteState>

  /**
   * Takes something out of the set: an address alone the account with all of its slots and its
   * code, an address with `slots` or `code: true` only these. What is not tracked is ignored. Reads
   * of it reject from now on; its bytes are deleted when no state that can be read has them. The
   * same errors as {@link track}; `BAD_ARGUMENT` also for single slots of an account of which all
   * are tracked.
   */
  untrack(accounts: readonly TrackedLike[]): Promise<void>

  /**
   * The set, in no particular order. Rejects with {@link MisuseError} `NOT_A_SET` on a database of
   * everything.
   */
  tracked(): Promise<readonly TrackedAccount[]>

  /**
   * A state of {@link states}, by its block's number or hash or by its root: all reads of the
   * snapshot are of this one state. It is that very state or an error, never a neighbour.
   *
   * ```js
   * const state = db.at(blockNumber)
   * const [{ balance }, { value }] = await Promise.all([state.getAccount(account), state.getStorage(token, slot)])
   * ```
   *
   * A state of a set can be read until seven newer ones have been completed. In a database of
   * everything there is the complete state only. From then on reads of the snapshot reject with
   * {@link NotTrackedError} `NO_SUCH_STATE`.
   *
   * @param state A number for a block, or a hash for a block or a root.
   * @throws {NotTrackedError} `NO_SUCH_STATE`: it is none of those that can be read.
   * @throws {MisuseError} `BAD_ARGUMENT`: neither a number nor a hash.
   * @throws {ClosedError} After `close()`.
   */
  at(state: number | bigint | HashLike): Snapshot

  /**
   * Reads an account from the last complete state. An account that is not in the state is *proven*
   * absent: `exists` is false, and nonce and balance are zero.
   *
   * ```js
   * const { balance, root } = await db.getAccount('0x5abfec25f74cd88437631a7731906932776356f9')
   * ```
   *
   * @throws {MisuseError} `BAD_ARGUMENT`: not an address.
   * @throws {NotTrackedError} `NO_STATE`: no state is complete yet; `NOT_TRACKED`: this account is
   *   not held, or (`pending`) not yet.
   * @throws {DamagedError} A stored page on the way is missing or does not hash to what its parent
   *   says. It is being healed.
   * @throws {StoreError} The read failed.
   * @throws {ClosedError} After `close()`.
   * @throws {CrashError}
   */
  getAccount(address: AddressLike): Promise<Account>

  /**
   * Reads storage slots of an account from the last complete state: one, or those of an array, in
   * its order and all of one state. A slot that is not in the trie is proven to be 0, and so is each
   * slot of an account without storage, tracked or not.
   *
   * @throws {MisuseError} `BAD_ARGUMENT`: not an address or not a slot.
   * @throws {NotTrackedError} `NO_STATE` or `NOT_TRACKED`, as for {@link getAccount}.
   * @throws {DamagedError} As for {@link getAccount}.
   * @throws {StoreError}
   * @throws {ClosedError}
   * @throws {CrashError}
   */
  getStorage(address: AddressLike, slot: SlotLike): Promise<StorageValue>
  getStorage(address: AddressLike, slots: readonly SlotLike[]): Promise<StorageValue[]>

  /**
   * Reads the code of an account in the last complete state, or, given a hash, the code with that
   * hash. An account without code has an empty one, also if its code is not tracked, because the
   * account proves that.
   *
   * @throws {MisuseError} `BAD_ARGUMENT`: neither an address nor a hash.
   * @throws {NotTrackedError} `NO_STATE` or `NOT_TRACKED`, as for {@link getAccount}; no code with
   *   this hash is held.
   * @throws {DamagedError} As for {@link getAccount}.
   * @throws {StoreError}
   * @throws {ClosedError}
   * @throws {CrashError}
   */
  getCode(addressOrHash: AddressLike | HashLike): Promise<Code>

  /**
   * The proof of an account and of some of its slots, made of what is stored: what go-ethereum
   * answers to `eth_getProof` (EIP-1186) of the same block, byte for byte.
   *
   * ```js
   * const { proof, root } = await db.getProof(token, [slot])
   * ```
   *
   * @param slots Numbers of slots; none if left out. All of them have to be held.
   * @throws {MisuseError} `BAD_ARGUMENT`: not an address or not a slot.
   * @throws {NotTrackedError} `NO_STATE` or `NOT_TRACKED`, as for {@link getAccount}.
   * @throws {DamagedError} As for {@link getAccount}.
   * @throws {StoreError}
   * @throws {ClosedError}
   * @throws {CrashError}
   */
  getProof(address: AddressLike, slots?: readonly SlotLike[]): Promise<AccountProof>

  /**
   * Ends a running sync (it rejects with {@link ClosedError}; what is stored stays), closes all
   * peers, waits until what was proven or changed is stored, and lets the next tab write.
   * Idempotent: every call answers the same promise. From then on every other method but
   * `progress()` and `diagnostics()` throws {@link ClosedError}.
   */
  close(): Promise<void>

  /** `await using db = await open(...)` closes it at the end of the block. */
  [Symbol.asyncDispose](): Promise<void>
}

/** What a database was opened for. `JSON.stringify` shows the numbers as decimal strings. */
export interface OpenNetwork {
  readonly id: bigint
  readonly genesisHash: Hex
  readonly chainId: bigint
  toJSON(): Json<OpenNetwork>
}

/** What `JSON.stringify` shows of `Value`: a `bigint` as a decimal string. */
export type Json<Value> = {
  readonly [Key in keyof Value as Value[Key] extends (...args: never) => unknown ? never : Key]: Value[Key] extends bigint ? string : Value[Key]
}

/**
 * One of the states that can be read, made by {@link Snaplight.at}. Its reads are those of
 * {@link Snaplight}, of this state; besides their errors they reject with {@link NotTrackedError}
 * `NO_SUCH_STATE` when it cannot be read any more.
 */
export class Snapshot {
  private constructor()
  readonly root: Hex
  /** The block that led to this state, if it was synced to by its block. */
  readonly block: Block | null
  getAccount(address: AddressLike): Promise<Account>
  getStorage(address: AddressLike, slot: SlotLike): Promise<StorageValue>
  getStorage(address: AddressLike, slots: readonly SlotLike[]): Promise<StorageValue[]>
  getCode(addressOrHash: AddressLike | HashLike): Promise<Code>
  getProof(address: AddressLike, slots?: readonly SlotLike[]): Promise<AccountProof>
}

/** A block whose header was proven by its hash. */
export interface Block {
  readonly hash: Hex
  readonly number: number
  /** Seconds since 1970. */
  readonly timestamp: number
}

export interface CompleteState {
  readonly root: Hex
  /**
   * The block that led to this state; of several blocks with this root, the one asked for last.
   * `null` if only its root was ever asked for.
   */
  readonly block: Block | null
  /** Of a set: the tracked ones that exist. Slots and codes likewise. */
  readonly accounts: number
  /** Storage slots of all accounts. */
  readonly slots: number
  /**
   * Different bytecodes. From a sync until the codes that only the state before named are deleted,
   * in the background, those count as well. The new number is there without a `complete` event.
   */
  readonly codes: number
}

export interface SyncOptions {
  /**
   * Ends the sync with a {@link CancelledError} whose `cause` is the signal's reason. What is
   * stored stays.
   */
  signal?: AbortSignal
  /**
   * Called with each new progress, about ten times a second at most, and once at the end. An error
   * that it throws is reported as uncaught.
   */
  onProgress?: (progress: Progress) => void
  /**
   * Called once each time that no peer has the state of the root any more, because nodes keep only
   * about 128 of them. It is the moment to {@link Sync.retarget} to a newer one. An error that it
   * throws is reported as uncaught.
   */
  onNeedNewRoot?: (need: NeedNewRoot) => void
}

/**
 * Who says which block is the newest: a provider, the URL of one (http:, https:, ws: or wss:), or a
 * function that gives a target, or `null` while it knows none.
 */
export type FollowSource = Provider | string | URL | (() => FollowTarget | null | Promise<FollowTarget | null>)

/** The `number` of a block that is given by its hash is believed, and may be left out if unknown. */
export type FollowTarget = SyncTarget | { blockHash: HashLike; number?: number | null }

export interface FollowOptions {
  /** Ends it. The sync that runs is cancelled; what is stored stays. */
  signal?: AbortSignal
  /**
   * Which block of the source is followed. Default: `'latest'`. `'safe'` and `'finalized'` are as
   * the beacon chain has them: some 6 to 15 minutes old.
   */
  tag?: FollowTag
  /** How many of several sources have to agree. Default: more than half of them. */
  agree?: number
  /**
   * Milliseconds between two questions where nobody tells of new blocks. Where a subscription works,
   * ten times as long. A whole number, at most a day. Default: 4,000.
   */
  everyMs?: number
  /**
   * Whether a block with a lower number is taken too. Default: `false`. It is the way back from a
   * block that was complete, and whose number a believed source had made up.
   */
  backwards?: boolean
  /**
   * Whether it goes on while the page is hidden. Default: `false`. Of several tabs the one that writes
   * may be a hidden one, and the others read what it completes: say `true` if they must not wait for
   * it.
   */
  whileHidden?: boolean
  /** As {@link SyncOptions.onProgress}, for each of its syncs. */
  onProgress?: (progress: Progress) => void
}

export type FollowTag = 'latest' | 'safe' | 'finalized'

/** A block that a source names. */
export interface Head {
  readonly number: number
  readonly hash: Hex
}

/**
 * A database that follows a chain, made by {@link Snaplight.follow}. Iterate it for where it stands:
 * an iterator yields the newest whenever a head is heard of, a state is complete, or it begins or
 * ceases to wait; what comes between two calls of `next()` is dropped. Await it for its end.
 *
 * It ends without an error by its signal, by `stop()` and by `db.close()`. Else it rejects, and the
 * iterator throws: with {@link CancelledError} (a `sync` or another `follow` took over),
 * {@link QuotaError}, {@link StoreError}, {@link CrashError}, or {@link MisuseError} `BOGUS_ROOT`. A
 * source that fails ends nothing.
 */
export class Follow implements Promise<void>, AsyncIterable<Standing> {
  private constructor()
  readonly tag: FollowTag
  /** As of now. */
  readonly standing: Standing
  /** Ends it. It has no effect on one that has ended. */
  stop(): void
  then<A = void, B = never>(
    onfulfilled?: (() => A | PromiseLike<A>) | null,
    onrejected?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B>
  catch<B = never>(onrejected?: ((error: unknown) => B | PromiseLike<B>) | null): Promise<void | B>
  finally(onfinally?: (() => void) | null): Promise<void>
  [Symbol.asyncIterator](): AsyncIterableIterator<Standing>
  readonly [Symbol.toStringTag]: 'Follow'
}

/** Where a {@link Follow} stands. A snapshot: it does not change later. */
export interface Standing {
  /**
   * - `waiting`: no source names a block, or too few agree, or only lower ones are named, or a sync
   *   failed and is made again (`waiting` says why).
   * - `syncing`: a sync to `head`, or to a block before it, is under way.
   * - `current`: `complete` is the state of `head`.
   * - `resting`: the page is hidden.
   * - `following`: another tab writes; this one reads what that one completes.
   */
  readonly state: 'waiting' | 'syncing' | 'current' | 'resting' | 'following'
  /** The newest block that was taken; `null` before the first, and for a target without a number. */
  readonly head: Head | null
  /** The block of the sync that runs; `null` while none does, and for a target without a number. */
  readonly target: Head | null
  /** As {@link Snaplight.complete}. */
  readonly complete: CompleteState | null
  /** Blocks from the complete state to `head`; `null` while one of both is unknown. */
  readonly behind: number | null
  /**
   * Why nothing is known of new blocks, in words; `null` if they are. It names the sources. It may be
   * there in every state but `resting` and `following`. What a sync waits for is in
   * {@link Snaplight.progress}.
   */
  readonly waiting: string | null
}

export interface WatchOptions {
  /** Ends it. */
  signal?: AbortSignal
}

/** What {@link Snaplight.watch} yields. */
export interface Change<Value> {
  /** What was yielded before; `null` the first time. */
  readonly old: Value | null
  readonly new: Value
}

/** The answer of {@link Snaplight.diagnostics}. Everything in it is JSON as it is. */
export interface Diagnostics {
  readonly version: string
  /** When it was made, as `Date.prototype.toISOString` has it. */
  readonly date: string
  /** Why the module has stopped; `null` while it runs. */
  readonly error: { readonly code: ErrorCode; readonly message: string } | null
  readonly isClosed: boolean
  readonly network: { readonly id: string; readonly chainId: string }
  readonly role: Role
  readonly holds: Hold
  /** As {@link Snaplight.states}, without roots. `number`: of the block, `null` if it is not known. */
  readonly states: readonly { readonly number: number | null; readonly accounts: number; readonly slots: number; readonly codes: number }[]
  readonly following: { readonly state: Standing['state']; readonly behind: number | null } | null
  /** What {@link Progress} counts, without what names a root or a peer. */
  readonly counters: Omit<Progress, 'root' | 'keySpace' | 'peers' | 'waiting' | 'needNewRoot'>
  /** As {@link Progress.peers}, without names and texts. `connection` is the number in the journal. */
  readonly peers: readonly (Omit<PeerStats, 'name' | 'head' | 'lastFault' | 'lastError' | 'closed'> & {
    readonly head: number | null
    readonly closed: Omit<PeerClosed, 'reason'> | null
    readonly connection: number | null
  })[]
  /** Messages of other tabs, the page or its worker that had no known shape; `null` as below. */
  readonly ignoredMessages: number | null
  /** Milliseconds on the clock of the journal; `null`, like all below, when the engine cannot be asked. */
  readonly now: number | null
  /** The engine's bounds, in bytes and milliseconds (`src/sync/limits.rs`). */
  readonly limits: { readonly [name: string]: number } | null
  /**
   * The last inputs and outputs of the engine, the oldest first. `what` is a few words (their list
   * is in `src/sync/journal.rs`), `amount` bytes of a frame, pages of a load, the number of a
   * batch, or a close code; 0 otherwise.
   */
  readonly journal: readonly { readonly at: number; readonly what: string; readonly connection: number | null; readonly amount: number }[]
}

/** A root that every peer has refused. */
export interface NeedNewRoot {
  readonly root: Hex
  /** The peers that refused it. */
  readonly peers: readonly { readonly id: number; readonly name: string }[]
}

/**
 * A running sync: await it for the report, iterate it for the progress; both any number of times.
 *
 * An iterator yields the newest progress, at most about ten a second; what comes between two calls
 * of `next()` is dropped. It ends when the sync is done, and throws what the sync rejects with.
 * Leaving the loop early cancels nothing.
 */
export class Sync implements Promise<SyncReport>, AsyncIterable<Progress> {
  private constructor()
  /** The target given last. A header is shown by its hash if that was given, else as its RLP. */
  readonly target: { readonly root: Hex } | { readonly blockHash: Hex } | { readonly header: Hex }
  /**
   * The root that it syncs to; `null` until the header of the first block is there. A sync that was
   * moved to a block goes on with its earlier root until that block's header is there.
   */
  readonly root: Hex | null
  /**
   * Moves the sync to another state, at any time while it runs. Nothing it has is lost, and its
   * promise resolves with the report of the last target. Answers this sync.
   *
   * @throws {MisuseError} `BAD_ARGUMENT`: not a target; `SYNC_ENDED`: it has ended or was
   *   cancelled.
   */
  retarget(target: SyncTarget): this
  /**
   * Ends the sync with a {@link CancelledError}. It has no effect on a sync that has ended. A sync
   * that lacks nothing but its last transaction still resolves.
   */
  cancel(reason?: unknown): void
  then<A = SyncReport, B = never>(
    onfulfilled?: ((report: SyncReport) => A | PromiseLike<A>) | null,
    onrejected?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B>
  catch<B = never>(onrejected?: ((error: unknown) => B | PromiseLike<B>) | null): Promise<SyncReport | B>
  finally(onfinally?: (() => void) | null): Promise<SyncReport>
  [Symbol.asyncIterator](): AsyncIterableIterator<Progress>
  readonly [Symbol.toStringTag]: 'Sync'
}

/**
 * - `idle`: nothing to sync.
 * - `connecting`: no peer has greeted yet, or an earlier session's pages are being read.
 * - `locating`: the header of the block asked for is being fetched.
 * - `ranges`: ranges of accounts, their storage and codes.
 * - `healing`: what differs from what is held, mostly node by node. With peers by hash alone all of
 *   a state comes so, node by node.
 * - `finishing`: everything is there and proven; the last transactions are on their way.
 * - `done`: the root is complete.
 */
export type Phase = 'idle' | 'connecting' | 'locating' | 'ranges' | 'healing' | 'finishing' | 'done'

/**
 * What a sync counts. `accounts`, `slots` and `codes` are of the state. The rest is what it took to
 * build that state: over all its moves, and over reloads and kills too, since the counters are
 * stored with what they count. They begin at 0 when the sync starts from a complete state or from
 * nothing, go on where they were when it continues an earlier one, and end with the complete state.
 * Only the four times are of this call of `sync`.
 *
 * They have all that go-ethereum's `SyncProgress` has. Its `syncedAccounts`, `syncedStorage` and
 * `syncedBytecodes` with their bytes are in `received`; `healedTrienodes` and `healedBytecodes`
 * with their bytes are in `healing`; `healingTrienodes` and `healingBytecode` are in
 * `Progress.queued`. Bytes of accounts, slots, codes and nodes are those of the items as snap/1
 * sends them, without the lists around them and without proofs; go-ethereum counts what it writes.
 *
 * Of a set, `accounts`, `slots` and `codes` are the tracked ones that exist. An answer to
 * `eth_getProof`, and one for a single key, counts as one of `ranges`, and its nodes as those of
 * `healing`.
 */
export interface SyncFigures {
  /** Accounts held of the state. */
  readonly accounts: number
  /** Storage slots held of the state, of all accounts. */
  readonly slots: number
  /**
   * Different bytecodes held. Those of the state before count until they are deleted, soon after
   * the sync.
   */
  readonly codes: number
  /**
   * What peers sent: accounts, slots and codes that were proven, in whatever kind of answer, and
   * the bytes of all messages. `accountBytes`: 32 for the key, and the slim body, of each.
   * `slotBytes`: 32 for the key, and the value in RLP, of each. `codeBytes`: the codes. What was
   * received twice, because a kill threw it away or the root moved, is counted twice.
   */
  readonly received: {
    readonly accounts: number
    readonly accountBytes: number
    readonly slots: number
    readonly slotBytes: number
    readonly codes: number
    readonly codeBytes: number
    readonly bytes: number
  }
  /** Answers with ranges of accounts or slots that were proven, and their bytes. */
  readonly ranges: { readonly answers: number; readonly bytes: number }
  /**
   * Trie nodes fetched one by one, by path or by hash, and their bytes; codes fetched while an
   * older state was healed, and their bytes, which are part of `received` too; the answers that
   * brought the nodes, and the bytes of these answers.
   */
  readonly healing: {
    readonly nodes: number
    readonly nodeBytes: number
    readonly codes: number
    readonly codeBytes: number
    readonly answers: number
    readonly bytes: number
  }
  /**
   * Answers that nobody waited for: those that came after their work had been given to another peer
   * (what they prove is used), those that came twice, and those to a request that was never made.
   * Of an answer by hash each item counts by itself: one that came before (`duplicate`), and one
   * that this request did not ask for but that is wanted, and is used (`unexpected`).
   */
  readonly unneeded: { readonly late: number; readonly duplicate: number; readonly unexpected: number }
  /**
   * Accounts and slots that were held already, of any root, and were not fetched again: those held
   * of the state, less those received. So both together are what the state holds, unless something
   * was received twice; then `reused` is smaller by that, and never below 0.
   */
  readonly reused: number
  /** How often the target moved, also from one session to the next. */
  readonly moves: number
  /** Length of the longest chain of requests of which each needed the answer to the one before. */
  readonly roundTrips: number
  /** Requests sent to peers. */
  readonly requests: number
  /** Bytes of pages and codes committed. */
  readonly bytesStored: number
  /** Pages committed: one is one record of the database. */
  readonly pagesStored: number
  /**
   * Milliseconds from the call of `sync`, or from becoming the writer if that was later, until now
   * or the end; 0 if another tab did all of it. The next three add up to it.
   */
  readonly elapsedMs: number
  /** Milliseconds of computing: decoding, hashing, verifying, cutting pages. */
  readonly hashingMs: number
  /** Milliseconds idle while a transaction was in flight. */
  readonly storageMs: number
  /** Milliseconds idle while none was: waiting for peers, or for others on this thread. */
  readonly waitingMs: number
}

/** A snapshot: it does not change later. */
export interface Progress extends SyncFigures {
  readonly phase: Phase
  /**
   * The root being synced, or the one that the last sync completed; `null` when there is none, and
   * while a sync that starts from a block fetches its header.
   */
  readonly root: Hex | null
  /**
   * What is known to be missing, apart from account ranges, and is not asked for yet: trie nodes (a
   * heal plans them some requests ahead), codes, and accounts' storages.
   */
  readonly queued: { readonly nodes: number; readonly codes: number; readonly storages: number }
  /**
   * Milliseconds until the account ranges are done, at the pace of the last seconds; they are
   * nearly all of a first sync. `null` while there is too little data (in the first three seconds
   * and the first percent), while the sync waits, and while it heals, since what differs is not
   * known beforehand.
   */
  readonly etaMs: number | null
  /**
   * Set while the chain moves faster than the sync heals: trie nodes and leaves per second that
   * would have to be received, and those that are received. More or faster peers help, or fewer
   * moves.
   */
  readonly outrun: { readonly neededPerSecond: number; readonly healedPerSecond: number } | null
  /**
   * 256 cells, one for each 1/256 of the account key space in key order: 0 nothing known, 255 all
   * known.
   */
  readonly keySpace: Uint8Array
  /** All peers that are not closed, and the 64 closed ones that were added last. */
  readonly peers: readonly PeerStats[]
  /** Stored pages and codes that were found damaged and are not healed yet. */
  readonly damaged: number
  /**
   * Why nothing moves although something is missing, in words; `null` while it moves. Where peers are
   * what is missing, it says what is the matter with each ("no peer is connected and ready
   * (rpc.example: the request failed: Failed to fetch)"). Between syncs it says why the caller of a
   * {@link Snaplight.track} waits: nobody names a block, or why those who are followed name none.
   */
  readonly waiting: string | null
  /**
   * What it waits for: a peer that is there and answers; a root that some peer has; a peer that has
   * the code or node that `waiting` names, when everything else is there; a peer that has the
   * block; the first block, which `follow` or `sync` names (`head`); or, as a follower, its turn to
   * write, or what the writer completes.
   */
  readonly waitingFor: 'peers' | 'root' | 'item' | 'block' | 'head' | 'writer' | null
  /** Set while all peers refuse the root. */
  readonly needNewRoot: NeedNewRoot | null
}

/** What a sync took, resolved by {@link Sync}. */
export interface SyncReport extends SyncFigures {
  readonly root: Hex
  /**
   * The block asked for. If a root was asked for: the block that is known to have it, or `null`.
   */
  readonly block: Block | null
}

/**
 * What a peer must be able to do: a `WebSocket` can, and so can a data channel or a test double.
 */
export interface SocketLike {
  /** Set to `'arraybuffer'` where it exists. */
  binaryType?: string
  /**
   * As a WebSocket's: 0 connecting, 1 open, 2 closing, 3 closed. Without it the socket counts as
   * open.
   */
  readonly readyState?: number | string
  /** Bytes accepted by `send` and not yet on the wire; without it there is no back-pressure. */
  readonly bufferedAmount?: number
  /** The chosen subprotocol. Checked for sockets made from a URL only. */
  readonly protocol?: string
  /** Takes one binary frame. The array is a copy made for this call: it may be kept. */
  send(data: Uint8Array & { readonly buffer: ArrayBuffer }): void
  close(code?: number, reason?: string): void
  /**
   * `open`, `message` (`event.data` an `ArrayBuffer` or `Uint8Array`; a string is the peer's
   * fault), `close` (`event.code`, `event.reason`), `error` (ignored; listened to until the socket
   * has closed, even after Snaplight has given it up). A socket without this method gets `onopen`,
   * `onmessage`, `onclose` and `onerror` set instead.
   */
  addEventListener?(type: string, listener: (event: any) => void): void
  removeEventListener?(type: string, listener: (event: any) => void): void
}

/**
 * How a peer is asked for state.
 * - `snap`: for ranges of accounts and slots with proofs, for trie nodes by their paths, and for
 *   codes, all under a state root: eth/69 with snap/1. Nodes of today speak it. They know the
 *   states of the last 128 blocks or so.
 * - `hash`: for trie nodes and codes by their hashes, and in no other way: eth/66, whose
 *   GetNodeData needs neither a root nor a path. Old nodes speak it, and so can anything that
 *   stores nodes by hash. It takes more bytes and more round trips, and it finishes a root that no
 *   `snap` peer has any more.
 *
 * - `rpc`: by JSON-RPC, as providers are: `eth_getProof` and `eth_getCode` of what a set tracks,
 *   and headers. How far back its states go depends on the provider: often it is the newest only.
 *
 * A peer that does not speak what it is asked in is dropped, with a fault that says so.
 */
export type PeerBy = 'snap' | 'hash' | 'rpc'

export interface PeerOptions {
  /**
   * How it is asked, also when it is connected to again. Default: `'rpc'` for a {@link Provider},
   * else `'snap'`.
   */
  by?: PeerBy
  /**
   * Whether to connect again when the connection is lost. Default: `true`. It means nothing for a
   * socket that is handed over.
   */
  reconnect?: boolean
  /** Its name in progress and messages. Default: the URL's host, or `peer 1`, `peer 2`, ... */
  name?: string
}

/** A peer, made by {@link Snaplight.addPeer}. */
export class Peer {
  private constructor()
  /** Unique within the database object, counted from 1. */
  readonly id: number
  readonly name: string
  /** How it is asked. */
  readonly by: PeerBy
  readonly state: PeerState
  /** As of now. */
  readonly stats: PeerStats
  /** Resolves when the peer is gone for good, with why. Never rejects. */
  readonly closed: Promise<PeerClosed>
  /**
   * Says good-bye and closes the socket, or ends the wait for the next attempt; its requests go to
   * others. Idempotent.
   */
  close(): void
}

/**
 * `connecting`: not open yet; `greeting`: Hello and Status are under way; `ready`: it may be asked;
 * `waiting`: the connection was lost, and the next attempt to connect comes, or this is a follower,
 * which connects when it becomes the writer; `closed`: gone for good.
 */
export type PeerState = 'connecting' | 'greeting' | 'ready' | 'waiting' | 'closed'

/** `answers`, `bytes`, items and `faults` are of all its connections together. */
export interface PeerStats {
  readonly id: number
  readonly name: string
  /** How it is asked. */
  readonly by: PeerBy
  readonly state: PeerState
  /** The name in its Hello, e.g. `Geth/v1.16.7`, made printable; empty before, and for a provider. */
  readonly client: string
  /**
   * The newest block that it says it has; `null` before it said so. Nothing proves it: a peer may
   * name any number and any hash. A sync by `blockHash` proves that the header has this hash, and
   * its report names the number that the header holds; that the block belongs to the chain is
   * proven by a light client or whoever the caller trusts. At least, do not follow what one peer
   * announces alone.
   *
   * A provider says nothing of the kind: its `head` stays `null`.
   *
   * `number` is `null` for a peer by hash until it announces a block: its Status (eth/66) has a
   * hash and no number. `sync({ blockHash: head.hash })` works all the same.
   */
  readonly head: { readonly number: number | null; readonly hash: Hex } | null
  readonly requestsInFlight: number
  /** Answers that were proven. */
  readonly answers: number
  /** Bytes received from it. */
  readonly bytes: number
  /** Accounts, slots and codes of its proven answers. */
  readonly accounts: number
  readonly slots: number
  readonly codes: number
  readonly faults: number
  /** Milliseconds from a request to its answer, a moving average; 0 before the first. */
  readonly latencyMs: number
  /** Its last fault in words, or `null`. */
  readonly lastFault: string | null
  /**
   * Why the last call to a provider failed, in its own words or the browser's, which is no fault:
   * `the request failed: Failed to fetch` (no network, no such server, or no CORS), `HTTP status 503`,
   * `the method eth_getProof does not exist`. `null` when it is answered, and for any other peer.
   */
  readonly lastError: string | null
  /** Why its last connection ended; `null` before the first end, and while it is ready. */
  readonly closed: PeerClosed | null
}

/** Why a connection to a peer ended. */
export interface PeerClosed {
  /**
   * Who ended it: the peer (or the network), Snaplight because of a fault (the peer's, or in a
   * crash its own), or you by `peer.close()` or `db.close()`.
   */
  readonly by: 'peer' | 'fault' | 'user'
  /**
   * The WebSocket close code: the peer's, or the one sent to it. After a Disconnect it is the one
   * that goes with its reason: 1000 for 0, else 4000 plus the reason. 1006 if the connection broke.
   */
  readonly code: number
  /** In words, never empty, such as `the peer has too many peers`. */
  readonly reason: string
  /**
   * The devp2p reason that the peer gave in a Disconnect or by its close code, such as 4 for too
   * many peers; `null` if it gave none.
   */
  readonly disconnect: number | null
}

/** What proves an answer. */
export interface Proven {
  /** The state root that proves this answer. */
  readonly root: Hex
  /** The block that led to this state, if it was synced to by its block. */
  readonly block: Block | null
  /** Seconds from the block's timestamp to the read, by this machine's clock; `null` without a block. */
  readonly age: number | null
}

/** The answer of {@link Snaplight.getProof}. */
export interface AccountProof extends Proven {
  /** The answer of `eth_getProof`, ready to be sent as JSON. */
  readonly proof: Eip1186Proof
}

/** An account with its proof as EIP-1186 and go-ethereum write it. Numbers are without leading zeros. */
export interface Eip1186Proof {
  readonly address: Hex
  /** RLP of the trie nodes from the root down; `null` for the empty state. */
  readonly accountProof: readonly Hex[] | null
  readonly balance: Hex
  /** Of an account that does not exist: 32 zero bytes, and so is `storageHash`. */
  readonly codeHash: Hex
  readonly nonce: Hex
  readonly storageHash: Hex
  /** In the order of the slots that were asked for. */
  readonly storageProof: readonly {
    /** 32 bytes if the slot was given with as many, else a number without leading zeros. */
    readonly key: Hex
    readonly value: Hex
    /** Empty if the account has no storage. */
    readonly proof: readonly Hex[]
  }[]
}

/** The answer of {@link Snaplight.getAccount}. `JSON.stringify` shows the numbers as decimal strings. */
export interface Account extends Proven {
  readonly address: Hex
  /**
   * `false`: proven not to be in the state. Nonce and balance are then zero, and the hashes are
   * those of empty code and storage.
   */
  readonly exists: boolean
  readonly nonce: bigint
  /** In wei. */
  readonly balance: bigint
  readonly codeHash: Hex
  readonly storageRoot: Hex
  toJSON(): Json<Account>
}

/** The answer of {@link Snaplight.getStorage}. `JSON.stringify` shows the value as a decimal string. */
export interface StorageValue extends Proven {
  readonly address: Hex
  /** The slot, 32 bytes. */
  readonly slot: Hex
  readonly value: bigint
  toJSON(): Json<StorageValue>
}

/** The answer of {@link Snaplight.getCode}. For a code asked by hash, `root` is that of the state read. */
export interface Code extends Proven {
  readonly code: Uint8Array
  /** Keccak-256 of `code`. */
  readonly codeHash: Hex
}

/** Stable: switch over these, not over messages. */
export type ErrorCode =
  | 'BAD_ARGUMENT'
  | 'WRONG_NETWORK'
  | 'WRONG_HOLD'
  | 'WRONG_HEADER'
  | 'NOT_A_SET'
  | 'SET_TOO_LARGE'
  | 'SOCKET_CLOSED'
  | 'SOCKET_IN_USE'
  | 'SYNC_ENDED'
  | 'BOGUS_ROOT'
  | 'NO_STATE'
  | 'NOT_TRACKED'
  | 'NO_SUCH_STATE'
  | 'STORE_FAILED'
  | 'STORE_ABORTED'
  | 'STORE_BLOCKED'
  | 'STORE_SUPERSEDED'
  | 'STORE_NEWER'
  | 'DAMAGED'
  | 'QUOTA'
  | 'CANCELLED'
  | 'CLOSED'
  | 'LOCKED'
  | 'UNSUPPORTED'
  | 'LOAD_FAILED'
  | 'CRASHED'

/** What every error of this package is made of. */
declare class ErrorWithCode extends Error {
  constructor(code: ErrorCode, message: string, options?: { cause?: unknown })
  readonly code: ErrorCode
  readonly cause?: unknown
}

/**
 * The base of every error of this package. Its message says what happened, to what, and what to do.
 * After `error instanceof SnaplightError`, a `switch` over `error.code` knows the class.
 */
export const SnaplightError: {
  new (code: ErrorCode, message: string, options?: { cause?: unknown }): SnaplightError
  readonly prototype: SnaplightError
}
export type SnaplightError =
  | MisuseError
  | NotTrackedError
  | (StoreError & { readonly code: Exclude<StoreError['code'], 'DAMAGED' | 'QUOTA'> })
  | DamagedError
  | QuotaError
  | CancelledError
  | ClosedError
  | LockedError
  | UnsupportedError
  | LoadError
  | CrashError

/**
 * The call is wrong and never can succeed: fix the caller. `BOGUS_ROOT` (a sync's rejection): what
 * lies under this root is proven and is no Ethereum state, so the root comes from a bad source.
 */
export class MisuseError extends ErrorWithCode {
  readonly code:
    | 'BAD_ARGUMENT'
    | 'WRONG_NETWORK'
    | 'WRONG_HOLD'
    | 'WRONG_HEADER'
    | 'NOT_A_SET'
    | 'SET_TOO_LARGE'
    | 'SOCKET_CLOSED'
    | 'SOCKET_IN_USE'
    | 'SYNC_ENDED'
    | 'BOGUS_ROOT'
}

/**
 * What was asked for is not held, so its value is unknown. It is neither zero nor proven absent.
 */
export class NotTrackedError extends ErrorWithCode {
  readonly code: 'NO_STATE' | 'NOT_TRACKED' | 'NO_SUCH_STATE'
  /**
   * Whether it is tracked, and only not proven in the state that was read. A newer state has it, or
   * will: await what {@link Snaplight.track} or {@link Snaplight.hold} returned, or the next sync.
   */
  readonly pending: boolean
}

/**
 * The browser's database failed. What was committed is intact.
 * - `STORE_ABORTED`: it aborted a transaction. Call `sync` again.
 * - `STORE_BLOCKED`: another tab holds it in another version. Close that tab.
 * - `STORE_SUPERSEDED`: somebody else wrote to it. Close and open again.
 * - `STORE_NEWER`: written by a newer version of this package. Update the package, or delete the
 *   database.
 * - `STORE_FAILED`: anything else, in the message.
 */
export class StoreError extends ErrorWithCode {
  readonly code:
    | 'STORE_FAILED'
    | 'STORE_ABORTED'
    | 'STORE_BLOCKED'
    | 'STORE_SUPERSEDED'
    | 'STORE_NEWER'
    | 'DAMAGED'
    | 'QUOTA'
}

/**
 * The origin's storage is full. Nothing is lost: make space (or `navigator.storage.persist()`) and
 * call `sync` again.
 */
export class QuotaError extends StoreError {
  readonly code: 'QUOTA'
}

/**
 * Something stored is missing or not what its hash says, so nothing of it is answered. It is healed
 * from peers: read again after the event `repaired`. If no peer serves its root any more, the next
 * sync to a newer one heals it.
 */
export class DamagedError extends StoreError {
  readonly code: 'DAMAGED'
}

/**
 * The sync was cancelled, or a newer one took over (the message says which). `cause` is the reason
 * given to the AbortController or to `cancel`.
 */
export class CancelledError extends ErrorWithCode {
  readonly code: 'CANCELLED'
}

/** The database object is closed. */
export class ClosedError extends ErrorWithCode {
  readonly code: 'CLOSED'
}

/** Somebody else writes to the database, in this page, another tab or a worker. */
export class LockedError extends ErrorWithCode {
  readonly code: 'LOCKED'
}

/** The browser lacks, or denies to this page, something this package needs; the message names it. */
export class UnsupportedError extends ErrorWithCode {
  readonly code: 'UNSUPPORTED'
}

/** The WebAssembly module or the worker could not be loaded; the message says what to check. */
export class LoadError extends ErrorWithCode {
  readonly code: 'LOAD_FAILED'
}

/**
 * A bug in Snaplight: the module stopped. Every read and sync of every database of the realm
 * rejects with this, and every later call but `close()` and `progress()` throws it. What was
 * committed is intact: reload the page. Please report the message. Or the worker that held the
 * database is gone, for instance by `terminate()`: the message says so, and it can be opened again.
 */
export class CrashError extends ErrorWithCode {
  readonly code: 'CRASHED'
}

// Without this, everything declared above would be exported.
export {}
