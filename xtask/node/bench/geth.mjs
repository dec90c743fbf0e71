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

/**
 * Starts go-ethereum's syncer on states that a peer has exported (`exportTo` in `../peers.mjs`).
 *
 * @param {string[]} files
 * @param {{peers?: number}} [options] how many it has, in its own process
 * @returns {Promise<{states: object[], ask: (order: {cores: number, state: number, over?: number}) => Promise<object>,
 *   stop: () => Promise<void>}>} `states` has the root and the counts of each file. `ask` syncs one of them, by its place in
 *   `files`, and answers the figures; with `over` the state at that place is synced first, and only the rest is timed
 */
export async function startSyncer(files, { peers = 2 } = {}) {
  const { ready, ask: askLine, stop } = await startProgram('gethbench', GETHBENCH, ['sync', '--peers', String(peers), ...files], WITHIN_MS)
  const ask = (order) => {
    let timer
    const late = new Promise((_, reject) => {
      const complain = () => reject(new Error(`go-ethereum has not done ${JSON.stringify(order)} in ${WITHIN_MS / 1000} s`))
      timer = setTimeout(complain, WITHIN_MS)
    })
    return Promise.race([askLine(JSON.stringify(order)), late]).finally(() => clearTimeout(timer))
  }
  return { states: ready.states, ask, stop }
}
