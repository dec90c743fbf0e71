/**
 * Peers that lie, stall or break the protocol: each is caught, and the sync completes from an
 * honest one all the same.
 */

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { chain, setUp } from './lib/harness.mjs'
import { countsOf, mixedState, stateFile } from './lib/states.mjs'

const world = setUp({ sideBySide: true })
const state = mixedState(2_000, 'liars')
const { file, remove } = stateFile(state)
after(remove)
let honest
before(async () => {
  honest = await world.peer('--genesis', file)
})

/** Wrong answers and broken rules: the peer is struck for it. */
const FAULTS = [
  'drop-first-proof', 'drop-last-proof', 'drop-item', 'swap-values', 'unsorted', 'modify-value@accounts',
  'modify-value@storage', 'modify-value@codes', 'replay', 'twice', 'unasked', 'wrong-id', 'wrong-code', 'more@accounts',
  'more@storage', 'more@codes', 'truncated', 'garbage', 'oversized', 'text', 'no-proof', 'huge-proof', 'many-proof-nodes',
  'codes-as-hashes', 'wrong-network', 'wrong-genesis', 'no-snap',
]

/** Faults that only time can show. They wait side by side. */
const SILENCES = ['silent', 'silent@storage', 'silent@codes', 'no-hello', 'no-status']

/** The connection ends, which is nobody's fault. */
const LEAVING = ['cut', 'cut@storage+1', 'too-many-peers']

/** Unusual, but within the rules: one such peer alone must be enough. */
const ODD = ['slow=20', 'capped=2000', 'always-prove', 'shuffled-proof', 'one-code']

/** Nothing wrong, but no state either: the rest comes from the other peer. */
const LACKING = ['empty', 'stale-root+3']

/**
 * Syncs with the bad peer alone until something shows, then adds the honest one.
 *
 * @returns {Promise<{report: object, stats: object, closed: object | undefined}>}
 */
async function syncWith(vice) {
  const liar = await world.peer('--genesis', file, '--vice', vice)
  const page = await world.page()
  const result = await page.evaluate(
    async ({ name, liar, honest, root, network }) => {
      const db = await snaplight.open({ name, network, memory: true })
      const bad = db.addPeer(liar, { name: 'the liar' })
      let closed
      bad.closed.then((end) => (closed = end))
      const sync = db.sync(root)
      const shown = () => closed || bad.stats.faults > 0 || db.progress().waiting
      while (!shown() && db.progress().phase !== 'done') await new Promise((resolve) => setTimeout(resolve, 5))
      db.addPeer(honest, { name: 'the honest one' })
      const report = await sync
      const { stats } = bad
      const nobody = await db.getAccount('0x' + '12'.repeat(20))
      await db.close()
      return { report, stats, closed, exists: nobody.exists }
    },
    { name: vice, liar: liar.url, honest: honest.url, ...chain(honest) },
  )
  assert.deepEqual(page.uncaught, [])
  await Promise.all([page.close(), liar.stop()])
  const { root, accounts, slots, codes } = result.report
  assert.equal(root, honest.root)
  assert.deepEqual({ accounts, slots, codes }, countsOf(state))
  return result
}

describe('a peer is struck for', () => {
  for (const vice of FAULTS) {
    test(vice, async () => {
      const { stats, closed } = await syncWith(vice)
      assert.ok(stats.faults > 0 || closed?.by === 'fault', JSON.stringify({ stats, closed }))
      assert.ok((stats.lastFault ?? closed?.reason)?.length > 5, 'the fault is named in words')
    })
  }
})

describe('a deadline ends the wait for', { concurrency: SILENCES.length }, () => {
  for (const vice of SILENCES) test(vice, () => syncWith(vice))
})

describe('a peer that leaves is missed no longer than it takes to ask another:', () => {
  for (const vice of LEAVING) {
    test(vice, async () => {
      const { closed } = await syncWith(vice)
      assert.equal(closed?.by, 'peer', JSON.stringify(closed))
    })
  }
})

describe('a peer without the state is no liar:', () => {
  for (const vice of LACKING) {
    test(vice, async () => {
      const { stats } = await syncWith(vice)
      assert.equal(stats.faults, 0, stats.lastFault)
    })
  }
})

describe('an odd peer alone is enough:', () => {
  for (const vice of ODD) {
    test(vice, async () => {
      const peer = await world.peer('--genesis', file, '--vice', vice)
      const page = await world.page()
      const { report, faults } = await page.evaluate(async ({ url, root, network }) => {
        const db = await snaplight.open({ name: 'odd', network, memory: true })
        const peer = db.addPeer(url)
        const report = await db.sync(root)
        const { faults, lastFault } = peer.stats
        await db.close()
        return { report, faults: faults === 0 ? 'none' : lastFault }
      }, chain(peer))
      assert.equal(faults, 'none')
      const { accounts, slots, codes } = report
      assert.deepEqual({ accounts, slots, codes }, countsOf(state))
      await Promise.all([page.close(), peer.stop()])
    })
  }
})

test('all kinds of liars at once, beside one honest peer', async () => {
  const liars = await Promise.all(
    ['drop-item', 'modify-value', 'garbage', 'cut', 'unsorted', 'no-proof'].map((vice) => world.peer('--genesis', file, '--vice', vice)),
  )
  const page = await world.page()
  const report = await page.evaluate(async ({ urls, root, network }) => {
    const db = await snaplight.open({ name: 'a bad neighbourhood', network })
    for (const url of urls) db.addPeer(url)
    const report = await db.sync(root)
    await db.close()
    return report
  }, { ...chain(honest), urls: [...liars, honest].map(({ url }) => url) })
  const { accounts, slots, codes } = report
  assert.deepEqual({ accounts, slots, codes }, countsOf(state))
})
