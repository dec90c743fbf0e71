/**
 * A tab syncs from a real go-ethereum node through the gateway. Its answers are those of the node,
 * and it gets the announcement of the next block.
 */

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { missing, startGeth } from '../../xtask/node/geth.mjs'
import { proven, readBack } from '../../xtask/node/truth.mjs'
import { setUp } from './lib/harness.mjs'

const SCHEMES = ['path', 'hash']
const STATE = { accounts: 100_000, contracts: 500, huge: 20_000 }
/**
 * Blocks on top of the genesis state: they move balances, create contracts, write storage and clear
 * it.
 */
const BLOCKS = 3
/**
 * How many keys are compared with the node's own proofs: accounts, and slots of them, 1,000 in all.
 */
const KEYS = { plain: 250, contracts: 150, absent: 100, slots: 500 }
/**
 * The time limit of a sync. It ends before the test times out, because the error then has the
 * sync's progress.
 */
const GIVE_UP_AFTER_MS = 150_000

/** The gateway gets each block at once. go-ethereum announces only every 32nd to its peers. */
const ANNOUNCED_WITHIN_MS = 30_000

const skip = missing()
const world = setUp()
/** Both nodes start at the same time, because hashing their states takes most of it. */
let nodes = {}

before(() => {
  if (skip) return
  nodes = Object.fromEntries(SCHEMES.map((scheme) => [scheme, startGeth({ ...STATE, scheme })]))
  // The test that awaits a node gets its error. The other node's error must not end the process.
  for (const node of Object.values(nodes)) node.catch(() => {})
})
after(() => Promise.all(Object.values(nodes).map((node) => node.then(({ stop }) => stop(), () => {}))))

for (const scheme of SCHEMES) {
  test(`a real node with ${scheme} scheme is synced by a block's hash, 1,000 keys and their codes are as it proves them, its next block is announced, and a block that is asked for too early is synced`, { skip }, async () => {
    const node = await nodes[scheme]
    let block
    for (let at = 0; at < BLOCKS; at++) block = await node.makeBlock()
    const page = await world.page()
    const report = await syncedTo(page, `geth ${scheme}`, node, block)
    assert.deepEqual(
      { root: report.root, block: { ...report.block } },
      { root: block.root, block: { hash: block.hash, number: block.number, timestamp: block.time } },
    )
    assert.ok(report.accounts > STATE.accounts + STATE.contracts && report.slots > STATE.huge, `${report.accounts} accounts, ${report.slots} slots`)

    const touched = await touchedBy(node, BLOCKS)
    const questions = keysOf(node.genesis, touched)
    const truth = await Promise.all(questions.map(({ address, slots }) => proven(node.rpc, address, slots, block)))
    assertMixed(truth)
    const found = await readBack(page, truth)
    assert.deepEqual(found, truth.map((account) => ({ ...account, root: block.root })))

    const owners = ownersOfCodes(truth)
    const codes = await readCodes(page, owners)
    const number = `0x${block.number.toString(16)}`
    for (const [at, { address, codeHash }] of owners.entries()) {
      const code = await node.rpc.call('eth_getCode', [address, number])
      assert.ok(code.length > 2, `${address} has a code at the node`)
      assert.equal(codes[at], code, `code ${codeHash} of ${address}`)
    }

    const next = await node.makeBlock()
    await page.waitForFunction((hash) => db.peers[0].stats.head?.hash === hash, next.hash, { timeout: ANNOUNCED_WITHIN_MS })

    // A light client knows a block before its node has it.
    const early = await node.makeBlock()
    const { url, giveBack } = await node.withhold(early)
    await asksTooEarly(page, url, early)
    await giveBack()
    const { root, block: named } = await page.evaluate(() => early)
    assert.deepEqual([root, named.hash], [early.root, early.hash])
    assert.deepEqual(page.uncaught, [])
  })
}

async function syncedTo(page, name, { url, networkId, genesisHash }, { hash }) {
  return page.evaluate(
    async ({ name, url, network, blockHash, ms }) => {
      window.db = await snaplight.open({ name, network })
      db.addPeer(url)
      try {
        return await db.sync({ blockHash }, { signal: AbortSignal.timeout(ms) })
      } catch (error) {
        throw new Error(`${error.message}; it stood at ${JSON.stringify(db.progress())}`, { cause: error })
      }
    },
    { name, url, network: { id: networkId, genesisHash }, blockHash: hash, ms: GIVE_UP_AFTER_MS },
  )
}

/**
 * Begins a sync to a block as `window.early`, and returns when its only peer has refused it.
 */
function asksTooEarly(page, url, { hash }) {
  return page.evaluate(async ({ url, hash, ms }) => {
    for (const peer of db.peers) peer.close()
    db.addPeer(url)
    window.early = db.sync({ blockHash: hash }, { signal: AbortSignal.timeout(ms) })
    for await (const { waitingFor } of early) if (waitingFor === 'block') break
  }, { url, hash, ms: GIVE_UP_AFTER_MS })
}

/** The accounts that sent, received or were created in the node's first blocks. */
async function touchedBy({ rpc }, blocks) {
  const addresses = new Set()
  for (let number = 1; number <= blocks; number++) {
    const receipts = await rpc.call('eth_getBlockReceipts', [`0x${number.toString(16)}`])
    for (const { from, to, contractAddress } of receipts) for (const address of [from, to, contractAddress]) if (address) addresses.add(address)
  }
  return [...addresses]
}

/**
 * Chooses the accounts and slots to ask for: those that blocks have touched, then some evenly over
 * the rest, and some that do not exist.
 */
function keysOf(genesis, touched) {
  const contracts = Object.keys(genesis).filter((address) => Object.keys(genesis[address].storage ?? {}).length > 0)
  const plain = Object.keys(genesis).filter((address) => !genesis[address].code)
  const huge = contracts.find((address) => Object.keys(genesis[address].storage).length === STATE.huge)
  const written = touched.filter((address) => contracts.includes(address))
  const owners = distinct([huge, ...written, ...spread(contracts, KEYS.contracts)]).slice(0, KEYS.contracts)
  const others = distinct([...touched, ...spread(plain, KEYS.plain)].filter((address) => !owners.includes(address))).slice(0, KEYS.plain)
  const nobody = Array.from({ length: KEYS.absent }, (_, at) => `0x${(0xabcdef + at * 7919).toString(16).padStart(40, '0')}`)
  // Of each contract one slot that exists and one that does not. The rest are of the huge one, and
  // a third of them do not exist.
  const left = KEYS.slots - 2 * (owners.length - 1)
  const slotsOf = (address, count, absent) => [...spread(Object.keys(genesis[address].storage), count - absent), ...Array.from({ length: absent }, (_, at) => word(0xfeed + at))]
  return [
    { address: huge, slots: slotsOf(huge, left, Math.floor(left / 3)) },
    ...owners.slice(1).map((address) => ({ address, slots: slotsOf(address, 2, 1) })),
    ...[...others, ...nobody].map((address) => ({ address, slots: [] })),
  ]
}

/** Checks that the keys are the mix that the test is meant to compare. */
function assertMixed(truth) {
  const slots = truth.flatMap((account) => account.slots)
  const count = (list, wanted) => list.filter(wanted).length
  assert.equal(truth.length + slots.length, 1_000)
  assert.ok(count(truth, ({ account }) => !account) >= KEYS.absent)
  assert.ok(count(truth, ({ account }) => account) >= KEYS.plain)
  assert.ok(count(slots, ({ value }) => value !== 0n) >= 250 && count(slots, ({ value }) => value === 0n) >= 150)
}

/** One owner for each code. */
function ownersOfCodes(truth) {
  const owners = new Map()
  for (const { address, account, slots } of truth) if (slots.length > 0 && account) owners.set(account.codeHash, address)
  assert.ok(owners.size > 50, `${owners.size} different codes`)
  return [...owners].map(([codeHash, address]) => ({ codeHash, address }))
}

function readCodes(page, owners) {
  return page.evaluate((hashes) => Promise.all(hashes.map(async (hash) => {
    const { code } = await db.getCode(hash)
    return '0x' + Array.from(code, (byte) => byte.toString(16).padStart(2, '0')).join('')
  })), owners.map(({ codeHash }) => codeHash))
}

function distinct(list) {
  return [...new Set(list)]
}

/** `count` elements of a list, evenly over it. */
function spread(list, count) {
  return Array.from({ length: Math.min(count, list.length) }, (_, at) => list[Math.floor((at * list.length) / Math.min(count, list.length))])
}

function word(value) {
  return `0x${value.toString(16).padStart(64, '0')}`
}
