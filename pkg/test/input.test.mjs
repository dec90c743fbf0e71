// Passes arguments of every form that the types allow, and checks the errors for all others.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addressBytes, addressOrHashBytes, askedBy, databaseName, hashBytes, networkId, peerUrl, slotBytes, toHex } from '../lib/input.js'

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
  for (const by of ['Hash', 'eth', '', null, 66, true]) assert.throws(() => askedBy(by), misuse(/^options\.by must be 'snap' .* or 'hash'/))
  for (const url of ['peer.example', 'http://peer.example', '']) assert.throws(() => peerUrl(url), misuse(/^socket must be a ws: or wss: URL/))
})

test('an object that throws when it is converted to text can still be shown', () => {
  const hostile = { toString() { throw new Error('no') }, get [Symbol.toStringTag]() { throw new Error('no') } }
  assert.throws(() => addressBytes(hostile), misuse(/a value of type object/))
  assert.throws(() => addressBytes(Symbol('s')), misuse(/Symbol\(s\)/))
})
