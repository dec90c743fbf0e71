/** A wallet in strict TypeScript that uses the whole public surface. It is compiled, never run. */

import {
  CancelledError,
  ClosedError,
  CrashError,
  DamagedError,
  LockedError,
  MisuseError,
  NotTrackedError,
  QuotaError,
  SnaplightError,
  StoreError,
  UnsupportedError,
  deleteDatabase,
  open,
  version,
  type Account,
  type AccountProof,
  type Block,
  type Change,
  type Code,
  type CompleteState,
  type DatabaseEvent,
  type Eip1186Proof,
  type ErrorCode,
  type Follow,
  type FollowOptions,
  type FollowSource,
  type FollowTag,
  type Head,
  type Hex,
  type Hold,
  type NeedNewRoot,
  type OpenOptions,
  type Peer,
  type PeerBy,
  type PeerClosed,
  type PeerState,
  type PeerStats,
  type Phase,
  type Progress,
  type Proven,
  type Provider,
  type Role,
  type Snaplight,
  type Snapshot,
  type SocketLike,
  type Standing,
  type StorageValue,
  type Sync,
  type SyncReport,
  type SyncTarget,
  type TrackedAccount,
  type TrackedLike,
  type WatchOptions,
} from 'snaplight'
import { ProviderRpcError, createProvider, type Eip1193Provider, type ProviderOptions } from 'snaplight/provider'
import { openInWorker, serve } from 'snaplight/worker'

const options: OpenOptions = {
  network: { id: 1n, genesisHash: new Uint8Array(32) },
  name: 'wallet',
  wasm: fetch('/snaplight_bg.wasm'),
  role: 'writer',
  onEvent: (event) => console.log(words(event)),
}

function words(event: DatabaseEvent): string {
  switch (event.type) {
    case 'complete': return event.complete?.root ?? 'nothing'
    case 'role': return event.role satisfies Role
    case 'damaged': return `${event.what satisfies 'page' | 'code' | 'record'}: ${event.message}`
    case 'ended': return event.message
    case 'repaired': case 'recovered': return event.type
    case 'lie': return `${event.peer.name}: ${event.field} is ${event.proven satisfies Hex}, not ${event.claimed satisfies Hex}`
    case 'disagreement': return `${event.tag satisfies FollowTag}, agreed on ${event.agreed?.hash ?? 'nothing'}: ${event.blocks.map(({ source, number, hash }) => `${source} ${number} ${hash}`)}`
    case 'peer': return `${event.peer.name} ${event.state satisfies PeerState}: ${event.closed?.reason ?? 'joined'}`
  }
}

export async function wallet(root: string, signal: AbortSignal): Promise<SyncReport> {
  await using db: Snaplight = await open(options)
  const peer: Peer = db.addPeer(new WebSocket('wss://peer.example', 'devp2p.1'), { name: 'mine' })
  db.addPeer(new URL('wss://peer.example'), { reconnect: false })
  const by: PeerBy = db.addPeer('wss://archive.example', { by: 'hash' }).by
  console.log(by satisfies 'snap' | 'hash' | 'rpc')
  const closed: Promise<PeerClosed> = peer.closed
  void closed.then(({ by, code, reason, disconnect }) => {
    console.log(by satisfies 'peer' | 'fault' | 'user', code.toFixed(), reason, disconnect?.toFixed())
  })

  const sync: Sync = db.sync(root, { signal, onProgress: (progress) => draw(progress) })
  for await (const progress of sync) draw(progress)
  const report = await sync
  const complete: CompleteState | null = db.complete
  const block: Block | null = report.block
  console.log(complete?.root, complete?.accounts, report.healing.nodes + report.received.bytes + report.reused, block?.number, version, db.role)

  const { received, healing, unneeded }: SyncReport = report
  console.log(received.accountBytes + received.slotBytes + received.codeBytes, healing.nodeBytes + healing.codes + healing.codeBytes)
  console.log(unneeded.late + unneeded.duplicate + unneeded.unexpected)

  const targets: SyncTarget[] = [root, new Uint8Array(32), { root }, { blockHash: root }, { header: new Uint8Array(600) }, { header: { number: '0x1' }, blockHash: root }]
  const need = ({ root: refused, peers }: NeedNewRoot): void => console.log(refused, peers.map(({ name }) => name))
  const moving: Sync = db.sync({ blockHash: root }, { onNeedNewRoot: need }).retarget(root)
  const goal: Hex | null = moving.root
  console.log(targets.length, goal, 'root' in moving.target)

  const account: Account = await db.getAccount('0x5abfec25f74cd88437631a7731906932776356f9')
  const wei: bigint = account.balance + account.nonce
  const slot: StorageValue = await db.getStorage(account.address, 0n)
  const code: Code = await db.getCode(account.codeHash)
  const provenBy: Hex = slot.root
  console.log(wei, slot.value > 0n, code.code.byteLength, provenBy)
  return report
}

/** A wallet's own accounts, from a provider. */
export async function ownState(provider: Provider, blockHash: string): Promise<Eip1186Proof> {
  const db: Snaplight = await open({ network: { id: 1, genesisHash: blockHash, chainId: 1n }, hold: 'set' })
  db.addPeer(provider)
  db.addPeer('https://rpc.example', { by: 'rpc', name: 'mine' })
  const held: Hold = db.holds
  const wanted: TrackedLike[] = ['0x5abfec25f74cd88437631a7731906932776356f9', { address: new Uint8Array(20), slots: [1n, '0x2'], code: true }, { address: '0x', slots: 'all' }]
  const tracked: Promise<CompleteState> = db.track(wanted)
  await db.sync({ blockHash })
  const { root }: CompleteState = await tracked
  await db.untrack([{ address: '0x', slots: [1] }, '0x'])
  const accounts: readonly TrackedAccount[] = await db.tracked()
  console.log(held, accounts.map(({ slots, code }) => [slots === 'all' ? slots : slots.length, code]), db.states.length, db.network.chainId)

  const state: Snapshot = db.at(20_000_000)
  const [one, many]: [StorageValue, StorageValue[]] = await Promise.all([state.getStorage('0x', 1), state.getStorage('0x', [1, 2n])])
  const account: Account & Proven = await db.at(root).getAccount('0x')
  const old: number | null = account.age
  console.log(one.value + BigInt(many.length), old?.toFixed(), state.root, state.block?.number, (await state.getCode('0x')).age)
  const { proof, block }: AccountProof = await db.getProof('0x', [1, '0x2'])
  const whole: CompleteState | null = await db.hold('everything')
  console.log(block?.hash, whole?.accounts, proof.storageProof[0]?.proof.length, (await db.hold('set', { track: wanted }))?.root)
  return proof
}

/** A database that follows a chain by itself. */
export async function following(db: Snaplight, node: Provider, signal: AbortSignal): Promise<void> {
  const sources: FollowSource[] = [node, 'wss://rpc.example', new URL('https://rpc.example'), () => null, async () => ({ blockHash: '0x' })]
  const options: FollowOptions = {
    signal, tag: 'finalized', agree: 2, everyMs: 12_000, backwards: true, whileHidden: true, onProgress: (progress) => draw(progress),
  }
  for (const source of sources) db.follow(source).stop()
  const follow: Follow = db.follow([node, 'https://rpc.example', new URL('wss://rpc.example')] as const, options)
  const same: Follow | null = db.following
  for await (const { state, head, complete, behind, waiting } of follow) {
    const words: Record<Standing['state'], string> = { waiting: waiting ?? '', syncing: '', current: '', resting: '', following: '' }
    const newest: Head | null = head
    console.log(words[state], newest?.number.toFixed(), newest?.hash, complete?.root, behind?.toFixed(), follow.tag, same?.standing.state)
  }
  await follow.finally(() => {})
}

/** The database as the provider of a library. viem, ethers and wagmi are in libraries.ts. */
export async function provided(db: Snaplight, fallback: Provider): Promise<unknown> {
  const options: ProviderOptions[] = [{}, { fallback, onDemand: true, headers: true }, { fallback: 'wss://rpc.example' }, { fallback: new URL('https://rpc.example') }]
  const [provider = createProvider(db)]: Eip1193Provider[] = options.map((each) => createProvider(db, each))
  const heard = ({ method, params }: { method: string; params?: unknown }): void => console.log(method, params)
  provider.on('unverified', heard).removeListener('unverified', heard)
  db.addPeer(createProvider(db)) // It is a provider itself.
  try {
    return await provider.request({ method: 'eth_getBalance', params: ['0x5abfec25f74cd88437631a7731906932776356f9', 'latest'] })
  } catch (error) {
    if (!(error instanceof ProviderRpcError)) throw error
    const code: number = error.code
    return [code, error.message, error.data]
  }
}

function draw({ phase, queued, keySpace, peers, waiting, waitingFor, etaMs, outrun, needNewRoot, damaged }: Progress): void {
  const words: Record<Phase, string> = {
    idle: '', connecting: '', locating: '', ranges: '', healing: '', finishing: '', done: '',
  }
  const best: PeerStats | undefined = [...peers].sort((a, b) => b.bytes - a.bytes)[0]
  console.log(words[phase], keySpace[255], best?.latencyMs, best?.by, best?.head?.number?.toFixed(), waiting ?? 'moving', waitingFor)
  console.log(queued.nodes + queued.codes + queued.storages, etaMs?.toFixed(), outrun?.neededPerSecond, needNewRoot?.peers.length, damaged.toFixed())
}

/** Waits until an account has so much, and tells what a slot changes to. */
export async function watching(db: Snaplight, signal: AbortSignal): Promise<bigint> {
  const options: WatchOptions = { signal }
  const slots = db.watch({ address: `0x${'11'.repeat(20)}`, slot: 3n }, options)
  const { done, value } = await slots.next()
  const change: Change<StorageValue> | null = done ? null : value
  console.log(change?.old?.value ?? 'nothing yet', change?.new.value, change?.new.slot, change?.new.root)
  await slots.return?.()
  for await (const { old, new: now } of db.watch(new Uint8Array(20))) if (now.balance > (old?.balance ?? 0n)) return now.balance
  return 0n
}

/** A message port dressed as a socket: anything of this shape can be a peer. */
export function portAsSocket(port: MessagePort): SocketLike {
  return {
    send: (data) => port.postMessage(data),
    close: () => port.close(),
    addEventListener: (type, listener) => port.addEventListener(type, listener),
  }
}

export function advice(error: unknown): string {
  if (!(error instanceof SnaplightError)) return 'not of this package'
  const code: ErrorCode = error.code
  if (error instanceof QuotaError) return error.code satisfies 'QUOTA'
  if (error instanceof DamagedError) return error.code satisfies 'DAMAGED'
  if (error instanceof NotTrackedError && error.pending) return 'await it'
  if (error instanceof StoreError || error instanceof NotTrackedError || error instanceof MisuseError) return error.message
  if (error instanceof LockedError || error instanceof ClosedError || error instanceof CancelledError) return String(error.cause)
  if (error instanceof CrashError || error instanceof UnsupportedError) return 'reload the page'
  return code
}

export async function inWorker(): Promise<void> {
  const db: Snaplight = await openInWorker(undefined, { network: options.network })
  db.addPeer('wss://peer.example')
  await db.close()
  await deleteDatabase('wallet')
}

export function entry(port: MessagePort): void {
  serve(port)
}

// What must not compile. The compiler itself checks that each of these lines is an error.
export async function mistakes(db: Snaplight): Promise<void> {
  // @ts-expect-error A database belongs to a network.
  await open({ name: 'x' })
  // @ts-expect-error A root is a string or bytes.
  db.sync(5)
  // @ts-expect-error A target is one of the two.
  db.sync({ block: '0x' })
  // @ts-expect-error A database holds everything or a set.
  await db.hold('all')
  // @ts-expect-error Many slots are an array.
  const value: bigint = (await db.getStorage('0x', [1])).value
  console.log(value)
  // @ts-expect-error A peer is asked by snap, by hash or by rpc.
  db.addPeer('wss://peer.example', { by: 'eth' })
  // @ts-expect-error A peer's head may have no number.
  const number: number | undefined = db.peers[0]?.stats.head?.number
  console.log(number)
  // @ts-expect-error A balance is a bigint: a number would lose wei.
  const balance: number = (await db.getAccount('0x')).balance
  // @ts-expect-error A function is a source by itself, and not one of several.
  db.follow([() => null])
  // @ts-expect-error A chain is followed by one of three tags.
  db.follow('https://rpc.example', { tag: 'pending' })
  // @ts-expect-error A slot's change has no balance.
  for await (const change of db.watch({ address: '0x', slot: 1 })) console.log(change.new.balance)
  // @ts-expect-error A fallback is a provider or a URL.
  createProvider(db, { fallback: 8545 })
  // @ts-expect-error A request has a method.
  await createProvider(db).request({ params: [] })
  // @ts-expect-error A slot is watched by its account and its number.
  db.watch({ slot: 1 })
  // @ts-expect-error Answers are not to be changed.
  db.progress().accounts = balance
}
