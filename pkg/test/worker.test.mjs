// The worker's protocol, with both ends in one realm: what crosses is cloned all the same.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SnaplightError, openInWorker, serve } from '../worker.js'
import { EMPTY_ROOT, NETWORK, SOME_ADDRESS, SOME_ROOT } from './support/database.mjs'
import { EventSocket } from './support/sockets.mjs'

/** An endpoint that serves, as a worker would be. */
function endpoint(t) {
  const { port1, port2 } = new MessageChannel()
  serve(port1)
  t.after(() => {
    port1.close()
    port2.close()
  })
  return port2
}

async function opened(t, options = { network: NETWORK, memory: true }) {
  const db = await openInWorker(endpoint(t), options)
  t.after(() => db.close())
  return db
}

test('syncs, reports, reads and closes over a port', async (t) => {
  const db = await opened(t)
  const phases = []
  const sync = db.sync(EMPTY_ROOT, { onProgress: ({ phase }) => phases.push(phase) })
  assert.equal((await sync).root, EMPTY_ROOT)
  assert.equal(phases.at(-1), 'done')
  assert.equal(db.complete.root, EMPTY_ROOT)
  assert.equal(db.progress().phase, 'done')
  const { exists, balance, root } = await db.getAccount(SOME_ADDRESS)
  assert.deepEqual([exists, balance, root], [false, 0n, EMPTY_ROOT])
  await Promise.all([db.close(), db.close()])
  await assert.rejects(db.getAccount(SOME_ADDRESS), { name: 'ClosedError' })
})

test('errors keep class, code and message', async (t) => {
  const db = await opened(t)
  const error = await db.getAccount(SOME_ADDRESS).catch((error) => error)
  assert.ok(error instanceof SnaplightError)
  assert.deepEqual([error.name, error.code], ['NotTrackedError', 'NO_STATE'])
  assert.match(error.message, /await a sync/)
  assert.throws(() => db.addPeer(new EventSocket()), { name: 'MisuseError', code: 'BAD_ARGUMENT' })
  assert.throws(() => db.addPeer('http://peer.example'), { name: 'MisuseError', code: 'BAD_ARGUMENT' })
})

test('a read that the worker does not answer before it closes rejects, and nothing of it stays on the worker', async () => {
  const listeners = new Set()
  const worker = {
    addEventListener: (type, listener) => listeners.add(listener),
    removeEventListener: (type, listener) => listeners.delete(listener),
    postMessage({ port }) {
      port.onmessage = ({ data: { id, method } }) => {
        if (method === 'close') port.postMessage({ id })
      }
      port.postMessage({ id: 0 })
    },
  }
  const db = await openInWorker(worker, { network: NETWORK })
  assert.equal(listeners.size, 1)
  const read = assert.rejects(db.getAccount(SOME_ADDRESS), { name: 'ClosedError', code: 'CLOSED' })
  await db.close()
  await read
  assert.equal(listeners.size, 0)
})

test('a signal reaches through', async (t) => {
  const db = await opened(t)
  const controller = new AbortController()
  const sync = db.sync(SOME_ROOT, { signal: controller.signal })
  controller.abort('enough')
  await assert.rejects(sync, { name: 'CancelledError', cause: 'enough' })
})

test('a URL that the worker cannot connect to ends in peer.closed', async (t) => {
  const db = await opened(t)
  const { WebSocket } = globalThis
  globalThis.WebSocket = class {
    constructor() {
      throw new SyntaxError('not from here')
    }
  }
  t.after(() => {
    globalThis.WebSocket = WebSocket
  })
  const closed = await db.addPeer('ws://peer.example').closed
  assert.equal(closed.by, 'fault')
  assert.match(closed.reason, /peer\.example/)
})

test('an open that fails rejects with its class, and one worker holds several databases', async (t) => {
  const worker = endpoint(t)
  await assert.rejects(openInWorker(worker, { network: NETWORK }), { name: 'UnsupportedError', code: 'UNSUPPORTED' })
  await assert.rejects(openInWorker(worker, {}), { name: 'MisuseError' })
  await assert.rejects(openInWorker({}, { network: NETWORK }), { name: 'MisuseError' })
  const databases = await Promise.all([1, 2].map(() => openInWorker(worker, { network: NETWORK, memory: true })))
  await databases[0].sync(EMPTY_ROOT)
  assert.equal(databases[1].complete, null)
  await Promise.all(databases.map((db) => db.close()))
})
