/**
 * The option `--chain`: starts two native peers with the same generated chain, which grows in both
 * at the same time.
 */

import { startPeers } from '../peers.mjs'
import { fromSample } from '../truth.mjs'

/**
 * @param {{accounts: number, everyMs: number}} options
 * @returns a chain as `following.mjs` takes it
 */
export async function startChain({ accounts, everyMs }) {
  console.log(`starting two peers with a chain of ${accounts.toLocaleString('en')} generated accounts, a block every ${everyMs / 1000} s`)
  const peers = await startPeers(2, ['--accounts', String(accounts), '--contracts', '0.1', '--huge', '1:20000', '--chain'])
  let head = peers[0].block
  let making = Promise.resolve()
  // One clock for both: the difference between them is only the time that it takes to make a block.
  const timer = setInterval(() => {
    making = making.then(async () => {
      ;[head] = await Promise.all(peers.map((peer) => peer.advance()))
    })
  }, everyMs)

  const { sample: offered } = await peers[0].sample(4)
  return {
    urls: peers.map((peer) => peer.url),
    networkId: peers[0].networkId,
    genesisHash: peers[0].genesisHash,
    examples: offered.map(({ address }) => address),
    /** Returns what a block changed. This is known only of the newest block. */
    changed: (number) => (head.number === number && head.changedNodes ? `; ${head.changedNodes} nodes of ${kB(head.changedNodeBytes)} differ in the peers' state` : ''),

    /** Stops making blocks. Returns the last one. */
    async rest() {
      clearInterval(timer)
      await making
      return head
    },

    /** Reads `count` keys from the peer's own state and not from its answers. */
    async truth(count) {
      return fromSample((await peers[0].sample(count)).sample)
    },

    async stop() {
      clearInterval(timer)
      await making.catch(() => {})
      await Promise.all(peers.map((peer) => peer.stop()))
    },
  }
}

function kB(bytes) {
  return `${(bytes / 1000).toFixed(1)} kB`
}
