/** What accounts and slots are in truth, by the proofs of a go-ethereum node, and what a page's database says of them. */

const EMPTY_CODE = '0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470'
const EMPTY_ROOT = '0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421'

/** The node's own `eth_getProof`, in the form of {@link readBack}. `account` is null if there is none. */
export async function proven(rpc, address, slots, block) {
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

/** The same accounts and slots from the page's open database, `window.db` or the demo's, each with the root that proves it. */
export function readBack(page, truth) {
  const questions = truth.map(({ address, slots }) => ({ address, slots: slots.map(({ slot }) => slot) }))
  // BigInts leave a page as such.
  return page.evaluate((questions) => Promise.all(questions.map(async ({ address, slots }) => {
    const db = window.db ?? window.demo.db
    const { exists, nonce, balance, storageRoot, codeHash, root } = await db.getAccount(address)
    const values = await Promise.all(slots.map(async (slot) => ({ slot, value: (await db.getStorage(address, slot)).value })))
    return { address, account: exists ? { nonce, balance, storageRoot, codeHash } : null, slots: values, root }
  })), questions)
}

/** An account in words: two that are the same have the same. */
export function described({ account, slots }) {
  const words = account ? Object.entries(account).sort().map(([name, value]) => `${name} ${value}`) : ['absent']
  return [...words, ...slots.map(({ value }) => `slot ${value}`)].join(', ')
}
