/** A real go-ethereum node and the gateway in front of it, as child processes on loopback. */

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startProgram } from './program.mjs'
import { connectRpc } from './rpc.mjs'
import { ROOT } from './serve.mjs'

const TARGET = process.env.SNAPLIGHT_TARGET ?? join(ROOT, 'target')
const NODE = process.env.SNAPLIGHT_TESTNODE ?? join(TARGET, 'go/testnode')
const GATEWAY = process.env.SNAPLIGHT_GATEWAY ?? join(TARGET, 'go/gateway')

/**
 * A node with 100,000 accounts is ready within seconds. A busy machine takes many times as long.
 */
const READY_WITHIN_MS = 120_000
const CONNECTED_WITHIN_MS = 30_000
const LOOK_EVERY_MS = 100

/**
 * Why they cannot be started here, or nothing if they can. `cargo xtask` sets it if it cannot build
 * them.
 */
export function missing() {
  return missingOf([NODE])
}

/** The same for the gateway and other programs that are written in Go. */
export function missingOf(programs) {
  if (process.env.SNAPLIGHT_WITHOUT_GO) return process.env.SNAPLIGHT_WITHOUT_GO
  const absent = [GATEWAY, ...programs].find((program) => !existsSync(program))
  return absent && `${absent} was not built; \`cargo xtask test --only e2e\` builds it where Go is installed`
}

/**
 * Starts both. Resolves when the gateway is connected to the node, which then serves its genesis
 * state.
 *
 * @param {{accounts: number, contracts?: number, huge?: number, scheme?: 'path' | 'hash', everyMs?:
 *   number}} options `contracts` have a few slots each; `huge` is the number of slots of one more
 *   contract; `everyMs` is the time between blocks, and without it `makeBlock` makes them
 * @returns what the page and the tests need. `genesis` is the whole state as
 *   `{address: {balance, nonce, code, storage}}`. `rpc` is the node's JSON-RPC. `makeBlock()`
 *   resolves to what the node says of the block that it made. `rewind(number)` takes all blocks
 *   beyond this number from the node; those that are made afterwards are others. `withhold(block)`
 *   takes the newest block from the node; it resolves to the `url` of another gateway, since the
 *   first one has already announced the block, and to `giveBack()`, which gives the block back to
 *   the node.
 */
export async function startGeth({ accounts, contracts = 0, huge = 0, scheme = 'path', everyMs = 0 }) {
  const folder = mkdtempSync(join(tmpdir(), 'snaplight-geth-'))
  const file = join(folder, 'genesis.json')
  try {
    const { node, ownGateway, ...geth } = await startBoth([
      '--accounts', String(accounts), '--contracts', String(contracts), '--huge', String(huge), '--scheme', scheme,
      '--block-every', `${everyMs}ms`, '--write-genesis', file,
    ])
    const { rpc } = geth
    const genesis = JSON.parse(readFileSync(file, 'utf8'))
    const makeBlock = async () => (await node.ask('block')).block
    const rewind = (number) => rpc.call('debug_setHead', [quantity(number)])
    const withhold = async ({ number }) => {
      const raw = await rpc.call('debug_getRawBlock', [quantity(number)])
      await rewind(number - 1)
      const giveBack = async () => {
        const folder = mkdtempSync(join(tmpdir(), 'snaplight-block-'))
        try {
          const file = join(folder, 'block.rlp')
          writeFileSync(file, Buffer.from(raw.slice(2), 'hex'))
          if (!(await rpc.call('admin_importChain', [file]))) throw new Error('the node refuses to take its block back')
        } finally {
          rmSync(folder, { recursive: true })
        }
      }
      return { url: await ownGateway(), giveBack }
    }
    return { ...geth, genesis, makeBlock, rewind, withhold }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/**
 * Starts a node that has a recorded chain and nothing else, and the gateway. All states of the
 * chain are served, and `latest`, `safe` and `finalized` are its last block. It makes no blocks.
 *
 * @param {string} folder with `genesis.json` in go-ethereum's format and `chain.rlp`
 * @returns as `startGeth`, without what makes blocks. `head` is the last block as `{ number, hash,
 *   root, time }`.
 */
export async function startRecorded(folder) {
  const { node, ownGateway, ...geth } = await startBoth([
    '--genesis-json', join(folder, 'genesis.json'), '--import', join(folder, 'chain.rlp'),
  ])
  const { number, hash, root, time } = node.ready
  return { ...geth, head: { number, hash, root, time } }
}

async function startBoth(options) {
  const started = []
  const stop = async () => {
    for (const { stop } of started.splice(0).reverse()) await stop()
  }
  try {
    const node = await startProgram('the go-ethereum node', NODE, [...options, '--exit-with-stdin'], READY_WITHIN_MS)
    started.push(node)
    const { enode, rpc: rpcUrl, networkId, genesisHash } = node.ready
    const ownGateway = async () => {
      const gateway = await startGateway([enode], ['--head-rpc', rpcUrl, '--genesis-hash', genesisHash])
      started.push(gateway)
      return gateway.url
    }
    const rpc = await connectRpc(rpcUrl)
    started.push({ stop: () => rpc.close() })
    return { node, ownGateway, url: await ownGateway(), rpcUrl, rpc, networkId, genesisHash, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/**
 * Starts a gateway. Resolves when it is connected to all of these nodes. It ends with `stop()`, and
 * in any case with this process.
 *
 * @param {string[]} enodes
 * @param {string[]} options more flags
 * @returns {Promise<{url: string, http: string, pid: number, stop: () => Promise<void>}>}
 */
export async function startGateway(enodes, options = []) {
  const { ready, pid, stop } = await startProgram('the gateway', GATEWAY, [
    ...enodes.flatMap((enode) => ['--node', enode]), '--listen', '127.0.0.1:0', ...options, '--exit-with-stdin',
  ], READY_WITHIN_MS)
  const { url, http } = ready
  try {
    await until(CONNECTED_WITHIN_MS, 'the gateway did not connect to the node', async () => {
      const nodes = await (await fetch(`${http}/nodes`)).json()
      return nodes.length === enodes.length
    })
  } catch (error) {
    await stop()
    throw error
  }
  return { url, http, pid, stop }
}

function quantity(number) {
  return `0x${number.toString(16)}`
}

/** Tries again and again. Fails with `otherwise` if it takes too long. */
export async function until(ms, otherwise, reached) {
  const end = Date.now() + ms
  while (!(await reached())) {
    if (Date.now() > end) throw new Error(`${otherwise} in ${ms / 1000} s`)
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))
  }
}
