/** Compares what accounts really are with what a page's database says of them. */

const EMPTY_ROOT = '0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421'
const EMPTY_CODE = '0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470'

/**
 * Accounts from a native peer's answer to `sample`, which comes from its own state and not from
 * what it serves.
 */
export function fromSample(sample) {
  return sample.map(({ address, slim, slots }) => ({
    address,
    account: slim && fromSlim(slim),
    slots: slots.map(({ key, value }) => ({ slot: key, value: value ? BigInt(text(items(value)[0])) : 0n })),
  }))
}

/**
 * An account and some of its slots by a node's `eth_getProof`. `account` is null if there is none.
 */
export async function proven(rpc, address, slots, block) {
  const proof = await rpc.call('eth_getProof', [address, slots, `0x${block.number.toString(16)}`])
  const [nonce, balance] = [BigInt(proof.nonce), BigInt(proof.balance)]
  // go-ethereum's code hash of an account that does not exist is zero.
  const exists = BigInt(proof.codeHash) !== 0n && (nonce !== 0n || balance !== 0n || proof.codeHash !== EMPTY_CODE || proof.storageHash !== EMPTY_ROOT)
  return {
    address,
    account: exists ? { nonce, balance, storageRoot: proof.storageHash, codeHash: proof.codeHash } : null,
    slots: proof.storageProof.map(({ key, value }) => ({ slot: key, value: BigInt(value) })),
  }
}

/**
 * The same accounts as the page's database has them, each with the root under which it was proven.
 * BigInts can be sent out of a page.
 *
 * @param {import('playwright-core').Page} page
 * @param {object[]} truth
 * @param {string} place the expression that gives the page's database
 */
export function readBack(page, truth, place = 'window.db') {
  const questions = truth.map(({ address, slots }) => ({ address, slots: slots.map(({ slot }) => slot) }))
  return page.evaluate(async ({ questions, place }) => {
    const db = place.split('.').slice(1).reduce((object, name) => object[name], window)
    return Promise.all(questions.map(async ({ address, slots }) => {
      const { exists, nonce, balance, storageRoot, codeHash, root } = await db.getAccount(address)
      const values = await Promise.all(slots.map(async (slot) => ({ slot, value: (await db.getStorage(address, slot)).value })))
      return { address, account: exists ? { nonce, balance, storageRoot, codeHash } : null, slots: values, root }
    }))
  }, { questions, place })
}

/** Prints what differs. Returns whether nothing does. */
export function isSame(truth, found, where) {
  const wrong = truth.map((account, at) => ({ account, found: found[at] })).filter(({ account, found }) => described(account) !== described(found))
  for (const { account, found } of wrong.slice(0, 5)) console.log(`  WRONG: ${account.address} should be ${described(account)}, but is ${described(found)}`)
  const slots = truth.reduce((sum, account) => sum + account.slots.length, 0)
  const absent = truth.filter(({ account }) => !account).length
  console.log(`  read back ${where}: ${truth.length - wrong.length} of ${truth.length} accounts (${absent} absent) and their ${slots} slots are right`)
  return wrong.length === 0
}

function described({ account, slots }) {
  const words = account ? Object.entries(account).sort().map(([name, value]) => `${name} ${value}`) : ['absent']
  return [...words, ...slots.map(({ value }) => `slot ${value}`)].join(', ')
}

/** A slim body is `[nonce, balance, storage root or nothing, code hash or nothing]`. */
function fromSlim(slim) {
  const [nonce, balance, storageRoot, codeHash] = items(slim)
  return {
    nonce: BigInt(text(nonce)),
    balance: BigInt(text(balance)),
    storageRoot: storageRoot.length > 0 ? text(storageRoot) : EMPTY_ROOT,
    codeHash: codeHash.length > 0 ? text(codeHash) : EMPTY_CODE,
  }
}

function text(bytes) {
  return bytes.length > 0 ? `0x${bytes.toString('hex')}` : '0x0'
}

/**
 * RLP of short strings, or of one list of them whose payload is below 256 bytes. Slim bodies and
 * slots are never more.
 */
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
