/** `--geth`: a real go-ethereum node that makes blocks, and the gateway that brings it to the page. */

import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { startProgram } from '../program.mjs'
import { ROOT } from '../serve.mjs'
import { connectRpc } from './rpc.mjs'

const TARGET = process.env.SNAPLIGHT_TARGET ?? join(ROOT, 'target')
const NODE = process.env.SNAPLIGHT_TESTNODE ?? join(TARGET, 'go/testnode')
const GATEWAY = process.env.SNAPLIGHT_GATEWAY ?? join(TARGET, 'go/gateway')

const READY_WITHIN_MS = 120_000
/** A node with 100,000 accounts in memory has its first snapshot, and so answers snap, within seconds of its start. */
const SERVES_WITHIN_MS = 30_000

const EMPTY_CODE = '0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470'
const EMPTY_ROOT = '0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421'

/**
 * @param {{accounts: number, everyMs: number}} options
 * @returns a chain as `following.mjs` takes it
 */
export async function startGeth({ accounts, everyMs }) {
  console.log(`starting go-ethereum with ${accounts.toLocaleString('en')} accounts, a block each ${everyMs / 1000} s, and the gateway`)
  mkdirSync(TARGET, { recursive: true })
  const genesisFile = join(TARGET, `demo-geth-${process.pid}.json`)
  const node = await startProgram('the go-ethereum node', NODE, [
    '--accounts', String(accounts), '--contracts', String(Math.ceil(accounts / 200)), '--huge', '20000',
    '--block-every', `${everyMs}ms`, '--write-genesis', genesisFile, '--exit-with-stdin',
  ], READY_WITHIN_MS)
  const genesis = JSON.parse(readFileSync(genesisFile, 'utf8'))
  rmSync(genesisFile)
  const { enode, rpc: rpcUrl, networkId, genesisHash } = node.ready
  const gateway = await startProgram('the gateway', GATEWAY, [
    '--node', enode, '--listen', '127.0.0.1:0', '--genesis-hash', genesisHash, '--exit-with-stdin',
  ], READY_WITHIN_MS)
  const rpc = await connectRpc(rpcUrl)
  await untilConnected(gateway.ready.http)
  const { from } = (await firstBlock(rpc)).transactions[0]
  const known = Object.keys(genesis.alloc ?? genesis)

  return {
    urls: [gateway.ready.url],
    // go-ethereum announces its head to peers once in 32 blocks: whoever wants each block has it from a node of their own.
    follow: rpcUrl,
    networkId,
    genesisHash,
    // The first pays for every block, so it changes with each.
    examples: [from, ...known.filter((address) => genesis[address]?.code?.length > 2).slice(0, 2), known[0]],
    changed: () => '',

    /** It goes on making blocks, as chains do. The page is asked about the block that it holds. */
    rest: async () => undefined,

    /** The node's own proofs, of accounts that blocks have touched, of others, and of some that are not there. */
    async truth(count, block) {
      const touched = new Set()
      for (let number = block.number; number > 0 && touched.size < count / 2; number--) {
        const { transactions } = await rpc.call('eth_getBlockByNumber', [`0x${number.toString(16)}`, true])
        for (const { to, from } of transactions) for (const address of [to, from]) if (address) touched.add(address)
      }
      const others = Array.from({ length: count - Math.min(touched.size, count >> 1) }, (_, at) => at % 10 === 9
        ? `0x${(at * 7919 + 1).toString(16).padStart(40, '0')}`
        : known[Math.floor((at * known.length) / count)])
      const addresses = [...touched].slice(0, count >> 1).concat(others)
      return Promise.all(addresses.map((address) => proven(rpc, address, slotsOf(genesis, address), block)))
    },

    async stop() {
      rpc.close()
      await Promise.all([gateway.stop(), node.stop()])
    },
  }
}

function slotsOf(genesis, address) {
  return Object.keys(genesis[address]?.storage ?? {}).slice(0, 3)
}

/** The answer of `eth_getProof`, as `following.mjs` compares it. */
async function proven(rpc, address, slots, block) {
  const proof = await rpc.call('eth_getProof', [address, slots, `0x${block.number.toString(16)}`])
  const [nonce, balance] = [BigInt(proof.nonce), BigInt(proof.balance)]
  // go-ethereum says zero for the code hash of an account that is not there.
  const exists = BigInt(proof.codeHash) !== 0n && (nonce !== 0n || balance !== 0n || proof.codeHash !== EMPTY_CODE || proof.storageHash !== EMPTY_ROOT)
  return {
    address,
    account: exists ? { nonce, balance, storageRoot: proof.storageHash, codeHash: proof.codeHash } : null,
    slots: proof.storageProof.map(({ key, value }) => ({ slot: key, value: BigInt(value) })),
  }
}

async function untilConnected(http) {
  await until(SERVES_WITHIN_MS, 'the gateway did not connect to the node', async () => {
    const nodes = await (await fetch(`${http}/nodes`)).json()
    return nodes.length > 0
  })
}

async function firstBlock(rpc) {
  let block
  await until(SERVES_WITHIN_MS, 'the node made no block with transactions', async () => {
    block = await rpc.call('eth_getBlockByNumber', ['latest', true])
    return block.transactions.length > 0
  })
  return block
}

async function until(ms, otherwise, reached) {
  const end = Date.now() + ms
  while (!(await reached())) {
    if (Date.now() > end) throw new Error(`${otherwise} in ${ms / 1000} s`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}
