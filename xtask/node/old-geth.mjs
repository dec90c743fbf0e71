/**
 * go-ethereum 1.10.26, which answers GetNodeData over eth/66, as a child process on loopback, and
 * the gateway in front of it. It serves a genesis state and makes no blocks.
 */

import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { missingOf, startGateway } from './geth.mjs'
import { connectRpc } from './rpc.mjs'
import { ROOT } from './serve.mjs'

const TARGET = process.env.SNAPLIGHT_TARGET ?? join(ROOT, 'target')
/** `cargo xtask` builds it: it is not in the gateway's module. */
const GETH = process.env.SNAPLIGHT_OLD_GETH ?? join(TARGET, 'tools/geth-1.10.26/geth')

/**
 * It is ready within seconds, also with 20,000 accounts. A busy machine takes many times as long.
 */
const READY_WITHIN_MS = 120_000
/** How much of its log is kept for an error message. */
const COMPLAINT = 4_000

const CHAIN_ID = 1337
/** All forks of before the merge that need no more than a number are active from the beginning. */
const FORKS = [
  'homesteadBlock', 'eip150Block', 'eip155Block', 'eip158Block', 'byzantiumBlock', 'constantinopleBlock', 'petersburgBlock',
  'istanbulBlock', 'berlinBlock', 'londonBlock',
]
/** Proof of authority: 32 bytes of anything, the address of the only signer, 65 bytes of seal. */
const EXTRA_DATA = `0x${'00'.repeat(32)}${'01'.repeat(20)}${'00'.repeat(65)}`

/** What the node leaves behind is removed, so it is killed and not asked politely. */
const GUARD = join(ROOT, 'xtask/node/guard.sh')

/** Why it cannot be started here, or nothing if it can. */
export function missingOldGeth() {
  return missingOf([GETH])
}

/**
 * The genesis file of a state for go-ethereum before the merge.
 *
 * @param {object} alloc the state, `{address: {balance, nonce, code, storage}}`. go-ethereum takes
 *   keys and values of slots with 32 bytes only.
 */
export function genesisOf(alloc) {
  return {
    config: { chainId: CHAIN_ID, ...Object.fromEntries(FORKS.map((fork) => [fork, 0])), clique: { period: 0, epoch: 30_000 } },
    difficulty: '0x1', gasLimit: '0x1c9c380', extraData: EXTRA_DATA, alloc,
  }
}

/**
 * Starts the node. Resolves when it serves its state. It ends with `stop()`, and in any case with
 * this process.
 *
 * @param {object | string} state the state for [`genesisOf`], or the name of a file that has it, such
 *   as a peer's `writeGenesis` or the test node's `--write-genesis` makes it
 * @returns `rpc` is the node's JSON-RPC: `eth_getProof`, `eth_getCode` and all others of `eth` and
 *   `debug`. `block` is its only block, `{number, hash, root, time}`.
 */
export async function startOldGeth(state) {
  const alloc = typeof state === 'string' ? JSON.parse(readFileSync(state, 'utf8')) : state
  const folder = mkdtempSync(join(tmpdir(), 'snaplight-old-geth-'))
  const remove = () => rmSync(folder, { recursive: true, force: true })
  try {
    initialise(folder, genesisOf(alloc))
    const { enode, rpcUrl, pid, stop } = await run(folder)
    const started = [{ stop }]
    const stopAll = async () => {
      for (const { stop } of started.reverse()) await stop()
      remove()
    }
    try {
      const rpc = await connectRpc(rpcUrl)
      started.push({ stop: () => rpc.close() })
      const { hash, stateRoot, timestamp } = await rpc.call('eth_getBlockByNumber', ['0x0', false])
      const block = { number: 0, hash, root: stateRoot, time: Number(timestamp) }
      return { enode, rpc, rpcUrl, networkId: CHAIN_ID, genesisHash: hash, block, pid, stop: stopAll }
    } catch (error) {
      await stopAll()
      throw error
    }
  } catch (error) {
    remove()
    throw error
  }
}

/**
 * Starts the node and a gateway in front of it, as `startGeth` does for a current node.
 *
 * @param {object | string} state see [`startOldGeth`]
 * @returns what `startOldGeth` returns, and the gateway's `url` and `http`
 */
export async function startOldGethAndGateway(state) {
  const node = await startOldGeth(state)
  try {
    const gateway = await startGateway([node.enode], ['--head-rpc', node.rpcUrl, '--genesis-hash', node.genesisHash])
    const stop = async () => {
      await gateway.stop()
      await node.stop()
    }
    return { ...node, url: gateway.url, http: gateway.http, stop }
  } catch (error) {
    await node.stop()
    throw error
  }
}

/** Makes the node's database. */
function initialise(folder, genesis) {
  const file = join(folder, 'genesis.json')
  writeFileSync(file, JSON.stringify(genesis))
  const { status, error, stderr } = spawnSync(GETH, ['--datadir', folder, 'init', file], { stdio: ['ignore', 'ignore', 'pipe'] })
  if (status !== 0) throw new Error(`geth init failed: ${error?.message ?? stderr.toString().slice(-COMPLAINT)}`)
}

/**
 * Runs the node until `stop()`. Resolves when its log has told where it is reached, and that it has
 * made its snapshot: until then it is busy, and answers late.
 */
async function run(folder) {
  // No flag says that devp2p listens on loopback alone.
  const config = join(folder, 'config.toml')
  writeFileSync(config, '[Node.P2P]\nListenAddr = "127.0.0.1:0"\n')
  const child = spawn('sh', [
    GUARD, GETH, '--config', config, '--datadir', folder, '--networkid', String(CHAIN_ID), '--syncmode', 'full', '--nodiscover', '--nat', 'none',
    '--ipcdisable', '--authrpc.port', '0', '--ws', '--ws.port', '0', '--ws.api', 'eth,debug', '--cache', '64', '--verbosity', '3',
  ], { stdio: ['pipe', 'ignore', 'pipe'] })
  child.stdin.on('error', () => {})
  const gone = new Promise((resolve) => child.once('close', resolve))
  const stop = async () => {
    child.stdin.destroy()
    await gone
  }
  let timer
  try {
    const told = await new Promise((resolve, reject) => {
      let log = ''
      const failed = (why) => reject(new Error(`${GETH} ${why}: ${log.trim().slice(-COMPLAINT)}`))
      const webSockets = []
      let engine, enode, calm
      child.once('error', ({ message }) => failed(message))
      child.once('exit', (code, signal) => failed(`ended with ${signal ?? code} before it was ready`))
      createInterface({ input: child.stderr }).on('line', (line) => {
        log = (log + line + '\n').slice(-COMPLAINT)
        enode = /Started P2P networking.*(enode:[^"]+)/.exec(line)?.[1] ?? enode
        // The consensus client's own port answers WebSockets as well, with a password.
        engine = /HTTP server started.*endpoint=(\S+) auth=true/.exec(line)?.[1] ?? engine
        webSockets.push(...(/WebSocket enabled.*url=(\S+)/.exec(line)?.slice(1) ?? []))
        calm ||= line.includes('Generated state snapshot')
        const rpcUrl = webSockets.find((url) => url !== `ws://${engine}`)
        if (enode && engine && rpcUrl && calm) resolve({ enode: enode.replace(/\?.*/, ''), rpcUrl })
      })
      timer = setTimeout(() => failed(`was not ready in ${READY_WITHIN_MS / 1000} s`), READY_WITHIN_MS)
    })
    return { ...told, pid: child.pid, stop }
  } catch (error) {
    await stop()
    throw error
  } finally {
    clearTimeout(timer)
  }
}
