// After a trap in the module every promise rejects, every later call is refused, and nothing enters
// the module again. A trap ends the module for good, so each is made in a process of its own.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { succeeds } from './support/program.mjs'

const OVERFLOW = /call stack/
// Which one it is depends on what is read first in a memory that is nothing but ones.
const TRAP = /out of bounds|unreachable|indirect|null function|signature/

for (const [way, words] of Object.entries({
  'in a call': TRAP,
  'in a spawned task': TRAP,
  'in the callback of a socket': TRAP,
  'in a timer': TRAP,
  'by an overflow of the stack, in the callback of a socket': OVERFLOW,
  'by an overflow of the stack, in a spawned task': OVERFLOW,
})) {
  test(`a trap ${way} ends everything at once and for good`, async () => {
    const { crash, ...outcome } = JSON.parse(await succeeds('trap.mjs', way))
    assert.match(crash, words)
    assert.deepEqual(outcome, {
      sync: 'CRASHED',
      tracking: 'CRASHED',
      reads: ['CRASHED', 'CRASHED'],
      peer: 'fault',
      isSocketClosed: true,
      later: Array(6).fill('CRASHED'),
      phase: 'string',
      diagnosed: 'CRASHED',
      entered: 0,
      unhandled: [],
    })
  })
}
