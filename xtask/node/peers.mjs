/** Native peers as child processes on loopback. */

import { join } from 'node:path'
import { startProgram } from './program.mjs'
import { ROOT } from './serve.mjs'

const PROGRAM = process.env.SNAPLIGHT_PEER ?? join(ROOT, 'target/release/snaplight-peer')

/** Mainnet's genesis state, written by `genesis.mjs`. */
export const GENESIS = process.env.SNAPLIGHT_GENESIS ?? join(ROOT, 'target/genesis/mainnet.json')

/**
 * Generating four million accounts takes a while. No peer takes longer than this until it is ready.
 */
const READY_WITHIN_MS = 180_000

/**
 * Starts a peer. Resolves when it listens. It ends with `stop()`, and in any case with this
 * process.
 *
 * @param {string[]} options for example `['--genesis', GENESIS]`, `['--accounts', '1000']` or
 *   `['--realistic', '1000']`
 * @returns {Promise<{url: string, root: string, accounts: number, networkId: number,
 *   genesisHash: string, block: object, pid: number, advance: (share?: number | string) => Promise<object>,
 *   sample: (count: number) => Promise<object>, exportTo: (file: string) => Promise<object>,
 *   writeGenesis: (file: string) => Promise<object>, stop: () => Promise<void>}>}
 *   With `--chain`, `advance` makes a block that changes this share of everything, or
 *   `'values=N insert=N delete=N slots=N'`, or some of these. It resolves to what the peer says of
 *   the block. `sample` resolves to accounts as they are now. `exportTo` writes the newest state to
 *   a file, for gethbench, and resolves to its root and counts. `writeGenesis` writes the first
 *   state, which must be a generated one, as a genesis file.
 */
export async function startPeer(options) {
  const { ready, pid, ask, stop } = await startProgram(
    'the peer', PROGRAM, ['--listen', '127.0.0.1:0', ...options, '--exit-with-stdin'], READY_WITHIN_MS,
  )
  return {
    ...ready,
    pid,
    advance: (share = '') => ask(`block ${share}`),
    sample: (count) => ask(`sample ${count}`),
    exportTo: (file) => written(ask, `export ${file}`),
    writeGenesis: (file) => written(ask, `genesis ${file}`),
    stop,
  }
}

async function written(ask, order) {
  const told = await ask(order)
  if (told.error) throw new Error(`the peer could not write its state: ${told.error}`)
  return told
}

/** Starts several peers with the same state, which they generate at the same time. */
export async function startPeers(count, options) {
  return Promise.all(Array.from({ length: count }, () => startPeer(options)))
}
