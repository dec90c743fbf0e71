// The package's entry: see snaplight.d.ts for what everything does.

import { Snaplight } from './lib/database.js'
import { databaseName } from './lib/input.js'
import { connectLocal } from './lib/local.js'
import { orLocked } from './lib/locked.js'
import { guardAsync, load } from './lib/module.js'
import { checkOptions } from './lib/open.js'

export { Snaplight } from './lib/database.js'
export { Follow } from './lib/follow.js'
export { Peer } from './lib/peer.js'
export { Snapshot } from './lib/reads.js'
export { Sync } from './lib/sync.js'
export {
  CancelledError,
  ClosedError,
  CrashError,
  DamagedError,
  LoadError,
  LockedError,
  MisuseError,
  NotTrackedError,
  QuotaError,
  SnaplightError,
  StoreError,
  UnsupportedError,
} from './lib/errors.js'

export { version } from './lib/version.js'

export async function open(options) {
  const { checked, onEvent } = checkOptions(options)
  return Snaplight.open(checked, onEvent, (listener) => connectLocal(checked, listener))
}

export async function deleteDatabase(name, options) {
  const checked = databaseName(name)
  const module = await load(options?.wasm)
  await orLocked(checked, () => guardAsync(() => module.deleteDatabase(checked)))
}
