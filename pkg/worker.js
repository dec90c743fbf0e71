// The same API with the work in a worker: see worker.d.ts.

import { Snaplight } from './lib/database.js'
import { checkOptions } from './lib/open.js'
import { connectRemote } from './lib/remote.js'

export * from './snaplight.js'
export { serve } from './lib/serve.js'

export async function openInWorker(worker, options) {
  const { checked, onEvent } = checkOptions(options)
  return Snaplight.open(checked, onEvent, (listener) => connectRemote(worker, checked, listener))
}
