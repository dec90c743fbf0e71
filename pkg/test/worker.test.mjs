// Tests the worker's protocol with both ends in one realm. All messages are cloned as between
// threads.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SnaplightError, openInWorker, serve } from '../worker.js'
import { EMPTY_ROOT, NETWORK, SOME_ADDRESS, SOME_ROOT, turn } from './support/database.mjs'
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
  assert.match(error.message, /await what track returned, or a sync/)
  assert.throws(() => db.addPeer(new EventSocket()), { name: 'MisuseError', code: 'BAD_ARGUMENT' })
  assert.throws(() => db.addPeer('http://peer.example'), { name: 'MisuseError', code: 'BAD_ARGUMENT' })
})

test('a read that the worker does not answer before it closes rejects, and leaves no listener on the worker', async () => {
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

/** Makes ends as `endpoint` does. The worker's messages wait while `held` is a list. */
function slowEndpoint(t) {
  const worker = endpoint(t)
  const line = { held: null, release: null }
  line.postMessage = ({ port, ...message }) => {
    const { port1, port2 } = new MessageChannel()
    worker.postMessage({ ...message, port: port2 }, [port2])
    port.onmessage = ({ data }) => port1.postMessage(data)
    port1.onmessage = ({ data }) => (line.held ? line.held.push(data) : port.postMessage(data))
    line.release = () => {
      for (const data of line.held) port.postMessage(data)
      line.held = null
    }
  }
  return line
}

/** Waits until the worker has sent this event and it is held back. */
async function received(line, event) {
  while (!line.held.some((data) => data.event === event)) await turn()
}

test('an end that is in flight while the next target is set is not the end of the new target', async (t) => {
  const line = slowEndpoint(t)
  const db = await openInWorker(line, { network: NETWORK, memory: true })
  t.after(() => db.close())
  line.held = []
  const first = assert.rejects(db.sync(EMPTY_ROOT), { name: 'CancelledError' })
  await received(line, 'onSynced')
  let ended = null
  const second = db.sync(SOME_ROOT)
  second.then((report) => (ended = report), (error) => (ended = error))
  line.release()
  await first
  // The worker's answer to a question now comes after all its earlier messages.
  await assert.rejects(db.getCode(SOME_ROOT))
  assert.equal(ended, null)

  line.held = []
  const moved = db.sync(EMPTY_ROOT)
  await received(line, 'onSynced')
  moved.retarget(SOME_ROOT)
  line.release()
  await assert.rejects(db.getCode(SOME_ROOT))
  assert.equal(await Promise.race([moved.catch(() => {}), turn().then(() => 'running')]), 'running')

  line.held = []
  moved.cancel()
  await received(line, 'onFailed')
  const last = db.sync(EMPTY_ROOT)
  line.release()
  assert.equal((await last).root, EMPTY_ROOT)
})

test('a signal cancels a sync in the worker', async (t) => {
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
