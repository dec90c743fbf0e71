/**
 * One state in two places: at go-ethereum 1.10.26 behind the gateway, which serves it by hash, and
 * at native peers that claim to be of the same chain.
 */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startOldGethAndGateway } from '../old-geth.mjs'
import { startPeer } from '../peers.mjs'

/**
 * Starts the old node and the gateway with a state that the native peer generates.
 *
 * @param {string[]} options the peer's options for the state, such as `['--realistic', '1000']`
 * @returns {Promise<{node: object, genesis: object, counts: {accounts: number, slots: number, codes:
 *   number}, nativePeer: (...options: string[]) => Promise<object>, stop: () => Promise<void>}>}
 *   `node` is that of `startOldGethAndGateway`; `genesis` is the whole state as `{address: {balance,
 *   nonce, code, storage}}`; `nativePeer` starts a peer with the state, on the node's network.
 */
export async function startOldWorld(options) {
  const folder = mkdtempSync(join(tmpdir(), 'snaplight-old-world-'))
  const file = join(folder, 'state.json')
  const started = []
  const stop = async () => {
    for (const { stop } of started.splice(0).reverse()) await stop()
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    const { root, counts } = await generate(options, file)
    const node = await startOldGethAndGateway(file)
    started.push(node)
    if (node.block.root !== root) throw new Error(`go-ethereum computes the root ${node.block.root} of a state whose root is ${root}`)
    const chain = ['--genesis', file, '--network-id', String(node.networkId), '--genesis-hash', node.genesisHash]
    const nativePeer = async (...more) => {
      const peer = await startPeer([...chain, ...more])
      started.push(peer)
      return peer
    }
    return { node, genesis: JSON.parse(readFileSync(file, 'utf8')), counts, nativePeer, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Writes a generated state to a file. */
async function generate(options, file) {
  const peer = await startPeer(options)
  try {
    await peer.writeGenesis(file)
    const { root, accounts, slots, codes } = peer
    return { root, counts: { accounts, slots, codes } }
  } finally {
    await peer.stop()
  }
}
