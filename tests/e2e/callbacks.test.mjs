/**
 * No function that the module hands to the browser fails when it is called after the end, and none
 * is kept for ever.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chain, load, setUp } from './lib/harness.mjs'

const world = setUp()

test('a page whose own setImmediate has no clearImmediate gets no error after close', async () => {
  const peer = await world.peer('--accounts', '2000')
  const page = await world.open(`${world.origin}/blank`)
  await page.evaluate(() => {
    // Some polyfills do it like this. This one lacks clearImmediate.
    const { port1, port2 } = new MessageChannel()
    const waiting = []
    window.given = 0
    port1.onmessage = () => waiting.shift()()
    window.setImmediate = (callback) => {
      window.given += 1
      waiting.push(callback)
      port2.postMessage(null)
    }
  })
  await load(page)
  const given = await page.evaluate(async ({ url, root, network }) => {
    const db = await snaplight.open({ memory: true, network })
    db.addPeer(url)
    await db.sync(root)
    // The clock stands still. Within some milliseconds after an answer the module waits for the
    // next read before it works, so work that comes now waits for a turn. close() does not.
    const now = performance.now()
    performance.now = () => now
    await db.sync(root)
    await db.getAccount('0x' + '12'.repeat(20))
    await db.close()
    delete performance.now
    const { given } = window
    // Runs after everything that still waits.
    await new Promise((resolve) => setImmediate(resolve))
    return given
  }, chain(peer))
  assert.ok(given > 0, 'the module used it')
  assert.deepEqual(page.uncaught, [])
})

test('functions that reads, commits and openings hand to IndexedDB and to the lock are not kept', async () => {
  const peer = await world.peer('--accounts', '500')
  const page = await world.page()
  const [before, after] = await page.evaluate(async ({ url, root, network }) => {
    const glue = await import('/pkg/wasm/snaplight.js')
    const session = async (reads) => {
      const db = await snaplight.open({ name: 'nothing is kept', network })
      db.addPeer(url)
      await db.sync(root)
      // Codes are not cached: each of these reads is a transaction.
      for (let read = 0; read < reads; read += 1) await failure(() => db.getCode('0x' + '12'.repeat(32)))
      await db.close()
    }
    await session(1)
    /** How many JavaScript values the module holds. */
    const held = async () => {
      const { __wbindgen_externrefs: table } = await glue.default()
      let count = 0
      for (let at = 0; at < table.length; at += 1) if (table.get(at) !== undefined) count += 1
      return count
    }
    const before = await held()
    for (let time = 0; time < 3; time += 1) await session(50)
    return [before, await held()]
  }, chain(peer))
  // One or two values may be in flight. One for each of 150 reads or for each opening would be a
  // leak.
  assert.ok(after - before < 3, `${before} values before, ${after} after`)
})

test('a follower that is closed does not wait for the lock any more', async () => {
  const peer = await world.peer('--accounts', '500')
  const page = await world.page()
  const [roles, waiting, next] = await page.evaluate(async ({ network }) => {
    const open = () => snaplight.open({ name: 'closed while it waits', network })
    const [writer, follower] = [await open(), await open()]
    const roles = [writer.role, follower.role]
    await follower.close()
    const { pending } = await navigator.locks.query()
    await writer.close()
    const last = await open()
    const next = last.role
    await last.close()
    return [roles, pending.length, next]
  }, chain(peer))
  assert.deepEqual([roles, waiting, next], [['writer', 'follower'], 0, 'writer'])
})
