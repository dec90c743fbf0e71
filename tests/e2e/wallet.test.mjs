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
import { setUp } from './lib/harness.mjs'
import { STATE, asked, assertIsTruth, changesOf, readSet, setOf } from './lib/wallet.mjs'

const BLOCKS = Number(process.env.SNAPLIGHT_BLOCKS ?? 8)
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
      await assertIsTruth(found, truth, set, block, way)
      if (last) changes += changesOf(truth, last)
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
async function follow(page, target, set) {
  await page.evaluate(async ({ target, ms }) => {
    try {
      await db.sync(target, { signal: AbortSignal.timeout(ms) })
    } catch (error) {
      throw new Error(`${error.message}; it stood at ${JSON.stringify(db.progress())}`, { cause: error })
    }
    await tracked
  }, { target, ms: GIVE_UP_AFTER_MS })
  return readSet(page, set)
}
