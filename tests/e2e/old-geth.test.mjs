/**
 * A tab syncs by hash from go-ethereum 1.10.26 through the gateway: alone, beside a peer by snap,
 * and after that peer has left. What it then has is what the old node says.
 */

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { compare } from '../../xtask/node/by-hash/keys.mjs'
import { leftAlone, mixed, openAt, syncTo } from '../../xtask/node/by-hash/syncs.mjs'
import { startOldWorld } from '../../xtask/node/by-hash/world.mjs'
import { missingOldGeth } from '../../xtask/node/old-geth.mjs'
import { setUp } from './lib/harness.mjs'

/** A quarter of them are contracts. They have 16,000 slots. */
const STATE = ['--realistic', '4000']
/** Accounts and slots that are compared after each sync. */
const KEYS = 100

const skip = missingOldGeth()
const browser = setUp()
let world

before(async () => {
  if (!skip) world = await startOldWorld(STATE)
})
after(() => world?.stop())

/** The database has the whole state, nobody did anything wrong, and the node says the same. */
async function assertTrue(page, report) {
  const { root, accounts, slots, codes } = report
  assert.deepEqual({ root, accounts, slots, codes }, { root: world.node.block.root, ...world.counts })
  for (const { faults, lastFault } of report.peers) assert.deepEqual([faults, lastFault], [0, null])
  await compare(page, world, KEYS)
  assert.deepEqual(page.uncaught, [])
}

test('go-ethereum 1.10.26 is synced by hash alone, by its block’s hash', { skip }, async () => {
  const page = await browser.page()
  await openAt(page, 'old node alone', world.node, [{ url: world.node.url, by: 'hash' }])
  const report = await syncTo(page, { blockHash: world.node.block.hash })
  assert.equal(report.block.hash, world.node.block.hash)
  assert.equal(report.ranges.answers, 0)
  assert.ok(report.healing.nodes > world.counts.accounts)
  await assertTrue(page, report)
})

test('go-ethereum 1.10.26 by hash and a peer by snap serve one sync', { skip }, async () => {
  const page = await browser.page()
  const report = await mixed(page, 'old node and snap', world)
  assert.ok(report.ranges.answers > 0)
  assert.deepEqual(report.peers.map(({ by, state }) => [by, state]), [['hash', 'ready'], ['snap', 'ready']])
  await assertTrue(page, report)
})

test('go-ethereum 1.10.26 finishes by hash what a peer by snap began and left', { skip }, async () => {
  const page = await browser.page()
  const report = await leftAlone(page, 'old node after snap', world)
  assert.ok(report.ranges.answers > 0 && report.healing.nodes > 0)
  await assertTrue(page, report)
})
