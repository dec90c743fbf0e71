/** `--chain`: two native peers with the same made-up chain, which grows in both at the same time. */

import { startPeers } from '../peers.mjs'

/**
 * @param {{accounts: number, everyMs: number}} options
 * @returns a chain as `following.mjs` takes it
 */
export async function startChain({ accounts, everyMs }) {
  console.log(`starting two peers with a chain of ${accounts.toLocaleString('en')} generated accounts, a block each ${everyMs / 1000} s`)
  const peers = await startPeers(2, ['--accounts', String(accounts), '--contracts', '0.1', '--huge', '1:20000', '--chain'])
  let head = peers[0].block
  let making = Promise.resolve()
  // One clock for both: neither is ahead by more than it takes to make a block.
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
    /** What a block changed, as long as it is the newest. */
    changed: (number) => (head.number === number && head.changedNodes ? `; ${head.changedNodes} nodes of ${kB(head.changedNodeBytes)} differ in truth` : ''),

    /** No more blocks; answers the last one. */
    async rest() {
      clearInterval(timer)
      await making
      return head
    },

    /** From the peer's own state, not from its answers. */
    async truth(count) {
      return (await peers[0].sample(count)).sample.map(({ address, slim, slots }) => ({
        address,
        account: slim && fromSlim(slim),
        slots: slots.map(({ key, value }) => ({ slot: key, value: value ? BigInt(text(items(value)[0])) : 0n })),
      }))
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

/** A slim body is `[nonce, balance, storage root or nothing, code hash or nothing]`. */
function fromSlim(slim) {
  const [nonce, balance, storageRoot, codeHash] = items(slim)
  return {
    nonce: BigInt(text(nonce)),
    balance: BigInt(text(balance)),
    storageRoot: storageRoot.length > 0 ? text(storageRoot) : '0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421',
    codeHash: codeHash.length > 0 ? text(codeHash) : '0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470',
  }
}

function text(bytes) {
  return bytes.length > 0 ? `0x${bytes.toString('hex')}` : '0x0'
}

/** RLP of short strings, or of one list of them whose payload is below 256 bytes: all that a slim body and a slot can be. */
function items(hex) {
  let rest = Buffer.from(hex.slice(2), 'hex')
  if (rest[0] >= 0xf8) rest = rest.subarray(2)
  else if (rest[0] >= 0xc0) rest = rest.subarray(1)
  const found = []
  while (rest.length > 0) {
    const [start, length] = rest[0] < 0x80 ? [0, 1] : [1, rest[0] - 0x80]
    found.push(rest.subarray(start, start + length))
    rest = rest.subarray(start + length)
  }
  return found
}
