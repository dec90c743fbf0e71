/**
 * What only Firefox can show: its own storage limit, and kills of all its processes. The step
 * `firefox` of `cargo xtask test` runs other files of this folder in Firefox besides.
 */

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { campaign } from '../../xtask/node/kills/campaign.mjs'
import { serve } from '../../xtask/node/serve.mjs'
import { fromSample, isSame, readBack } from '../../xtask/node/truth.mjs'
import { chain, setUp } from './lib/harness.mjs'

/** Kilobytes that all sites together may store: enough for the first batch of the state below. */
const TOO_LITTLE = { 'dom.quotaManager.temporaryStorage.fixedLimit': 6_000 }

/** No limit but the disk's. */
const ENOUGH = { 'dom.quotaManager.temporaryStorage.fixedLimit': -1 }

const profile = mkdtempSync(join(tmpdir(), 'snaplight-firefox-'))
const world = setUp({ profile, browser: 'firefox' })
after(() => rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 }))

test('a sync that meets Firefox’s limit rejects with QuotaError each time, and goes on to the true state where there is space', async () => {
  const peer = await world.peer('--realistic', '60000', '--chain')
  await world.killBrowser()
  await world.startBrowser({ preferences: TOO_LITTLE })
  const page = await world.page()
  // The first attempt after one that met the limit is the one in which Firefox lets a page only delete.
  const codes = await page.evaluate(async ({ url, root, network }) => {
    const db = await snaplight.open({ name: 'full', network })
    db.addPeer(url)
    const codes = []
    for (let at = 0; at < 4; at++) {
      const { code, classes } = await failure(() => db.sync(root))
      codes.push(code, ...classes)
    }
    await db.close()
    return codes
  }, chain(peer))
  assert.deepEqual(codes, Array(4).fill(['QUOTA', 'StoreError', 'QuotaError']).flat())
  assert.deepEqual(page.uncaught, [])

  await world.killBrowser()
  await world.startBrowser({ preferences: ENOUGH })
  const roomy = await world.page()
  const found = await roomy.evaluate(async ({ url, root, network }) => {
    window.events = listen()
    window.db = await snaplight.open({ name: 'full', network, onEvent: events.onEvent })
    db.addPeer(url)
    const { accounts, slots } = await db.sync(root)
    return { accounts, slots, damaged: events.heard.filter(({ type }) => type === 'damaged') }
  }, chain(peer))
  assert.deepEqual(found, { accounts: peer.accounts, slots: peer.slots, damaged: [] })
  const truth = fromSample((await peer.sample(500)).sample)
  assert.ok(isSame(truth, await readBack(roomy, truth), 'after the limit'))
  assert.deepEqual(roomy.uncaught, [])
})

test('a sync in Firefox that is killed twice while the root moves loses no committed batch and ends with the true state', async () => {
  const { problems, lives } = await campaign({
    backend: 'firefox', kills: 2, accounts: 8_000, seed: 7, throttle: 60_000, lives: [500, 1_800], blockMs: 3_000, share: 0.001, sample: 200,
  })
  assert.deepEqual(problems, [])
  assert.equal(lives.filter(({ killed }) => killed).length, 2)
})

test('where Firefox requires Trusted Types, the error of a worker says so', async (t) => {
  const policy = "require-trusted-types-for 'script'"
  const site = await serve({ files: { '/trusted.html': `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><meta http-equiv="Content-Security-Policy" content="${policy}">` } })
  t.after(() => site.close())
  const page = await world.open(`${site.origin}/trusted.html`)
  const refused = await page.evaluate(async () => {
    window.snaplight = await import('/pkg/worker.js')
    return failure(() => snaplight.openInWorker(undefined, { network: { id: 1, genesisHash: `0x${'11'.repeat(32)}` }, memory: true }))
  })
  assert.deepEqual([refused.name, refused.code], ['LoadError', 'LOAD_FAILED'])
  assert.match(refused.message, /worker-entry\.js.*Trusted Types.*policy of your own.*README/)
})
