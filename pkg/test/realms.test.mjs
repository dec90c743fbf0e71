// Passes bytes, arrays and URLs of another realm, whose classes are not this one's: a vm context,
// as vitest's jsdom is one.

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { runInNewContext } from 'node:vm'
import { addressBytes, databaseName, hashBytes, peerUrl, show, slotBytes, slotKey, syncTarget, toHex, trackedBytes } from '../lib/input.js'
import { defaultName } from '../lib/peer.js'
import { open } from '../snaplight.js'
import { EMPTY_ROOT, NETWORK, SOME_ADDRESS } from './support/database.mjs'

const theirs = runInNewContext('({ Uint8Array, Array, Float32Array, DataView, Object })')
const foreign = (hex) => theirs.Uint8Array.from(Buffer.from(hex.slice(2), 'hex'))

test('bytes of another realm are bytes, and other views are none', () => {
  const address = foreign(SOME_ADDRESS)
  assert.ok(!(address instanceof Uint8Array))
  for (const bytes of [addressBytes(address), hashBytes(foreign(EMPTY_ROOT), 'root'), slotBytes(foreign(EMPTY_ROOT)), syncTarget({ header: foreign('0xc0') }).header]) {
    assert.ok(bytes instanceof Uint8Array)
  }
  assert.equal(toHex(addressBytes(address)), SOME_ADDRESS)
  assert.equal(slotKey(foreign(EMPTY_ROOT)), EMPTY_ROOT)
  assert.equal(toHex(syncTarget(foreign(EMPTY_ROOT)).root), EMPTY_ROOT)
  const accounts = theirs.Array.of(address, { address, slots: theirs.Array.of(foreign(EMPTY_ROOT)) })
  assert.deepEqual(trackedBytes(accounts), trackedBytes([SOME_ADDRESS, { address: SOME_ADDRESS, slots: [EMPTY_ROOT] }]))
  assert.equal(show(address), 'a Uint8Array of 20 bytes')
  for (const other of [new theirs.Float32Array(20), new theirs.DataView(address.buffer), address.buffer, new Int8Array(20), { length: 20 }, new Proxy(address, {})]) {
    assert.throws(() => addressBytes(other), { code: 'BAD_ARGUMENT' })
  }
})

test('a Buffer is copied, so that its owner may write into it later', () => {
  const mine = Buffer.alloc(32, 7)
  const taken = [hashBytes(mine, 'root'), slotBytes(mine), syncTarget({ header: mine }).header]
  mine.fill(0)
  for (const bytes of taken) assert.equal(toHex(bytes), `0x${'07'.repeat(32)}`)
})

test('a URL of another class is told by its href', () => {
  const href = 'wss://peer.example/'
  assert.equal(peerUrl({ href }, 'snap'), href)
  assert.equal(defaultName(1, { href }), 'peer.example')
  for (const other of [{ href: 5 }, { url: href }, null, new Proxy({}, { get() { throw new Error('no') } })]) assert.equal(peerUrl(other, 'snap'), null)
  assert.throws(() => peerUrl({ href: 'http://peer.example/' }, 'snap'), { code: 'BAD_ARGUMENT' })
})

test('a name that is ill-formed UTF-16 is refused, because wasm takes it for another one', () => {
  for (const name of ['\ud800', '\udfff', 'a\ud83d', '\ude00\ud83d', '\ud83d\ud83d\ude00']) {
    assert.throws(() => databaseName(name), { name: 'MisuseError', code: 'BAD_ARGUMENT', message: /^name .*lone surrogates/ })
  }
  for (const name of ['😀', 'é', '\u0000', '\uffff', 'snaplight']) assert.equal(databaseName(name), name)
})

test('the module is loaded from a Response of another class', async () => {
  const bytes = await readFile(new URL('../wasm/snaplight_bg.wasm', import.meta.url))
  const db = await open({ network: NETWORK, memory: true, wasm: { ok: true, arrayBuffer: async () => bytes } })
  await db.sync(EMPTY_ROOT)
  assert.equal((await db.getAccount(foreign(SOME_ADDRESS))).exists, false)
  await db.close()
})
