// One end of a port is gone: the thread of the worker, or that of the page. In Node the port says
// so, and from Node 24 on a Web Lock does too.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MessageChannel, Worker } from 'node:worker_threads'
import { Ending, holdLock } from '../lib/ends.js'
import { openInWorker, serve } from '../worker.js'
import { NETWORK, SOME_ADDRESS, SOME_ROOT } from './support/database.mjs'

const program = (name) => new URL(`./programs/${name}.mjs`, import.meta.url)

test('when its worker is terminated in the middle of a sync, everything of a database rejects, and close() resolves', async () => {
  const worker = new Worker(program('serving'))
  const db = await openInWorker(worker, { network: NETWORK, memory: true, hold: 'set' })
  const peer = db.addPeer({ request: () => new Promise(() => {}) })
  const gone = { name: 'CrashError', code: 'CRASHED', message: /worker .* is gone.*open the database again/ }
  // Tracked first: a set of nothing is complete at once.
  const ends = [db.track([SOME_ADDRESS]), db.sync(SOME_ROOT)].map((end) => Promise.resolve(end).catch((error) => error))
  const watch = (async () => {
    for await (const _ of db.watch(SOME_ADDRESS)) assert.fail('nothing is known')
  })()
  const watched = assert.rejects(watch, gone)
  await worker.terminate()
  for (const error of await Promise.all(ends)) assert.deepEqual([error.name, error.code], ['CrashError', 'CRASHED'])
  await watched
  assert.equal((await peer.closed).by, 'fault')
  await assert.rejects(db.getAccount(SOME_ADDRESS), gone)
  assert.throws(() => db.sync(SOME_ROOT), gone)
  await db.close()
})

test('a worker that ends before it has answered is a LoadError', async () => {
  const worker = new Worker('setTimeout(() => {}, 1e6)', { eval: true })
  const opening = assert.rejects(openInWorker(worker, { network: NETWORK, memory: true }), { name: 'LoadError', message: /ended before it answered/ })
  await worker.terminate()
  await opening
})

test('when its page is gone, a worker closes the database of that page', async (t) => {
  const { port1, port2 } = new MessageChannel()
  const ports = []
  // The port of the database is looked at, because nothing else shows from outside that it was
  // closed.
  port2.on('message', (data) => data?.port && ports.push(data.port))
  serve(port2)
  const asked = new Promise((resolve) => port2.on('message', (data) => data === 'asked' && resolve()))
  const page = new Worker(program('page'), { workerData: { port: port1 }, transferList: [port1] })
  t.after(() => port2.close())
  await asked
  assert.equal(ports.length, 1)
  const closed = new Promise((resolve) => ports[0].once('close', resolve))
  await page.terminate()
  await closed
})

test('the end of a port is heard once, and not after it was awaited no more', async () => {
  for (const isStopped of [false, true]) {
    const { port1, port2 } = new MessageChannel()
    let ends = 0
    const ending = new Ending(port1, () => (ends += 1))
    ending.watch(null)
    // Without a listener for messages a port keeps no process alive.
    port1.on('message', () => {})
    if (isStopped) ending.stop()
    const closed = new Promise((resolve) => port1.once('close', resolve))
    port2.close()
    await closed
    assert.equal(ends, isStopped ? 0 : 1)
  }
})

test('without Web Locks there is no lock and no error', async (t) => {
  const navigator = Object.getOwnPropertyDescriptor(globalThis, 'navigator')
  t.after(() => (navigator ? Object.defineProperty(globalThis, 'navigator', navigator) : delete globalThis.navigator))
  const refused = { request: () => Promise.reject(new DOMException('denied', 'SecurityError')) }
  for (const value of [undefined, {}, { locks: refused }]) {
    Object.defineProperty(globalThis, 'navigator', { value, configurable: true, writable: true })
    const { name, release } = await holdLock()
    assert.equal(name, null)
    release()
  }
})
