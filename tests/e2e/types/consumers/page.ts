/** A page, by the package's own exports. `xtask/node/types.mjs` compiles it in many ways. */

import { DamagedError, LockedError, MisuseError, NotTrackedError, QuotaError, SnaplightError, StoreError, open, type Snaplight } from 'snaplight'
import { createProvider } from 'snaplight/provider'
import source from 'snaplight/wasm'
import { openInWorker } from 'snaplight/worker'
import 'snaplight/worker-entry'

const network = { id: 1, genesisHash: '0x' }

/** Sockets of the page's own are peers as they are. */
export function sockets(db: Snaplight): void {
  db.addPeer(new WebSocket('wss://peer.example', 'devp2p.1'))
  db.addPeer(new RTCPeerConnection().createDataChannel('peer'))
}

/** Every source that `options.wasm` takes. */
export async function sources(): Promise<void> {
  const module = new WebAssembly.Module(new Uint8Array())
  for (const wasm of [source, module, fetch('/module.wasm'), new Uint8Array(), new ArrayBuffer(0), new URL('https://page.example'), '/module.wasm']) await open({ network, wasm })
  // @ts-expect-error A number is no module.
  await open({ network, wasm: 5 })
}

/** The code says which class it is. */
export function words(error: unknown): string | boolean {
  if (!(error instanceof SnaplightError)) return 'not of this package'
  switch (error.code) {
    case 'NOT_TRACKED': return (error satisfies NotTrackedError).pending
    case 'QUOTA': return (error satisfies QuotaError).message
    case 'DAMAGED': return (error satisfies DamagedError).code satisfies 'DAMAGED'
    case 'STORE_BLOCKED': return (error satisfies StoreError).message
    case 'BAD_ARGUMENT': return (error satisfies MisuseError).message
    case 'LOCKED': return (error satisfies LockedError).name
    // @ts-expect-error There is no such code.
    case 'TIMEOUT': return ''
    default: return String(error.cause)
  }
}

export async function disposed(): Promise<void> {
  const db = await openInWorker(undefined, { network })
  createProvider(db)
  await db[Symbol.asyncDispose]()
}
