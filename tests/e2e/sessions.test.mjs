/** Sessions end in many ways: cancelled, reloaded, closed, killed. What is stored stays, and another tab has to wait. */

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { GENESIS } from '../../xtask/node/peers.mjs'
import { chain, load, setUp, syncedPage } from './lib/harness.mjs'

/** Enough that a sync is certainly still under way when a first batch is stored. */
const MANY = '300000'
const RICH = '0x5abfec25f74cd88437631a7731906932776356f9'

const profile = mkdtempSync(join(tmpdir(), 'snaplight-sessions-'))
const world = setUp({ profile })
after(() => rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 }))

/** Begins a sync as `window.db` and `window.running`, and returns when something of it is stored. */
async function begin(page, name, peer) {
  await page.evaluate(
    async ({ name, url, root, network }) => {
      window.db = await snaplight.open({ name, network })
      db.addPeer(url)
      window.stop = new AbortController()
      window.running = db.sync(root, { signal: stop.signal })
      for await (const progress of running) if (progress.pagesStored > 0) break
    },
    { name, ...chain(peer) },
  )
}

/** Syncs what is left of `name` and answers the report. */
async function finish(page, name, peer) {
  const report = await syncedPage(page, name, peer)
  await page.evaluate(() => db.close())
  return report
}

test('an AbortSignal cancels; the next sync goes on from what is stored', async () => {
  const peer = await world.peer('--accounts', MANY)
  const page = await world.page()
  await begin(page, 'cancelled', peer)
  const error = await page.evaluate(async () => {
    stop.abort('the user had enough')
    const error = await failure(() => running)
    await db.close()
    return error
  })
  assert.equal(error.code, 'CANCELLED')
  assert.deepEqual(error.classes, ['CancelledError'])
  assert.equal(error.cause, 'the user had enough')

  const report = await finish(page, 'cancelled', peer)
  assert.equal(report.accounts, peer.accounts)
  const whole = await syncedPage(await world.page(), 'cancelled, from nothing', peer)
  assert.ok(report.bytesReceived < whole.bytesReceived, `${report.bytesReceived} bytes again, of ${whole.bytesReceived}`)
})

test('a signal that is aborted already never starts a sync', async () => {
  const peer = await world.peer('--genesis', GENESIS)
  const page = await world.page()
  const { error, complete } = await page.evaluate(async ({ url, root, network }) => {
    const db = await snaplight.open({ name: 'aborted before', network })
    db.addPeer(url)
    const error = await failure(() => db.sync(root, { signal: AbortSignal.abort() }))
    const { complete } = db
    await db.close()
    return { error, complete }
  }, chain(peer))
  assert.equal(error.code, 'CANCELLED')
  assert.equal(complete, null)
})

test('after a reload everything reads back offline, with no peer and no network', async () => {
  const peer = await world.peer('--genesis', GENESIS)
  const page = await world.page()
  await syncedPage(page, 'offline', peer)
  await page.reload()
  await load(page)
  const { network } = chain(peer)
  // The module is loaded by `open`; from then on nothing may touch the network.
  await page.evaluate(async (network) => {
    window.db = await snaplight.open({ name: 'offline', network })
  }, network)
  await world.context.setOffline(true)
  const { complete, balance, root } = await page.evaluate(async (address) => {
    const { balance, root } = await db.getAccount(address)
    const { complete } = db
    await db.close()
    return { complete, balance, root }
  }, RICH)
  await world.context.setOffline(false)
  assert.equal(complete.accounts, 8893)
  assert.equal(balance, 11901484239480000000000000n)
  assert.equal(root, peer.root)
})

test('a reload in the middle of a sync loses only what was not stored yet', async () => {
  const peer = await world.peer('--accounts', MANY)
  const page = await world.page()
  await begin(page, 'reloaded', peer)
  await page.reload()
  await load(page)
  const report = await finish(page, 'reloaded', peer)
  assert.equal(report.accounts, peer.accounts)
})

test('killing the browser in the middle of a sync leaves a database that opens and is finished', async () => {
  const peer = await world.peer('--accounts', MANY)
  await begin(await world.page(), 'killed', peer)
  await world.killBrowser()
  await world.startBrowser()
  const page = await world.page()
  const report = await finish(page, 'killed', peer)
  assert.equal(report.accounts, peer.accounts)
})

test('a second tab gets a LockedError, and the database once the first is closed', async () => {
  const peer = await world.peer('--genesis', GENESIS)
  const [first, second] = [await world.page(), await world.page()]
  const open = ({ network }) => failure(async () => {
    window.db = await snaplight.open({ name: 'locked', network })
  })
  assert.equal((await first.evaluate(open, chain(peer))).code, 'NO ERROR')
  const refused = await second.evaluate(open, chain(peer))
  assert.equal(refused.code, 'LOCKED')
  assert.deepEqual(refused.classes, ['LockedError'])
  const remove = await second.evaluate(() => failure(() => snaplight.deleteDatabase('locked')))
  assert.equal(remove.code, 'LOCKED')

  await first.evaluate(() => db.close())
  assert.equal((await second.evaluate(open, chain(peer))).code, 'NO ERROR')
  // A tab that goes away without a word releases it too, once the browser has noticed: so wait in line for it.
  await second.close()
  await first.evaluate(() => navigator.locks.request('snaplight:writer:locked', () => {}))
  assert.equal((await first.evaluate(open, chain(peer))).code, 'NO ERROR')
  await first.evaluate(() => db.close())
})

test('deleting a database really empties it', async () => {
  const peer = await world.peer('--genesis', GENESIS)
  const page = await world.page()
  await syncedPage(page, 'deleted', peer)
  const { before, after } = await page.evaluate(async (network) => {
    const before = db.complete
    await db.close()
    await snaplight.deleteDatabase('deleted')
    window.db = await snaplight.open({ name: 'deleted', network })
    const after = db.complete
    await db.close()
    return { before, after }
  }, chain(peer).network)
  assert.equal(before.accounts, 8893)
  assert.equal(after, null)
})
