/**
 * A wallet's set follows a real go-ethereum node while it makes blocks: through its JSON-RPC by
 * WebSocket and by HTTP, and by snap through the gateway. Each answer and each proof is the node's
 * own at that block.
 *
 * `SNAPLIGHT_BLOCKS` says how many blocks, 8 by default.
 */

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { missing, startGeth } from '../../xtask/node/geth.mjs'
import { hasCode, provenBy } from '../../xtask/node/provider/eip1186.mjs'
import { setUp } from './lib/harness.mjs'

const BLOCKS = Number(process.env.SNAPLIGHT_BLOCKS ?? 8)
/** Few enough contracts that blocks write to those of the set. */
const STATE = { accounts: 2_000, contracts: 8, huge: 5_000 }
const SET = { accounts: 20, slots: 100 }
const ABSENT_ACCOUNTS = 2
/** What every block changes: who gets the fees, who pays them, and the contract of EIP-2935. */
const FEES = `0x${'00'.repeat(20)}`
const FAUCET_BALANCE = 1n << 100n
const HISTORY = '0x0000f90827f1c53a10cb7a02335b175320002935'
/** Slots of it: one is written in each block, from block 1 on. */
const HISTORY_SLOTS = 20
/** A block before the newest one that is still held, of eight. */
const BACK = 5
/** Ends before the test times out, because the error then has the sync's progress. */
const GIVE_UP_AFTER_MS = 60_000

/** How a page is given the node, and what it is told of a block: its hash, or also its header. */
const WAYS = {
  'its JSON-RPC by WebSocket': { peerOf: ({ rpcUrl }) => ({ url: rpcUrl, by: 'rpc' }), targetOf: byHash },
  'its JSON-RPC by HTTP': { peerOf: ({ rpcUrl }) => ({ url: rpcUrl.replace(/^ws/, 'http'), by: 'rpc' }), targetOf: byHeader },
  'snap through the gateway': { peerOf: ({ url }) => ({ url, by: 'snap' }), targetOf: byHash },
}

const skip = missing()
const world = setUp()
let node
before(async () => {
  if (!skip) node = await startGeth(STATE)
})
after(() => node?.stop())

for (const [way, { peerOf, targetOf }] of Object.entries(WAYS)) {
  test(`20 accounts and 100 slots follow a node's blocks by ${way}, and all answers and proofs are the node's`, { skip }, async () => {
    const page = await world.page()
    const set = setOf(node.genesis)
    await open(page, way, peerOf(node), set)
    let block = await node.makeBlock()
    let changes = 0
    let last
    for (let at = 0; at < BLOCKS; at++) {
      const found = await follow(page, await targetOf(block), set)
      const truth = await asked(node, block, set)
      assert.equal(found.length, SET.accounts)
      for (const [place, { proof, ...answers }] of found.entries()) {
        assert.deepEqual(proof, truth[place].proof, `${way}, block ${block.number}, ${set[place].address}`)
        const proven = await provenBy(proof, block.root)
        assert.deepEqual(answers, answersOf(proven, truth[place], block))
      }
      if (last) changes += truth.filter(({ proof }, place) => proof.accountProof.at(-1) !== last[place].proof.accountProof.at(-1)).length
      last = truth
      block = await node.makeBlock()
    }
    assert.ok(changes >= 3 * (BLOCKS - 1), `${changes} accounts of the set changed in ${BLOCKS} blocks`)

    const old = { number: block.number - 1 - Math.min(BACK, BLOCKS - 1) }
    const found = await page.evaluate(async ({ number, set }) => {
      const snapshot = db.at(number)
      return Promise.all(set.map(async ({ address, slots }) => (await snapshot.getProof(address, slots)).proof))
    }, { number: old.number, set })
    assert.deepEqual(found, (await asked(node, old, set)).map(({ proof }) => proof), `the state of block ${old.number}`)
    assert.deepEqual(page.uncaught, [])
  })
}

/** Opens a set and has it held: nothing is known of it before the first block. */
function open(page, name, { url, by }, set) {
  const { networkId, genesisHash } = node
  return page.evaluate(async ({ name, url, by, set, network }) => {
    window.db = await snaplight.open({ name, network, hold: 'set' })
    window.peer = db.addPeer(url, { by })
    window.tracked = db.track(set.map(({ address, slots }) => ({ address, slots, code: true })))
    tracked.catch(() => {})
  }, { name, url, by, set, network: { id: networkId, genesisHash } })
}

function byHash({ hash }) {
  return { blockHash: hash }
}

async function byHeader({ hash }) {
  return { header: await node.rpc.call('eth_getBlockByHash', [hash, false]), blockHash: hash }
}

/** Syncs to a block, and reads everything. */
function follow(page, target, set) {
  return page.evaluate(async ({ target, set, ms }) => {
    try {
      await db.sync(target, { signal: AbortSignal.timeout(ms) })
    } catch (error) {
      throw new Error(`${error.message}; it stood at ${JSON.stringify(db.progress())}`, { cause: error })
    }
    await tracked
    const hex = (bytes) => '0x' + Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
    return Promise.all(set.map(async ({ address, slots }) => {
      const [account, values, code, { proof, root, block }] = await Promise.all([
        db.getAccount(address), db.getStorage(address, slots), db.getCode(address), db.getProof(address, slots),
      ])
      const { exists, nonce, balance, codeHash, storageRoot } = account
      return { exists, nonce, balance, codeHash, storageRoot, values: values.map(({ value }) => value), code: hex(code.code), proof, root, block: block.hash }
    }))
  }, { target, set, ms: GIVE_UP_AFTER_MS })
}

/** What the node says of all of it at a block. */
function asked({ rpc }, { number }, set) {
  const at = `0x${number.toString(16)}`
  return Promise.all(set.map(async ({ address, slots }) => ({
    proof: await rpc.call('eth_getProof', [address, slots, at]),
    code: await rpc.call('eth_getCode', [address, at]),
  })))
}

/** The answers that the page has to give, by a proof that `@ethereumjs/mpt` has judged. */
function answersOf(proven, { code }, { root, hash }) {
  const { account, slots } = proven
  const { nonce, balance, codeHash, storageHash } = account ?? {}
  assert.equal(code !== '0x', hasCode(proven))
  const fields = account ? { exists: true, nonce, balance, codeHash, storageRoot: storageHash } : { exists: false, ...NOTHING }
  return { ...fields, values: slots, code, root, block: hash }
}

const NOTHING = {
  nonce: 0n,
  balance: 0n,
  codeHash: '0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470',
  storageRoot: '0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421',
}

/**
 * What every block changes, all contracts with slots that exist and slots that do not, and plain
 * accounts, two of them absent.
 */
function setOf(genesis) {
  const contracts = Object.keys(genesis).filter((address) => Object.keys(genesis[address].storage ?? {}).length > 0)
  const faucet = Object.keys(genesis).find((address) => BigInt(genesis[address].balance ?? 0) === FAUCET_BALANCE)
  const history = Array.from({ length: HISTORY_SLOTS }, (_, slot) => word(slot))
  const each = Math.floor((SET.slots - HISTORY_SLOTS) / contracts.length)
  const owners = contracts.map((address, at) => {
    const count = at === 0 ? SET.slots - HISTORY_SLOTS - each * (contracts.length - 1) : each
    const there = Object.keys(genesis[address].storage).slice(0, count - 3)
    return { address, slots: [...there, ...Array.from({ length: count - there.length }, (_, slot) => word(0xfeed + slot))] }
  })
  const nobody = Array.from({ length: ABSENT_ACCOUNTS }, (_, at) => `0x${(0xabcdef + at).toString(16).padStart(40, '0')}`)
  const special = [{ address: HISTORY, slots: history }, { address: FEES, slots: [] }, { address: faucet, slots: [] }]
  const plain = Object.keys(genesis).filter((address) => !genesis[address].code && address !== faucet)
  const others = plain.slice(0, SET.accounts - special.length - owners.length - nobody.length)
  return [...special, ...owners, ...[...others, ...nobody].map((address) => ({ address, slots: [] }))]
}

function word(number) {
  return `0x${number.toString(16).padStart(64, '0')}`
}
