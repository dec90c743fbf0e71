// Tests the worker's protocol with both ends in one realm. All messages are cloned as between
// threads.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SnaplightError, openInWorker, serve, version } from '../worker.js'
import { LoadError, MisuseError, flattenError, reviveError } from '../lib/errors.js'
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
      assert.equal(listeners.size, 1)
      port.postMessage({ serving: version, lock: null })
      port.postMessage({ id: 0 })
    },
  }
  const db = await openInWorker(worker, { network: NETWORK })
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
    port.addEventListener('close', () => port1.close())
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

test('an error keeps its causes on the way out of a worker, as deep as a reader follows them', () => {
  const deep = [1, 2, 3, 4, 5, 6].reduce((cause, depth) => new TypeError(`at ${depth}`, { cause }), 'the first')
  const ours = reviveError(structuredClone(flattenError(new LoadError('LOAD_FAILED', 'not loaded', { cause: deep }))))
  assert.ok(ours instanceof LoadError)
  const chain = []
  for (let at = ours.cause; at; at = at.cause) chain.push([at instanceof Error, at.name, at.message])
  assert.deepEqual(chain, [6, 5, 4, 3].map((depth) => [true, 'TypeError', `at ${depth}`]))
  const inner = new MisuseError('BAD_ARGUMENT', 'inner')
  assert.ok(reviveError(structuredClone(flattenError(new LoadError('LOAD_FAILED', 'outer', { cause: inner })))).cause instanceof MisuseError)
  for (const cause of ['text', 5, null, Symbol('s'), () => {}, new Proxy({}, { get() { throw new Error('no') } })]) {
    const { cause: kept } = reviveError(structuredClone(flattenError(new LoadError('LOAD_FAILED', 'odd', { cause }))))
    assert.ok(Object(kept) !== kept, String(kept))
  }
})

test('an uncaught error of other code in a worker that serves is not the end of its databases', async (t) => {
  const worker = withErrors(endpoint(t))
  const opening = openInWorker(worker, { network: NETWORK, memory: true })
  worker.fail({ message: 'Uncaught ReferenceError: theirs is not defined' })
  const db = await opening
  worker.fail({ message: 'Uncaught ReferenceError: theirs is not defined' })
  assert.equal((await db.sync(EMPTY_ROOT)).root, EMPTY_ROOT)
  await db.close()
  assert.equal(worker.listeners.size, 0)
})

test('a worker whose script does not load is a LoadError at once', async () => {
  const worker = withErrors({ postMessage() {} })
  const opening = openInWorker(worker, { network: NETWORK, memory: true })
  worker.fail({})
  await assert.rejects(opening, { name: 'LoadError', code: 'LOAD_FAILED', message: /worker-src.*README/ })
  assert.equal(worker.listeners.size, 0)
})

test('a worker that does not serve is a LoadError within half a minute, with the last error of it', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const worker = withErrors({ postMessage() {} })
  const refused = assert.rejects(openInWorker(worker, { network: NETWORK, memory: true }), {
    name: 'LoadError',
    message: /did not answer within 30 s; its last uncaught error: theirs\. It has to run snaplight\/worker-entry/,
  })
  worker.fail({ message: 'theirs' })
  await turn()
  t.mock.timers.tick(30_000)
  await refused
})

test('a worker that serves may open for as long as it takes', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const line = slowEndpoint(t)
  const { promise: posted, resolve } = promised()
  const { postMessage } = line
  line.postMessage = (message) => {
    postMessage(message)
    resolve()
  }
  line.held = []
  const opening = openInWorker(line, { network: NETWORK, memory: true })
  await posted
  while (!line.held.some(({ id }) => id === 0)) await turn()
  const [opened] = [line.held.findIndex(({ id }) => id === 0)]
  const late = line.held.splice(opened)
  line.release()
  while (line.held !== null) await turn()
  line.held = []
  await turn()
  t.mock.timers.tick(600_000)
  line.held = late
  line.release()
  await (await opening).close()
})

test('a page and a worker of different versions refuse each other, and both versions are named', async (t) => {
  const answers = { other: { serving: '9.9.9', lock: null }, older: { id: 0 } }
  for (const [which, answer] of Object.entries(answers)) {
    const worker = { postMessage: ({ port }) => port.postMessage(answer) }
    await assert.rejects(openInWorker(worker, { network: NETWORK, memory: true }), (error) => {
      assert.deepEqual([error.name, error.code], ['LoadError', 'LOAD_FAILED'])
      assert.match(error.message, which === 'other' ? /9\.9\.9 there.*one version of the package/ : /older/)
      assert.ok(error.message.includes(version))
      return true
    })
  }
  // What a page of another version, and one of 0.1.1, gets of this worker: both know this form.
  for (const theirs of ['9.9.9', undefined]) {
    const { port1, port2 } = new MessageChannel()
    t.after(() => port1.close())
    endpoint(t).postMessage({ type: 'snaplight:open', version: theirs, port: port2, options: { network: NETWORK, memory: true } }, [port2])
    const heard = await new Promise((resolve) => {
      port1.onmessage = ({ data }) => data.id === 0 && resolve(data)
    })
    assert.equal(heard.error.code, 'LOAD_FAILED')
  }
})

test('what cannot be started or posted is an error of this package', async (t) => {
  // In Node there is no Worker.
  await assert.rejects(openInWorker(undefined, { network: NETWORK }), { name: 'UnsupportedError', code: 'UNSUPPORTED', message: /use open of snaplight/ })
  await assert.rejects(openInWorker(endpoint(t), { network: NETWORK, memory: true, wasm: () => {} }), { name: 'MisuseError', message: /^options\.wasm/ })
  await assert.rejects(openInWorker(endpoint(t), { network: NETWORK, memory: true, wasm: 'not/absolute' }), { name: 'MisuseError', message: /^options\.wasm/ })
})

/** A worker that tells of errors, as a page sees it: `fail` says one. */
function withErrors(endpoint) {
  const listeners = new Set()
  return {
    listeners,
    postMessage: (...args) => endpoint.postMessage(...args),
    addEventListener: (type, listener) => listeners.add(listener),
    removeEventListener: (type, listener) => listeners.delete(listener),
    fail: (event) => [...listeners].forEach((listener) => listener(event)),
  }
}

function promised() {
  let resolve
  const promise = new Promise((resolved) => (resolve = resolved))
  return { promise, resolve }
}
