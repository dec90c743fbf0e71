/** `--geth`: a real go-ethereum node that makes blocks, and the gateway between it and the page. */

import { startGeth, until } from '../geth.mjs'
import { proven } from '../truth.mjs'

const FIRST_BLOCK_WITHIN_MS = 30_000

/**
 * @param {{accounts: number, everyMs: number}} options
 * @returns a chain as `following.mjs` takes it
 */
export async function startGethChain({ accounts, everyMs }) {
  console.log(`starting go-ethereum with ${accounts.toLocaleString('en')} accounts, a block every ${everyMs / 1000} s, and the gateway`)
  const geth = await startGeth({ accounts, contracts: Math.ceil(accounts / 200), huge: 20_000, everyMs })
  const { rpc, genesis, networkId, genesisHash } = geth
  const { from } = (await firstBlock(rpc)).transactions[0]
  const known = Object.keys(genesis)

  return {
    urls: [geth.url],
    // The gateway announces each block too, but this proves nothing. The page takes the block from
    // a node that it trusts, here the go-ethereum node itself.
    follow: geth.rpcUrl,
    networkId,
    genesisHash,
    // The first account pays for every block, so it changes with each.
    examples: [from, ...known.filter((address) => genesis[address]?.code?.length > 2).slice(0, 2), known.at(-1)],
    changed: () => '',

    /** The chain does not stop. The page is asked about the block that it has. */
    rest: async () => undefined,

    /**
     * The node's own proofs: of accounts that blocks have changed, of others, and of some that do
     * not exist.
     */
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

    stop: geth.stop,
  }
}

function slotsOf(genesis, address) {
  return Object.keys(genesis[address]?.storage ?? {}).slice(0, 3)
}

async function firstBlock(rpc) {
  let block
  await until(FIRST_BLOCK_WITHIN_MS, 'the node made no block with transactions', async () => {
    block = await rpc.call('eth_getBlockByNumber', ['latest', true])
    return block.transactions.length > 0
  })
  return block
}
