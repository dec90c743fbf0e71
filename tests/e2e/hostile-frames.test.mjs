/**
 * Frames that nobody wants: the module's memory, which never shrinks, does not grow by them, and the
 * peer is named with its fault.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setUp } from './lib/harness.mjs'

const world = setUp()
const MIB = 1024 * 1024
/** Most that the module's memory may have, whatever peers send. */
const MOST = 24 * MIB

/** Runs in the page before its scripts: keeps the memory of the module that is instantiated. */
function watchMemory() {
  for (const name of ['instantiate', 'instantiateStreaming']) {
    const original = WebAssembly[name].bind(WebAssembly)
    WebAssembly[name] = async (...given) => {
      const made = await original(...given)
      window.moduleMemory = (made.instance ?? made).exports.memory
      return made
    }
  }
}

/** Runs in the page: delivers frames to a database in memory. Returns what became of the peer. */
async function deliver(kind) {
  const MIB = 1024 * 1024
  class Socket extends EventTarget {
    binaryType = 'blob'
    readyState = 1
    protocol = 'devp2p.1'
    sent = []
    send(data) { this.sent.push(Uint8Array.from(data)) }
    close() { this.readyState = 3 }
    deliver(frame) { this.dispatchEvent(new MessageEvent('message', { data: frame.buffer })) }
  }
  const bytes = (text) => Uint8Array.from(text.match(/../g), (pair) => Number.parseInt(pair, 16))
  /** A frame of so many bytes, of empty items behind its beginning. */
  const long = (length, beginning, filling) => {
    const frame = new Uint8Array(length).fill(filling)
    frame.set(beginning)
    return frame
  }
  const length24 = (length) => [0xfa, length >> 16, (length >> 8) & 0xff, length & 0xff]
  const answer = (id, request, length, filling, isProof) => {
    const list = length24(length)
    const inner = isProof ? [0xc0, ...list] : list
    const payload = 1 + inner.length + length + (isProof ? 0 : 1)
    const frame = long(5 + payload, [id, ...length24(payload), request, ...inner], filling)
    if (!isProof) frame[frame.length - 1] = 0xc0
    return frame
  }
  const db = await snaplight.open({ name: 'hostile', memory: true, network: { id: 1, genesisHash: `0x${'07'.repeat(32)}` } })
  const socket = new Socket()
  const before = window.moduleMemory.buffer.byteLength
  const peer = db.addPeer(socket)
  // Without a name and a node id, of eth/69 and snap/1.
  const hello = bytes('80d20580cdc58365746845c684736e6170018080')
  const status = bytes(`10f84d4501a0${'07'.repeat(32)}c68400000000808001a0${'09'.repeat(32)}`)
  if (kind === 'Hello') {
    socket.deliver(long(10_000_000, [0x80, ...length24(10_000_000 - 5)], 0x80))
  } else {
    socket.deliver(hello)
    if (kind === 'Status') {
      socket.deliver(long(10_000_000, [0x10, ...length24(10_000_000 - 5)], 0x80))
    } else {
      socket.deliver(status)
    }
  }
  if (kind === 'ignored') {
    const frame = long(10 * MIB, [0x12, ...length24(10 * MIB - 5)], 0x80)
    for (let sent = 0; sent < 100; sent += 1) socket.deliver(frame)
  }
  if (kind === 'pings') for (let sent = 0; sent < 300_000; sent += 1) socket.deliver(Uint8Array.of(2, 0xc0))
  if (kind === 'proof' || kind === 'accounts') {
    db.sync(`0x${'ab'.repeat(32)}`).catch(() => {})
    while (!socket.sent.some((frame) => frame[0] === 0x22)) await window.turn()
    const request = socket.sent.find((frame) => frame[0] === 0x22)[3]
    socket.deliver(answer(0x23, request, kind === 'proof' ? 1_310_000 : 270_000, kind === 'proof' ? 0x80 : 0xc0, kind === 'proof'))
  }
  await peer.closed
  const after = window.moduleMemory.buffer.byteLength
  const fault = peer.stats.lastFault
  await db.close()
  return { before, after, fault }
}

test('what nobody wants costs no memory, and its sender the connection', async () => {
  for (const [kind, fault] of [
    ['Hello', /frame of 10000000 bytes/],
    ['Status', /frame of 10000000 bytes/],
    ['ignored', /nobody asked for/],
    ['pings', /nobody asked for/],
    ['proof', /more than was asked for/],
    ['accounts', /does not decode/],
  ]) {
    await world.context.addInitScript(watchMemory)
    const page = await world.page()
    const seen = await page.evaluate(deliver, kind)
    assert.match(seen.fault, fault, kind)
    assert.ok(seen.after < MOST, `${kind}: ${seen.after} bytes`)
    assert.ok(seen.after - seen.before < 2 * MIB, `${kind}: ${seen.before} bytes grew to ${seen.after}`)
    console.log(`${kind}: the module had ${seen.before / MIB} MiB and has ${seen.after / MIB} MiB`)
    await page.close()
  }
})
