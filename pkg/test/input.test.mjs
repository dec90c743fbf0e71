// Passes arguments of every form that the types allow, and checks the errors for all others.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  addressBytes, addressOrHashBytes, askedBy, databaseName, hashBytes, networkId, peerUrl, showTarget, slotBytes, slotKey, syncTarget, toHex,
  trackedAccounts, trackedBytes,
} from '../lib/input.js'

const misuse = (words) => (error) => {
  assert.equal(error.name, 'MisuseError')
  assert.equal(error.code, 'BAD_ARGUMENT')
  assert.match(error.message, words)
  return true
}

test('hashes and addresses: digits of either case, or bytes, and a copy of those', () => {
  const address = `0x${'aB'.repeat(20)}`
  assert.equal(toHex(addressBytes(address)), address.toLowerCase())
  const mine = new Uint8Array(32).fill(7)
  const taken = hashBytes(mine, 'root')
  mine.fill(0)
  assert.equal(toHex(taken), `0x${'07'.repeat(32)}`)
  assert.equal(addressOrHashBytes(address).length, 20)
  assert.equal(addressOrHashBytes(`0x${'ab'.repeat(32)}`).length, 32)
})

test('slots: numbers, digits and bytes all become 32 bytes, big-endian', () => {
  for (const slot of [258, 258n, '0x102', `0x${'0'.repeat(61)}102`, Uint8Array.of(...new Uint8Array(30), 1, 2)]) {
    assert.equal(toHex(slotBytes(slot)), `0x${'0'.repeat(61)}102`, String(slot))
  }
  assert.equal(toHex(slotBytes(2n ** 256n - 1n)), `0x${'ff'.repeat(32)}`)
})

test('an error names the argument, shows the value and says what is allowed', () => {
  assert.throws(() => hashBytes('0x12', 'root'), misuse(/^root must be a hash.*got "0x12"\.$/))
  assert.throws(() => hashBytes(`0x${'g'.repeat(64)}`, 'root'), misuse(/^root/))
  assert.throws(() => hashBytes('0x'.padEnd(5000, 'a'), 'root'), (error) => error.message.length < 300)
  assert.throws(() => addressBytes(new Uint8Array(21)), misuse(/a Uint8Array of 21 bytes/))
  for (const slot of [-1, -1n, 1.5, Number.NaN, 2 ** 60, 2n ** 256n, '258', '0x', `0x${'1'.repeat(65)}`, true, null, undefined, {}]) {
    assert.throws(() => slotBytes(slot), misuse(/^slot must be/), String(slot))
  }
  for (const id of [-1, 1.5, '1', 2n ** 64n, undefined]) assert.throws(() => networkId(id), misuse(/network/))
  for (const name of ['', 5, null]) assert.throws(() => databaseName(name), misuse(/^name/))
  for (const by of ['Hash', 'eth', '', null, 66, true]) assert.throws(() => askedBy(by), misuse(/^options\.by must be 'snap' or 'hash' or 'rpc'/))
  for (const url of ['peer.example', 'http://peer.example', '']) assert.throws(() => peerUrl(url, 'snap'), misuse(/^peer must be a ws: or wss: URL/))
  for (const url of ['peer.example', 'ftp://peer.example']) assert.throws(() => peerUrl(url, 'rpc'), misuse(/^peer must be a http:, https:, ws: or wss: URL/))
})

test('a provider is asked by rpc, its URL may be of HTTP, and everything else is asked by snap', () => {
  assert.equal(askedBy(undefined, { request() {} }), 'rpc')
  for (const target of ['wss://peer.example', {}, null, new Uint8Array(1)]) assert.equal(askedBy(undefined, target), 'snap')
  assert.equal(askedBy('hash', { request() {} }), 'hash')
  for (const url of ['http://rpc.example/', 'https://rpc.example/v1', 'ws://rpc.example/', 'wss://rpc.example/']) assert.equal(peerUrl(url, 'rpc'), url)
  assert.equal(peerUrl({}, 'rpc'), null)
})

test("a slot's key is given back as it came if it had 32 bytes, else as a number", () => {
  const whole = `0x${'0'.repeat(62)}0A`
  assert.equal(slotKey(whole), whole.toLowerCase())
  assert.equal(slotKey(new Uint8Array(32)), `0x${'0'.repeat(64)}`)
  assert.equal(slotKey(`0x${'0'.repeat(61)}0a`), whole.toLowerCase(), '63 digits are 32 bytes, as in go-ethereum')
  for (const [slot, key] of [[10, '0xa'], [10n, '0xa'], ['0x0a', '0xa'], ['0x000A', '0xa'], [0, '0x0']]) assert.equal(slotKey(slot), key)
})

test('a list of accounts and their parts crosses in bytes and comes back', () => {
  const [one, two, three] = [1, 2, 3].map((digit) => `0x${String(digit).repeat(40)}`)
  const slot = (number) => `0x${number.toString(16).padStart(64, '0')}`
  const bytes = trackedBytes([one, { address: two, slots: [1, 2n, '0x3'], code: true }, { address: three, slots: 'all' }, { address: one, code: true }])
  assert.deepEqual(trackedAccounts(bytes), [
    { address: one, slots: [], code: false },
    { address: two, slots: [slot(1), slot(2), slot(3)], code: true },
    { address: three, slots: 'all', code: false },
    { address: one, slots: [], code: true },
  ])
  assert.deepEqual(trackedBytes([{ address: one, slots: [], code: false }]), trackedBytes([one]))
  assert.deepEqual(trackedBytes([one], undefined, true), trackedBytes([one]))
  assert.equal(trackedBytes([{ address: one, slots: [] }, { address: two, code: false }], undefined, true).length, 0, 'no part is not the whole')
  assert.throws(() => trackedBytes(one), misuse(/^accounts must be an array/))
  assert.throws(() => trackedBytes([{ address: one, slots: 'some' }]), misuse(/^slots in accounts must be/))
  assert.throws(() => trackedBytes([{ address: one, slots: [-1] }]), misuse(/^slot must be/))
  assert.throws(() => trackedBytes([{ address: one, code: 1 }]), misuse(/^code in accounts must be a boolean/))
  assert.throws(() => trackedBytes([{ slots: [1] }]), misuse(/^address must be/))
})

test('a target is a root, a block or a header, and not two of them', () => {
  const hash = `0x${'ab'.repeat(32)}`
  assert.deepEqual(showTarget(syncTarget(hash)), { root: hash })
  assert.deepEqual(showTarget(syncTarget({ blockHash: hash })), { blockHash: hash })
  assert.deepEqual(showTarget(syncTarget({ header: '0xc0' })), { header: '0xc0' })
  assert.deepEqual(showTarget(syncTarget({ header: Uint8Array.of(0xc0), blockHash: hash })), { blockHash: hash })
  assert.deepEqual(showTarget(syncTarget({ header: { hash, number: '0x1' } })), { blockHash: hash })
  const [{ header }, mine] = [syncTarget({ header: { hash } }), { hash }]
  assert.notEqual(header, mine)
  for (const target of [{}, { root: hash, blockHash: hash }, { root: hash, header: '0xc0' }, { header: null }]) {
    assert.throws(() => syncTarget(target), misuse(/^target/), JSON.stringify(target))
  }
  assert.throws(() => syncTarget({ header: { number: '0x1' } }), misuse(/^target\.header\.hash must be a hash/))
  assert.throws(() => syncTarget({ header: { hash, number: 1n } }), misuse(/^target\.header must be plain JSON/))
  assert.throws(() => syncTarget({ header: '0xc' }), misuse(/^target\.header must be/))
})

test('an object that throws when it is converted to text can still be shown', () => {
  const hostile = { toString() { throw new Error('no') }, get [Symbol.toStringTag]() { throw new Error('no') } }
  assert.throws(() => addressBytes(hostile), misuse(/got \{ toString \}/))
  const never = () => { throw new Error('no') }
  assert.throws(() => addressBytes(new Proxy({}, { get: never, ownKeys: never })), misuse(/a value of type object/))
  assert.throws(() => addressBytes(Symbol('s')), misuse(/Symbol\(s\)/))
})
