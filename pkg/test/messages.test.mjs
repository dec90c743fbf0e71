// Posts what is none of our messages where our messages go: between a page and its worker, and
// between tabs. It is counted and ignored, and the databases live on.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Channel } from '../lib/follower.js'
import { TABS_VERSION } from '../lib/messages/of-tabs.js'
import { ignoredMessages } from '../lib/messages/shapes.js'
import { openInWorker, serve } from '../worker.js'
import { EMPTY_ROOT, NETWORK, SOME_ADDRESS } from './support/database.mjs'

/** What other code of the origin may post, whatever it means by it. */
const JUNK = [null, undefined, 0, 'text', true, 5n, [], [null], {}, { type: null }, new Uint8Array(3), new Map(), new Error('no'), { id: 7 }, { id: null, error: null }]
const bytes = (length) => new Uint8Array(length)

/**
 * Puts itself between a page and a worker, so that a test can post to both over the database's
 * port.
 */
function between(t) {
  const { port1, port2 } = new MessageChannel()
  serve(port1)
  const line = { page: null, worker: null }
  line.postMessage = ({ port, ...message }) => {
    const { port1: mine, port2: theirs } = new MessageChannel()
    port.onmessage = ({ data }) => mine.postMessage(data)
    mine.onmessage = ({ data }) => port.postMessage(data)
    Object.assign(line, { page: port, worker: mine })
    port2.postMessage({ ...message, port: theirs }, [theirs])
  }
  t.after(() => [port1, port2, line.worker].forEach((port) => port?.close()))
  return line
}

test('a worker ignores calls of another shape, and answers those that come after them', async (t) => {
  const line = between(t)
  const db = await openInWorker(line, { network: NETWORK, memory: true })
  await db.sync(EMPTY_ROOT)
  const before = ignoredMessages()
  const calls = [
    { method: 'free', args: [] }, { method: 'constructor', args: [] }, { method: 'release', args: [] }, { method: '__proto__', args: [] },
    { method: 'read', args: ['account', bytes(20)] }, { id: 1, method: 'read' }, { id: 1, method: 'read', args: [] }, { id: 1, method: 'read', args: ['free'] },
    { id: 1, method: 'read', args: ['account', bytes(19)] }, { id: 1, method: 'read', args: ['account', { length: 20 }] },
    { id: 1, method: 'read', args: ['account', bytes(20), bytes(31)] }, { id: 1, method: 'read', args: ['storage', bytes(20), bytes(33)] },
    { id: 1, method: 'read', args: ['header', 'text'] }, { id: 1, method: 'change', args: ['track', 'text'] }, { id: 1, method: 'change', args: ['other', bytes(0)] },
    { method: 'addPeer', args: [] }, { method: 'addPeer', args: [1, 'wss://peer.example', 'other', true] }, { method: 'addPeer', args: ['1', null, 'rpc', true] },
    { method: 'closePeer', args: [] }, { method: 'startSync', args: [null, 1] }, { method: 'startSync', args: [{}, 1] }, { method: 'startSync', args: [{ root: bytes(31) }, 1] },
    { method: 'requested', args: [1, 1, null] }, { method: 'requested', args: [{}, 1, {}] },
  ]
  for (const data of [...JUNK, ...calls]) line.worker.postMessage(data)
  const { exists } = await db.getAccount(SOME_ADDRESS)
  assert.deepEqual([exists, ignoredMessages() - before], [false, JUNK.length + calls.length])
  await db.close()
})

test('a page ignores messages of another shape from its worker, and hears those that come after them', async (t) => {
  const line = between(t)
  const uncaught = []
  const hear = (error) => uncaught.push(error)
  process.on('uncaughtException', hear)
  t.after(() => process.off('uncaughtException', hear))
  const heard = []
  const db = await openInWorker(line, { network: NETWORK, memory: true, onEvent: ({ type }) => heard.push(type) })
  const before = ignoredMessages()
  const events = [
    { event: 'toString', args: [] }, { event: 'onProgress' }, { event: 'onProgress', args: [] }, { event: 'onProgress', args: [{ peers: [] }, 1] },
    { event: 'onStates', args: [null] }, { event: 'onStates', args: [{ states: [null], scope: 0, holds: 'set' }] }, { event: 'onSynced', args: [{}, {}, 1] },
    { event: 'onFailed', args: [null, 1] }, { event: 'onFailed', args: [{ code: 1 }, 1] }, { event: 'onPeerClosed', args: [1] }, { event: 'onRole', args: ['other'] },
    { event: 'onEvent', args: [null] }, { event: 'onLie', args: [1] }, { event: 'onCrashed', args: ['text'] }, { id: 1, request: null }, { id: 'x', request: [1, {}] },
    { serving: '9.9.9', lock: null }, { id: 0 }, { id: 1, error: 'text' },
  ]
  for (const data of [...JUNK, ...events]) line.page.postMessage(data)
  assert.equal((await db.sync(EMPTY_ROOT)).root, EMPTY_ROOT)
  assert.deepEqual(heard, ['complete'])
  assert.equal(ignoredMessages() - before, JUNK.length + events.length)
  assert.equal(db.progress().phase, 'done')
  await db.close()
  assert.deepEqual(uncaught, [])
})

test('an opening of another shape is ignored, and the worker serves the next one', async (t) => {
  const { port1, port2 } = new MessageChannel()
  serve(port1)
  t.after(() => port2.close())
  const before = ignoredMessages()
  const openings = [{}, { port: null }, { port: {} }, { port: 'text', options: {} }].map((opening) => ({ type: 'snaplight:open', ...opening }))
  for (const data of [...JUNK, ...openings]) port2.postMessage(data)
  const db = await openInWorker(port2, { network: NETWORK, memory: true })
  // The junk has no type of ours, so it is the other code's of this worker.
  assert.equal(ignoredMessages() - before, openings.length)
  await db.close()
})

test('options that no page checked are refused by the worker', async (t) => {
  for (const options of [undefined, null, 'text', {}, { network: NETWORK, name: '\ud800' }, { network: NETWORK, role: 'king' }]) {
    const { port1, port2 } = new MessageChannel()
    serve(port1)
    const line = new MessageChannel()
    t.after(() => [port2, line.port1].forEach((port) => port.close()))
    const refused = new Promise((resolve) => {
      line.port1.onmessage = ({ data }) => data.error && resolve(data.error)
    })
    const { version } = await import('../snaplight.js')
    port2.postMessage({ type: 'snaplight:open', version, port: line.port2, options }, [line.port2])
    assert.equal((await refused).code, 'BAD_ARGUMENT')
  }
})

test('a tab hears only what tabs of its version post, and one of another version that asks for a change gets an error', async (t) => {
  const heard = []
  const channel = new Channel('heard', (message) => heard.push(message.type), () => true)
  const other = new BroadcastChannel('snaplight:heard')
  t.after(() => [channel, other].forEach((each) => each.close()))
  const protocol = TABS_VERSION
  const answered = new Promise((resolve) => {
    other.onmessage = ({ data }) => data.type === 'changed' && resolve(data)
  })
  const change = { method: 'track', accounts: bytes(25) }
  const wrong = [
    ...JUNK, { type: 'switched' }, { protocol: protocol + 1, type: 'switched' }, { protocol, type: 'toString' }, { protocol, type: 'changed' },
    { protocol, type: 'changed', id: 1, error: 'text' }, { protocol, type: 'damaged' }, { protocol, type: 'damaged', read: ['free'] },
    { protocol, type: 'damaged', read: ['account', bytes(3)] }, { protocol, type: 'damaged', read: ['tracked'] }, { protocol, type: 'change', id: 1 },
    { protocol, type: 'change', id: 1, change: { method: 'other', accounts: bytes(0) } }, { protocol, type: 'change', id: null, change },
  ]
  const foreign = { protocol: protocol + 1, type: 'change', id: 0.5, change: 'in another form' }
  const right = [
    { type: 'switched' }, { type: 'repaired' }, { type: 'writer' }, { type: 'changed', id: 1, version: 2 }, { type: 'changed', id: 1, error: { code: 'LOCKED', message: 'm' } },
    { type: 'damaged', read: ['account', bytes(20)] }, { type: 'damaged', read: ['storage', bytes(20), bytes(64), bytes(32)] }, { type: 'change', id: 1, change },
  ].map((message) => ({ ...message, protocol }))
  const before = ignoredMessages()
  for (const message of [...wrong, foreign, ...right]) other.postMessage(message)
  const { id, error, protocol: theirs } = await answered
  assert.deepEqual([id, error.code, theirs], [0.5, 'LOCKED', protocol + 1])
  while (heard.length < right.length) await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual(heard, right.map(({ type }) => type))
  assert.equal(ignoredMessages() - before, wrong.length + 1)
})
