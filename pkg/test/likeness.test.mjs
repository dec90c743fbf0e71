/** The order of the module's functions, by which it is sent in fewer bytes. */

import assert from 'node:assert/strict'
import test from 'node:test'
import { functionsOf, withNames } from '../../xtask/node/functions.mjs'
import { byLikeness } from '../../xtask/node/likeness.mjs'

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
