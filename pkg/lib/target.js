// Finds targets that cannot be meant: no peer has them, so a sync would wait for ever.

import { bad, toHex } from './input.js'
import { EMPTY_CODE } from './reads.js'

/**
 * @param {object} target Of `syncTarget`.
 * @param {object} known What the database knows: its `network`, its `states`, and `heads` of blocks.
 */
export function checkTarget({ root, blockHash, header }, { network, states, heads }) {
  if (header) return
  const hash = toHex(root ?? blockHash)
  const blocks = [...states.map(({ block }) => block), ...heads]
  if (root) {
    const block = blocks.find((each) => each?.hash === hash)
    const what =
      hash === network.genesisHash ? "the genesis block's hash" : hash === EMPTY_CODE ? 'the hash of no bytes' : block && `the hash of block ${block.number}`
    if (what) bad('target', 'a state root, or { blockHash } for a block', hash, undefined, what)
  } else if (states.some((state) => state.root === hash)) {
    bad('target.blockHash', "a block's hash, or { root } for a state", hash, undefined, 'a state root')
  }
}
