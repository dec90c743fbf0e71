/** Sessions end in many ways: cancelled, reloaded, closed, killed. What is stored stays. */

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { GENESIS } from '../../xtask/node/peers.mjs'
import { chain, load, setUp, syncedPage } from './lib/harness.mjs'

/** The state of a sync that is interrupted. */
const STATE = ['--accounts', '60000']
/** A peer so slow that the sync is still under way when its first batch is stored. */
const SLOW = [...STATE, '--throttle', '100000']
const RICH = '0x5abfec25f74cd88437631a7731906932776356f9'

const profile = mkdtempSync(join(tmpdir(), 'snaplight-sessions-'))
const world = setUp({ profile })
after(() => rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 }))

/**
 * Begins a sync as `window.db` and `window.running`, and returns when something of it is stored.
 */
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

/**
 * Syncs what is left of `name` and answers the report, and the bytes that this session received: the
 * report's are of all sessions.
 */
async function finish(page, name, peer) {
  const report = await syncedPage(page, name, peer)
  const sessionBytes = await page.evaluate(() => db.peers.reduce((sum, { stats }) => sum + stats.bytes, 0))
  await page.evaluate(() => db.close())
  return { ...report, sessionBytes }
}

test('an AbortSignal cancels; the next sync goes on from what is stored', async () => {
  const peer = await world.peer(...STATE)
  const page = await world.page()
  await begin(page, 'cancelled', await world.peer(...SLOW))
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
  assert.ok(report.sessionBytes < whole.received.bytes, `${report.sessionBytes} bytes again, of ${whole.received.bytes}`)
  assert.ok(report.received.bytes > report.sessionBytes, 'the report counts both sessions')
  assert.equal(report.received.accounts + report.received.slots + report.reused, report.accounts + report.slots)
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
  const peer = await world.peer(...STATE)
  const page = await world.page()
  await begin(page, 'reloaded', await world.peer(...SLOW))
  await page.reload()
  await load(page)
  const report = await finish(page, 'reloaded', peer)
  assert.equal(report.accounts, peer.accounts)
})

test('killing the browser in the middle of a sync leaves a database that opens and can be finished', async () => {
  const peer = await world.peer(...STATE)
  await begin(await world.page(), 'killed', await world.peer(...SLOW))
  await world.killBrowser()
  await world.startBrowser()
  const page = await world.page()
  const report = await finish(page, 'killed', peer)
  assert.equal(report.accounts, peer.accounts)
})

test('the log is rewritten at the opening after a browser was killed, and not after a normal end', async () => {
  const peer = await world.peer('--accounts', '20000')
  await syncedPage(await world.page(), 'unclean', peer)
  await world.killBrowser()
  await world.startBrowser()
  const { network } = chain(peer)
  const found = await (await world.page()).evaluate(async (network) => {
    const events = listen()
    const recovered = events.next('recovered')
    const db = await snaplight.open({ name: 'unclean', network, onEvent: events.onEvent })
    await recovered
    const { accounts } = db.complete
    await db.close()
    return accounts
  }, network)
  assert.equal(found, peer.accounts)
  // Without the rewrite, LevelDB would have deleted everything at the second opening after the
  // kill.
  await world.killBrowser()
  await world.startBrowser()
  const after = await (await world.page()).evaluate(async (network) => {
    const { onEvent, heard } = listen()
    const db = await snaplight.open({ name: 'unclean', network, onEvent })
    const { accounts } = db.complete
    const account = await failure(() => db.getAccount('0x' + '12'.repeat(20)))
    const raw = await new Promise((resolve) => (indexedDB.open('unclean').onsuccess = ({ target }) => resolve(target.result)))
    const keys = await new Promise((resolve) => {
      raw.transaction('meta').objectStore('meta').getAllKeys().onsuccess = ({ target }) => resolve(target.result)
    })
    raw.close()
    await db.close()
    return { accounts, account: account.code, heard, scratch: keys.filter((key) => typeof key === 'number') }
  }, network)
  assert.deepEqual(after, { accounts: peer.accounts, account: 'NO ERROR', heard: [], scratch: [] })
})

test('a database that was deleted is empty when it is opened again', async () => {
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

test('a database that was closed can be deleted at once, each time', async () => {
  const peer = await world.peer('--accounts', '100')
  const page = await world.page()
  const failures = await page.evaluate(async ({ url, root, network }) => {
    const failures = []
    for (let at = 0; at < 20; at++) {
      const db = await snaplight.open({ name: 'short', network })
      db.addPeer(url)
      await db.sync(root)
      await db.close()
      await snaplight.deleteDatabase('short').catch((error) => failures.push(`${at}: ${error.message}`))
    }
    return failures
  }, chain(peer))
  assert.deepEqual(failures, [])
})
