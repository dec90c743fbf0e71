/** A program in Node, without the types of browsers. */

import { SnaplightError, open } from 'snaplight'
import { createProvider } from 'snaplight/provider'

const db = await open({ network: { id: 1, genesisHash: '0x' }, memory: true, wasm: new Uint8Array() })
createProvider(db)
await db.sync('0x').catch((error: unknown) => console.log(error instanceof SnaplightError && error.code))
await db.close()
