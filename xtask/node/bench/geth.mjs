/**
 * go-ethereum in the same run: its own syncer on the same state, and the gateway compared with a
 * direct connection.
 */

import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { startProgram } from '../program.mjs'
import { ROOT } from '../serve.mjs'

const run = promisify(execFile)
/** The path of the program gethbench. `undefined` if it could not be built. */
export const GETHBENCH = process.env.SNAPLIGHT_WITHOUT_GO ? undefined : process.env.SNAPLIGHT_GETHBENCH

/** Every order is done within this time, even on a busy machine. */
const WITHIN_MS = 900_000

/**
 * One measurement that `gateway/cmd/gethbench` makes by itself. Resolves to the object that it
 * prints.
 */
export async function gethbench(...options) {
  const { stdout } = await run(GETHBENCH, options, { cwd: join(ROOT, 'gateway'), timeout: WITHIN_MS })
  return JSON.parse(stdout)
}

/**
 * One sync by hash into memory by go-ethereum's scheduler for trie nodes, over one connection to a
 * gateway or a native peer.
 *
 * @param {string} url
 * @param {string} root
 * @param {number} cores how many it uses at a time
 * @returns {Promise<object>} `HashFigures` in `gateway/internal/bench/hash.go`
 */
export async function gethByHash(url, root, cores) {
  const options = ['hash', url, '--root', root, '--runs', '1']
  const { stdout } = await run(GETHBENCH, options, { env: { ...process.env, GOMAXPROCS: String(cores) }, timeout: WITHIN_MS })
  return JSON.parse(stdout)
}

/**
 * Starts go-ethereum's syncer on states that a peer has exported (`exportTo` in `../peers.mjs`).
 *
 * @param {string[]} files
 * @param {{peers?: number}} [options] how many peers it has, in its own process
 * @returns {Promise<{states: object[], ask: (order: {cores: number, state: number, over?: number})
 * => Promise<object>,
 *   stop: () => Promise<void>}>} `states` has the root and the counts of each file. `ask` syncs the
 *   state of the file at this index of `files`, and resolves to the measurements. With `over`, the
 *   state at that index is synced before, and only the rest is timed.
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
