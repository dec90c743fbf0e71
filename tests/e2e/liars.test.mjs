/**
 * Every peer that lies, stalls or breaks the protocol is found, and the sync completes from an
 * honest peer.
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

/** Wrong answers and broken rules, which are reported as the peer's fault. */
const FAULTS = [
  'drop-first-proof', 'drop-last-proof', 'drop-item', 'swap-values', 'unsorted', 'modify-value@accounts',
  'modify-value@storage', 'modify-value@codes', 'replay', 'twice', 'unasked', 'wrong-id', 'wrong-code', 'more@accounts',
  'more@storage', 'more@codes', 'truncated', 'garbage', 'oversized', 'text', 'no-proof', 'huge-proof', 'many-proof-nodes',
  'codes-as-hashes', 'wrong-network', 'wrong-genesis', 'no-snap',
]

/** Faults that only a deadline shows. Their tests run at the same time. */
const SILENCES = ['silent', 'silent@storage', 'silent@codes', 'no-hello', 'no-status']

/** The peer ends the connection, which is no fault. */
const LEAVING = ['cut', 'cut@storage+1', 'too-many-peers']

/** Unusual, but within the rules. A sync must complete from one such peer alone. */
const ODD = ['slow=20', 'capped=2000', 'always-prove', 'shuffled-proof', 'one-code']

/** No fault, but no state either. The rest comes from the other peer. */
const LACKING = ['empty', 'stale-root+3']

/**
 * Syncs from the bad peer alone until it has an effect, then adds the honest one.
 *
 * @returns {Promise<{report: object, stats: object, closed: object | undefined}>}
 */
async function syncWith(vice) {
  const liar = await world.peer('--genesis', file, '--vice', vice)
  const page = await world.page()
  const result = await page.evaluate(
    async ({ name, liar, honest, root, network }) => {
      const db = await snaplight.open({ name, network, memory: true })
      const bad = db.addPeer(liar, { name: 'the liar', reconnect: false })
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

describe('a fault is reported of a peer with the vice', () => {
  for (const vice of FAULTS) {
    test(vice, async () => {
      const { stats, closed } = await syncWith(vice)
      assert.ok(stats.faults > 0 || closed?.by === 'fault', JSON.stringify({ stats, closed }))
      assert.ok((stats.lastFault ?? closed?.reason)?.length > 5, 'the fault has a text')
    })
  }
})

describe('a deadline ends the wait for a peer with the vice', { concurrency: SILENCES.length }, () => {
  for (const vice of SILENCES) test(vice, () => syncWith(vice))
})

describe('when a peer leaves, another one is asked at once:', () => {
  for (const vice of LEAVING) {
    test(vice, async () => {
      const { closed } = await syncWith(vice)
      assert.equal(closed?.by, 'peer', JSON.stringify(closed))
      if (vice === 'too-many-peers') assert.deepEqual([closed.code, closed.disconnect], [4004, 4])
    })
  }
})

describe('no fault is reported of a peer without the state:', () => {
  for (const vice of LACKING) {
    test(vice, async () => {
      const { stats } = await syncWith(vice)
      assert.equal(stats.faults, 0, stats.lastFault)
    })
  }
})

describe('a sync completes from one unusual peer alone:', () => {
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

test('a sync completes from one honest peer beside all kinds of liars', async () => {
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
