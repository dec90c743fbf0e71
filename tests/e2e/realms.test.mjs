/**
 * What comes from a frame is as good as what comes from the page itself, although its classes are
 * others.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setUp } from './lib/harness.mjs'

const NETWORK = { id: 1, genesisHash: `0x${'11'.repeat(32)}` }
const EMPTY_ROOT = '0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421'

const world = setUp()

/** A page with a frame of its origin, whose window is `window.theirs`. */
async function framed() {
  const page = await world.page()
  await page.evaluate(async (network) => {
    const frame = document.body.appendChild(document.createElement('iframe'))
    window.theirs = frame.contentWindow
    window.network = network
    window.bytes = (hex) => theirs.Uint8Array.from(hex.slice(2).match(/../g), (byte) => Number.parseInt(byte, 16))
  }, NETWORK)
  return page
}

test('bytes, arrays, URLs and signals of a frame are taken as those of the page', async () => {
  const page = await framed()
  const found = await page.evaluate(async (root) => {
    const address = bytes('0x' + '12'.repeat(20))
    if (address instanceof Uint8Array) throw new Error('these bytes are no other realm’s')
    const found = {}
    for (const [where, open] of [['page', snaplight.open], ['worker', (options) => import('snaplight/worker').then(({ openInWorker }) => openInWorker(undefined, options))]]) {
      const db = await open({ network: { id: 1, genesisHash: bytes(network.genesisHash) }, memory: true, hold: 'set' })
      const peer = db.addPeer(new theirs.URL('ws://127.0.0.1:9/path'))
      const tracked = db.track(theirs.Array.of({ address, slots: theirs.Array.of(bytes('0x' + '00'.repeat(32))), code: true }))
      const { signal } = new theirs.AbortController()
      const report = await db.sync({ root: bytes(root) }, { signal })
      await tracked
      const account = await db.getAccount(address)
      const slot = await db.getStorage(address, bytes('0x' + '00'.repeat(32)))
      const code = await db.getCode(address)
      const { proof } = await db.getProof(address, theirs.Array.of(bytes('0x' + '00'.repeat(32))))
      const header = await failure(() => db.sync({ header: bytes('0xc0') }))
      const aborter = new theirs.AbortController()
      const waiting = failure(() => db.sync('0x' + 'ab'.repeat(32), { signal: aborter.signal }))
      aborter.abort(new theirs.Error('enough'))
      found[where] = {
        name: peer.name, root: report.root, exists: account.exists, slot: Number(slot.value), code: code.code.length, proof: proof.storageProof[0].key.length,
        header: header.code, waiting: (await waiting).code, cause: (await waiting).cause,
      }
      await db.close()
    }
    return found
  }, EMPTY_ROOT)
  const expected = { name: '127.0.0.1:9', root: EMPTY_ROOT, exists: false, slot: 0, code: 0, proof: 66, header: 'WRONG_HEADER', waiting: 'CANCELLED', cause: 'enough' }
  assert.deepEqual(found, { page: expected, worker: expected })
  assert.deepEqual(page.uncaught, [])
})

for (const [what, source] of Object.entries({
  'URL': (url) => new theirs.URL(url),
  'Response': (url) => theirs.fetch(url),
  'ArrayBuffer': (url) => theirs.fetch(url).then((response) => response.arrayBuffer()),
  'Uint8Array': (url) => theirs.fetch(url).then(async (response) => new theirs.Uint8Array(await response.arrayBuffer())),
  'WebAssembly.Module': (url) => theirs.WebAssembly.compileStreaming(theirs.fetch(url)),
})) {
  test(`the module may be a frame's ${what}, in the page and for a worker`, async () => {
    const page = await framed()
    const opened = await page.evaluate(async (source) => {
      const make = new Function(`return ${source}`)()
      const { openInWorker } = await import('snaplight/worker')
      const opened = []
      for (const open of [snaplight.open, (options) => openInWorker(undefined, options)]) {
        const wasm = make(new URL('/pkg/wasm/snaplight_bg.wasm', location).href)
        opened.push(await failure(async () => (await open({ network, memory: true, wasm })).close()))
      }
      return opened
    }, String(source))
    for (const { code, message } of opened) assert.equal(code, 'NO ERROR', message)
  })
}

test('what a socket of a frame brings is read as bytes', async () => {
  const page = await framed()
  const reason = await page.evaluate(async () => {
    const socket = Object.assign(new theirs.EventTarget(), { readyState: 1, binaryType: 'blob', send() {}, close() {} })
    const db = await snaplight.open({ network, memory: true })
    const peer = db.addPeer(socket)
    // A message id that is no Hello: a peer that is understood, and at fault.
    socket.dispatchEvent(Object.assign(new theirs.Event('message'), { data: bytes('0x10c0').buffer }))
    const { by, reason } = await peer.closed
    await db.close()
    return [by, reason]
  })
  assert.equal(reason[0], 'fault')
  assert.match(reason[1], /Hello/i)
})

test('two names that wasm would take for one are refused, wherever a name is taken', async () => {
  const page = await world.page()
  const codes = await page.evaluate(async (network) => {
    const { openInWorker } = await import('snaplight/worker')
    const codes = []
    for (const name of ['\ud800', '\udc00', 'a\udfffb', '\ude00\ud83d']) {
      for (const call of [() => snaplight.open({ name, network }), () => openInWorker(undefined, { name, network }), () => snaplight.deleteDatabase(name)]) {
        codes.push((await failure(call)).code)
      }
    }
    const db = await snaplight.open({ name: 'paired 😀', network })
    await db.close()
    await snaplight.deleteDatabase('paired 😀')
    return codes
  }, NETWORK)
  assert.deepEqual(codes, Array(12).fill('BAD_ARGUMENT'))
})
