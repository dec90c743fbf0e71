/** Proofs of EIP-1186 judged by `@ethereumjs/mpt`, which shares no code with the crate. */

import { verifyMerkleProof } from '@ethereumjs/mpt'
import { RLP } from '@ethereumjs/rlp'
import { bytesToBigInt, bytesToHex, hexToBytes } from '@ethereumjs/util'
import { EMPTY_CODE, EMPTY_ROOT } from './chain.mjs'

const ZERO_HASH = `0x${'00'.repeat(32)}`

/**
 * What a proof shows under a state root: `{ account, slots }`, with the account's fields or null, and
 * the values in the order of `storageProof`. Rejects a proof that proves nothing, and one whose own
 * fields say something else.
 */
export async function provenBy(proof, stateRoot) {
  const { address, accountProof, storageProof } = proof
  const body = await valueAt(address, accountProof, stateRoot)
  const account = body && fields(body)
  const slots = []
  for (const { key, value, proof: nodes } of storageProof) {
    const leaf = await valueAt(`0x${BigInt(key).toString(16).padStart(64, '0')}`, nodes, account?.storageHash ?? EMPTY_ROOT)
    slots.push(leaf ? bytesToBigInt(RLP.decode(leaf)) : 0n)
    if (BigInt(value) !== slots.at(-1)) throw new Error(`${address} slot ${key}: the proof shows ${slots.at(-1)} and says ${value}`)
  }
  const { nonce, balance, codeHash, storageHash } = account ?? { nonce: 0n, balance: 0n, codeHash: ZERO_HASH, storageHash: ZERO_HASH }
  const said = [BigInt(proof.nonce), BigInt(proof.balance), proof.codeHash, proof.storageHash]
  const shown = [nonce, balance, codeHash, storageHash]
  if (said.some((value, at) => value !== shown[at])) throw new Error(`${address}: the proof shows ${shown} and says ${said}`)
  return { account, slots }
}

async function valueAt(key, nodes, root) {
  if (root === EMPTY_ROOT) return null
  return verifyMerkleProof(hexToBytes(key), nodes.map(hexToBytes), { root: hexToBytes(root), useKeyHashing: true })
}

function fields(body) {
  const [nonce, balance, storageHash, codeHash] = RLP.decode(body)
  return { nonce: bytesToBigInt(nonce), balance: bytesToBigInt(balance), storageHash: bytesToHex(storageHash), codeHash: bytesToHex(codeHash) }
}

/** Whether an account has a code. */
export function hasCode({ account }) {
  return account !== null && account.codeHash !== EMPTY_CODE
}
