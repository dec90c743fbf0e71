/**
 * What makes the module smaller as it is sent: the order of its functions, equal alignments, and
 * short names.
 */

import assert from 'node:assert/strict'
import test from 'node:test'
import { functionsOf, withNames } from '../../xtask/node/functions.mjs'
import { alignments } from '../../xtask/node/instructions.mjs'
import { byLikeness } from '../../xtask/node/likeness.mjs'
import { inSource, withoutHashes } from '../../xtask/node/rename.mjs'

/** A module that imports a function and has two of its own, with names. */
const MODULE = Buffer.from([
  ...[0, 97, 115, 109, 1, 0, 0, 0],
  ...[1, 4, 1, 96, 0, 0],
  ...[2, 7, 1, 1, 97, 1, 98, 0, 0],
  ...[3, 3, 2, 0, 0],
  ...[10, 8, 2, 2, 0, 11, 3, 0, 1, 11],
  ...[0, 18, 4, ...Buffer.from('name'), 1, 11, 3, 0, 1, 120, 1, 2, 121, 121, 2, 1, 122],
])

test('A function follows the one that it shares most with', () => {
  const bodies = ['the first of all functions', 'quite another thing', 'the first of most functions', 'quite another thought', 'short']
  assert.deepEqual(byLikeness(bodies.map((body) => Buffer.from(body))), [0, 2, 1, 3, 4])
})

test('All functions have a place, also those without anything in common, and none at all', () => {
  assert.deepEqual(byLikeness([1, 2, 3].map((byte) => Buffer.alloc(20, byte))), [0, 1, 2])
  assert.deepEqual(byLikeness([Buffer.alloc(0), Buffer.alloc(0)]), [0, 1])
  assert.deepEqual(byLikeness([]), [])
})

test('Functions are read and renamed, and the module stays the same otherwise', async () => {
  const { bodies, names, imported } = functionsOf(MODULE)
  assert.deepEqual(bodies.map((body) => [...body]), [[0, 11], [0, 1, 11]])
  assert.deepEqual([...names], [[0, 'x'], [1, 'yy'], [2, 'z']])
  assert.equal(imported, 1)
  const renamed = withNames(MODULE, (name) => `1 ${name}`)
  assert.deepEqual([...functionsOf(renamed).names.values()], ['1 x', '1 yy', '1 z'])
  assert.deepEqual(withNames(renamed, (name) => name.slice(2)), MODULE)
  await WebAssembly.compile(renamed)
})

test('The alignments of a function are found among all kinds of instructions', () => {
  const body = Buffer.from([
    ...[1, 2, 127], // two locals
    ...[0x02, 0x40, 0x41, 0x80, 0x7f, 0x28, 2, 0x80, 1], // block, i32.const -128, i32.load offset=128
    ...[0x0e, 1, 0, 0, 0x44, 1, 2, 3, 4, 5, 6, 7, 8], // br_table 0 0, f64.const
    ...[0xfd, 0, 3, 4, 0xfd, 13, ...Array(16).fill(0x28), 0xfd, 88, 1, 0, 5, 0xfd, 0xae, 1], // v128.load, shuffle, v128.store8_lane, i32x4.add
    ...[0xfc, 10, 0, 0, 0xfc, 0, 0x11, 0, 0, 0x20, 0x28, 0x37, 3, 8], // memory.copy, i32.trunc_sat, call_indirect, local.get 40, i64.store offset=8
    ...[0x0b, 0x0b],
  ])
  assert.deepEqual([...alignments(body)].map((at) => [at, body[at]]), [[9, 2], [27, 3], [49, 1], [67, 3]])
})

test('An instruction that is not known is an error', () => {
  assert.throws(() => [...alignments(Buffer.from([0, 0xfe, 0x0b]))], /the instruction fe is unknown/)
})

test('A name with a hash becomes a number in the module and in its JavaScript, and others stay', async () => {
  const old = '__wbg_send_0123456789abcdef'
  const module = (...names) => Buffer.from([
    ...[0, 97, 115, 109, 1, 0, 0, 0],
    ...[1, 4, 1, 96, 0, 0],
    ...section(2, names.flatMap((name) => [...text('a'), ...text(name), 0, 0])),
    ...section(7, [...text('open'), 0, 0, ...text(names[1]), 0, 1]),
  ])
  const section = (id, items) => [id, items.length + 1, 2, ...items]
  const text = (value) => [value.length, ...Buffer.from(value)]
  const { file, names } = withoutHashes(module('set', old))
  assert.deepEqual([...names], [[old, '$0']])
  assert.deepEqual(file, module('set', '$0'))
  await WebAssembly.compile(file)
  assert.equal(inSource(`set(); a.${old}(${old}x)`, names), `set(); a.$0(${old}x)`)
})
