/** go-ethereum beside us, in the same run: its own syncer on the same state, and the gateway against a direct connection. */

import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { startProgram } from '../program.mjs'
import { ROOT } from '../serve.mjs'

const run = promisify(execFile)
/** Where it is, if it could be built. */
export const GETHBENCH = process.env.SNAPLIGHT_WITHOUT_GO ? undefined : process.env.SNAPLIGHT_GETHBENCH

/** Whatever is asked for is done by then, even on a machine that has much else to do, or never. */
const WITHIN_MS = 900_000

/** One measurement that `gateway/cmd/gethbench` makes alone, as the object it prints. */
export async function gethbench(...options) {
  const { stdout } = await run(GETHBENCH, options, { cwd: join(ROOT, 'gateway'), timeout: WITHIN_MS })
  return JSON.parse(stdout)
}

/** go-ethereum's syncer, with its state made: `sync(cores)` does one, and says what it took. */
export async function startSyncer(accounts) {
  const { ready, ask, stop } = await startProgram('gethbench', GETHBENCH, ['sync', '--accounts', String(accounts)], WITHIN_MS)
  const sync = (cores) => {
    let timer
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`go-ethereum has not synced ${accounts} accounts in ${WITHIN_MS / 1000} s`)), WITHIN_MS)
    })
    return Promise.race([ask(JSON.stringify({ cores })), late]).finally(() => clearTimeout(timer))
  }
  return { root: ready.root, sync, stop }
}
