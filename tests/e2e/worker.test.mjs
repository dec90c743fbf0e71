/** The same interface with all the work in a worker. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GENESIS } from '../../xtask/node/peers.mjs'
import { chain, setUp } from './lib/harness.mjs'

const world = setUp()

test('a sync in a worker reports progress, reads back, and leaves the page its thread', async () => {
  const peer = await world.peer('--accounts', '60000')
  const page = await world.page()
  const { report, phases, absent, complete } = await page.evaluate(async ({ url, root, network }) => {
    const { openInWorker } = await import('snaplight/worker')
    const db = await openInWorker(undefined, { name: 'in a worker', network })
    db.addPeer(url)
    const sync = db.sync(root)
    const phases = []
    for await (const { phase, keySpace } of sync) phases.push([phase, keySpace.length])
    const report = await sync
    const absent = await db.getAccount('0x' + '12'.repeat(20))
    const { complete } = db
    await db.close()
    return { report, phases, absent: absent.exists, complete }
  }, chain(peer))
  assert.equal(report.accounts, peer.accounts)
  assert.equal(complete.root, peer.root)
  assert.equal(absent, false)
  assert.ok(phases.length > 0 && phases.every(([phase, cells]) => typeof phase === 'string' && cells === 256))
  assert.deepEqual(page.uncaught, [])
})

test('errors keep their class and code on the way out of the worker', async () => {
  const peer = await world.peer('--genesis', GENESIS)
  const page = await world.page()
  const errors = await page.evaluate(async ({ url, root, network }) => {
    const { openInWorker } = await import('snaplight/worker')
    const db = await openInWorker(undefined, { name: 'errors of a worker', network })
    const locked = await failure(() => snaplight.open({ name: 'errors of a worker', network, role: 'writer' }))
    const badRoot = await failure(() => db.sync('0x12'))
    const noState = await failure(() => db.getAccount('0x' + '12'.repeat(20)))
    const object = await failure(() => db.addPeer(new WebSocket(url, 'devp2p.1')))
    const signal = new AbortController()
    const running = db.sync(root, { signal: signal.signal })
    signal.abort('enough')
    const cancelled = await failure(() => running)
    await db.close()
    const closed = await failure(() => db.sync(root))
    return { locked, badRoot, noState, object, cancelled, closed }
  }, chain(peer))
  const codes = Object.fromEntries(Object.entries(errors).map(([call, { code }]) => [call, code]))
  assert.deepEqual(codes, {
    locked: 'LOCKED',
    badRoot: 'BAD_ARGUMENT',
    noState: 'NO_STATE',
    object: 'BAD_ARGUMENT',
    cancelled: 'CANCELLED',
    closed: 'CLOSED',
  })
  for (const [call, error] of Object.entries(errors)) assert.ok(error.isError && error.isSnaplight, call)
  assert.equal(errors.cancelled.cause, 'enough')
})

test('ending the worker releases the database', async () => {
  const peer = await world.peer('--genesis', GENESIS)
  const page = await world.page()
  const report = await page.evaluate(async ({ url, root, network }) => {
    const { openInWorker } = await import('snaplight/worker')
    const first = await openInWorker(undefined, { name: 'released', network })
    await first.close()
    const second = await snaplight.open({ name: 'released', network })
    second.addPeer(url)
    const report = await second.sync(root)
    await second.close()
    return report
  }, chain(peer))
  assert.equal(report.accounts, 8893)
})

test('a peer that restarts is the same peer for a page whose database is in a worker', async () => {
  const options = ['--accounts', '2000']
  const first = await world.peer(...options)
  const page = await world.page()
  await page.evaluate(async ({ url, network, root }) => {
    const { openInWorker } = await import('snaplight/worker')
    window.events = listen()
    window.db = await openInWorker(undefined, { name: 'restarted', network, memory: true, onEvent: events.onEvent })
    window.peer = db.addPeer(url)
    await db.sync(root)
    window.left = events.next('peer')
  }, chain(first))
  await first.stop()
  const lost = await page.evaluate(() => left.then(({ state, closed }) => ({ state, ...closed })))
  assert.deepEqual(lost, { state: 'waiting', by: 'peer', code: 4008, reason: 'the peer shuts down', disconnect: 8 })
  await world.peer(...options, '--listen', new URL(first.url).host)
  const states = await page.evaluate(async () => {
    // The worker is told by its page that it is worth a try now.
    window.dispatchEvent(new Event('online'))
    while (peer.state !== 'ready') await events.next('peer')
    const states = events.heard.filter(({ type }) => type === 'peer').map(({ state }) => state)
    await db.close()
    return states
  })
  assert.deepEqual([states[0], states[1], states.at(-1)], ['ready', 'waiting', 'ready'])
  assert.deepEqual(page.uncaught, [])
})
