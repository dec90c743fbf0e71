/**
 * A full disk is a typed error. Nothing is lost, and the sync goes on when there is space again.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chain, setUp } from './lib/harness.mjs'

const world = setUp()

/** Quota in bytes: enough for a part of the state below, but not for all of it. */
const TOO_LITTLE = 3_000_000

test('a sync that meets the quota rejects with QuotaError, keeps what it has, and goes on after space is made', async () => {
  const peer = await world.peer('--accounts', '200000')
  const page = await world.page()
  const devtools = await world.context.newCDPSession(page)
  const quota = (quotaSize) => devtools.send('Storage.overrideQuotaForOrigin', { origin: world.origin, quotaSize })

  await quota(TOO_LITTLE)
  const { error, accounts } = await page.evaluate(async ({ url, root, network }) => {
    window.db = await snaplight.open({ name: 'full', network })
    db.addPeer(url)
    const error = await failure(() => db.sync(root))
    return { error, accounts: db.progress().accounts }
  }, chain(peer))
  assert.equal(error.code, 'QUOTA')
  assert.deepEqual(error.classes, ['StoreError', 'QuotaError'])
  assert.ok(accounts < peer.accounts)

  // A second attempt without more space has the same error and breaks nothing.
  const again = await page.evaluate(({ root }) => failure(() => db.sync(root)), chain(peer))
  assert.equal(again.code, 'QUOTA')

  await quota(undefined)
  const report = await page.evaluate(({ root }) => db.sync(root), chain(peer))
  assert.equal(report.root, peer.root)
  assert.equal(report.accounts, peer.accounts)

  const stored = await page.evaluate(async ({ network }) => {
    await db.close()
    const again = await snaplight.open({ name: 'full', network })
    const { complete } = again
    await again.close()
    return complete
  }, chain(peer))
  assert.equal(stored.accounts, peer.accounts)
  assert.deepEqual(page.uncaught, [])
})

test('a batch that the browser calls aborted and that is there all the same counts as stored, as at Firefox’s limit', async () => {
  const peer = await world.peer('--accounts', '100000')
  const page = await world.page()
  const { called, report, again } = await page.evaluate(async ({ url, root, network }) => {
    window.called = 0
    // Tells of every second batch's end what Firefox tells of some: an abort, for want of space.
    const { set } = Object.getOwnPropertyDescriptor(IDBTransaction.prototype, 'oncomplete')
    Object.defineProperty(IDBTransaction.prototype, 'oncomplete', {
      set(complete) {
        const isBatch = this.mode === 'readwrite' && this.objectStoreNames.contains('pages')
        set.call(this, isBatch && called++ % 2 === 0 ? () => this.onabort({ target: { error: new DOMException('', 'QuotaExceededError'), db: this.db } }) : complete)
      },
    })
    const db = await snaplight.open({ name: 'called aborted', network })
    db.addPeer(url)
    const report = await db.sync(root)
    await db.close()
    const reopened = await snaplight.open({ name: 'called aborted', network })
    const again = reopened.complete
    const { exists } = await reopened.getAccount(`0x${'12'.repeat(20)}`)
    await reopened.close()
    return { called, report, again: { root: again.root, accounts: again.accounts, exists } }
  }, chain(peer))
  assert.ok(called >= 2, `${called} batches`)
  assert.equal(report.accounts, peer.accounts)
  assert.deepEqual(again, { root: peer.root, accounts: peer.accounts, exists: false })
  assert.deepEqual(page.uncaught, [])
})
