// Checks that functions that were handed out are collected with their database. It is run with
// --expose-gc.

import assert from 'node:assert/strict'
import { open } from '../../snaplight.js'
import { EMPTY_ROOT, NETWORK, SOME_ADDRESS, turn } from '../support/database.mjs'
import { EventSocket, bytes } from '../support/sockets.mjs'

/**
 * The most rounds of the collector, which needs several because one object holds the next. It has
 * never needed more than a few.
 */
const ROUNDS = 100
const given = []

/** Notes the functions that are given to `object[name]`, without keeping them in memory. */
function watched(object, name, place = 0) {
  const original = object[name]
  object[name] = function (...args) {
    // One listener for errors serves all sockets and keeps nothing in memory.
    if (args[0] !== 'error') given.push(new WeakRef(args[place]))
    return original.apply(this, args)
  }
  return () => {
    object[name] = original
  }
}

async function session() {
  const socket = new EventSocket()
  const ends = [watched(globalThis, 'setImmediate'), watched(globalThis, 'setTimeout'), watched(socket, 'addEventListener', 1)]
  const db = await open({ network: NETWORK, memory: true })
  db.addPeer(socket)
  // The clock stands still. Within some milliseconds after an answer the module waits for the next
  // read, so work that comes now waits for a turn.
  const now = performance.now()
  performance.now = () => now
  await db.sync(EMPTY_ROOT)
  await db.getAccount(SOME_ADDRESS)
  socket.emit('message', { data: bytes(2, 0xc0).buffer })
  await db.close()
  delete performance.now
  socket.emit('close', { code: 1000 })
  for (const end of ends) end()
}

await session()
assert.ok(given.length >= 6)
for (let round = 0; given.some((reference) => reference.deref()) && round < ROUNDS; round += 1) {
  await turn()
  gc()
}
assert.equal(given.filter((reference) => reference.deref()).length, 0, 'functions that are still held')
