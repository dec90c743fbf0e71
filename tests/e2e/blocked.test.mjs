/**
 * A page stands still (a loop, `alert()`, a process that was stopped) just after the last request
 * of a transaction. Other tabs read, open, sync and write meanwhile.
 */

import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { test } from 'node:test'
import { shut } from '../../xtask/node/loopback.mjs'
import { chain, setUp } from './lib/harness.mjs'

const world = setUp()
const NOBODY = `0x${'12'.repeat(20)}`
/** What other tabs do must not wait for the end of the block, which comes after it. */
const timeout = 120_000

/** A server that holds each request back until it is let go. A synchronous request blocks a page. */
async function blocking(t) {
  const held = []
  const server = createServer((request, response) => {
    response.setHeader('access-control-allow-origin', '*')
    held.push(response)
    server.emit('held')
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const letGo = () => held.splice(0).forEach((response) => response.end())
  t.after(() => {
    letGo()
    return shut(server)
  })
  return { url: `http://127.0.0.1:${server.address().port}/`, begun: new Promise((resolve) => server.once('held', resolve)), letGo }
}

/** Blocks the page after the next call of this method of an object store with this key, once its task is over. */
async function blockAfter(page, url, method, key) {
  await page.evaluate(({ url, method, key }) => {
    const { prototype } = IDBObjectStore
    const original = prototype[method]
    prototype[method] = function (...args) {
      if (key === undefined || args.includes(key)) {
        prototype[method] = original
        queueMicrotask(() => {
          const request = new XMLHttpRequest()
          request.open('GET', url, false)
          request.send()
        })
      }
      return original.apply(this, args)
    }
  }, { url, method, key })
}

async function open(page, name, peer) {
  return page.evaluate(async ({ name, url, network }) => {
    window.db = await snaplight.open({ name, network })
    db.addPeer(url)
    return db.role
  }, { name, ...chain(peer) })
}

const read = (page) => page.evaluate(async (address) => (await db.getAccount(address)).root, NOBODY)
const sync = (page, root) => page.evaluate(async (root) => (await db.sync(root)).root, root)

test('a writer that stands still after the last put of a batch holds nobody up', { timeout }, async (t) => {
  const peer = await world.peer('--accounts', '3000', '--chain')
  const [writer, follower, late] = [await world.page(), await world.page(), await world.page()]
  assert.equal(await open(writer, 'blocked writer', peer), 'writer')
  await sync(writer, peer.root)
  assert.equal(await open(follower, 'blocked writer', peer), 'follower')
  const { url, begun, letGo } = await blocking(t)
  await blockAfter(writer, url, 'put', 'root')
  const next = await peer.advance(0.2)
  const written = sync(writer, next.stateRoot)
  await begun
  // Nothing of the pages is in memory here, so these wait for the database.
  await read(follower)
  assert.equal(await open(late, 'blocked writer', peer), 'follower')
  await read(late)
  letGo()
  assert.equal(await written, next.stateRoot)
})

test('a follower that stands still after the last get of a read does not hold the writer up', { timeout }, async (t) => {
  const peer = await world.peer('--accounts', '3000', '--chain')
  const [writer, follower] = [await world.page(), await world.page()]
  await open(writer, 'blocked follower', peer)
  await sync(writer, peer.root)
  assert.equal(await open(follower, 'blocked follower', peer), 'follower')
  const { url, begun, letGo } = await blocking(t)
  await blockAfter(follower, url, 'get')
  const answer = read(follower)
  await begun
  const next = await peer.advance(0.2)
  assert.equal(await sync(writer, next.stateRoot), next.stateRoot)
  letGo()
  assert.ok([peer.root, next.stateRoot].includes(await answer))
})

test('a tab that stands still while it closes holds nobody up', { timeout }, async (t) => {
  const peer = await world.peer('--accounts', '300')
  const [writer, follower] = [await world.page(), await world.page()]
  await open(writer, 'blocked at its end', peer)
  await sync(writer, peer.root)
  assert.equal(await open(follower, 'blocked at its end', peer), 'follower')
  const { url, begun, letGo } = await blocking(t)
  await blockAfter(writer, url, 'put', 'closed')
  const closed = writer.evaluate(() => db.close())
  await begun
  assert.equal(await read(follower), peer.root)
  letGo()
  await closed
})
