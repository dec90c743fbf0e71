/** go-ethereum beside us, in the same run: its own syncer, its own verification, and the gateway against a direct connection. */

import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { ROOT } from '../serve.mjs'

const run = promisify(execFile)
/** A million accounts through go-ethereum on one core take half a minute a run on a busy machine. */
const WITHIN_MS = 900_000

/** One measurement of `gateway/cmd/gethbench`, as the object it prints. */
export async function gethbench(...options) {
  const { stdout } = await run('go', ['run', './cmd/gethbench', ...options], {
    cwd: join(ROOT, 'gateway'),
    timeout: WITHIN_MS,
    maxBuffer: 64 * 1024 * 1024,
  })
  return JSON.parse(stdout.trim().split('\n').at(-1))
}

/** Whether Go is here. */
export async function hasGo() {
  return run('go', ['version']).then(() => true, () => false)
}
