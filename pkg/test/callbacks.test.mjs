// No function that was handed out throws when it is called after the end, at any time and any
// number of times. In some realms clearTimeout, setImmediate or removeEventListener do not work as
// they should.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { open } from '../snaplight.js'
import { EMPTY_ROOT, NETWORK, SOME_ADDRESS } from './support/database.mjs'
import { EventSocket, HandlerSocket, bytes } from './support/sockets.mjs'

/** Keeps every function that is given to `object[name]`, until the test's end. */
function recorded(t, object, name, given, place = 0) {
  const original = object[name]
  object[name] = function (...args) {
    given.push(args[place])
    return original.apply(this, args)
  }
  t.after(() => {
    object[name] = original
  })
}

/** Makes turns come from a MessageChannel for this test, as in browsers. */
function withoutImmediate(t) {
  const { setImmediate } = globalThis
  delete globalThis.setImmediate
  t.after(() => {
    globalThis.setImmediate = setImmediate
  })
}

/** Stops the clock until the test's end. */
function stopClock(t) {
  const now = performance.now()
  performance.now = () => now
  t.after(() => delete performance.now)
}

/** An event that any listener can be given. */
const event = { data: bytes(2, 0xc0).buffer, code: 1006, reason: '' }

test('turns and timers that come after close() have no effect and throw nothing', async (t) => {
  const [turns, timers] = [[], []]
  recorded(t, globalThis, 'setImmediate', turns)
  recorded(t, globalThis, 'setTimeout', timers)
  const db = await open({ network: NETWORK, memory: true })
  const socket = new EventSocket()
  db.addPeer(socket)
  // Within some milliseconds after an answer the module waits for the next read, so work that comes
  // now waits for a turn.
  stopClock(t)
  await db.sync(EMPTY_ROOT)
  await db.getAccount(SOME_ADDRESS)
  socket.emit('message', event)
  await db.close()
  assert.ok(turns.length > 0 && timers.length > 0)
  for (const callback of [...turns, ...timers, ...turns, ...timers]) callback()
})

test('messages that a port delivers after close() have no effect and throw nothing', async (t) => {
  withoutImmediate(t)
  const given = []
  const { prototype } = MessagePort
  const { set } = Object.getOwnPropertyDescriptor(prototype, 'onmessage') ?? {}
  assert.ok(set, 'ports have a setter')
  const original = Object.getOwnPropertyDescriptor(prototype, 'onmessage')
  Object.defineProperty(prototype, 'onmessage', {
    ...original,
    set(callback) {
      given.push(callback)
      set.call(this, callback)
    },
  })
  t.after(() => Object.defineProperty(prototype, 'onmessage', original))
  const db = await open({ network: NETWORK, memory: true })
  await db.sync(EMPTY_ROOT)
  await db.close()
  assert.equal(given.length, 1)
  for (const callback of [...given, ...given]) callback(event)
})

test('events of a socket whose listeners cannot be removed are ignored after the peer was closed', async (t) => {
  const db = await open({ network: NETWORK, memory: true })
  const [keeping, small] = [new EventSocket(), new HandlerSocket()]
  const given = []
  recorded(t, keeping, 'addEventListener', given, 1)
  keeping.removeEventListener = () => {}
  const peers = [db.addPeer(keeping), db.addPeer(small)]
  given.push(small.onopen, small.onmessage, small.onclose, small.onerror)
  assert.equal(given.length, 9)
  for (const peer of peers) peer.close()
  const sent = keeping.sent.length + small.sent.length
  for (const listener of given) listener(event)
  assert.equal(keeping.sent.length + small.sent.length, sent)
  await db.close()
  for (const listener of given) listener(event)
  for (const peer of peers) assert.equal((await peer.closed).by, 'user')
})
