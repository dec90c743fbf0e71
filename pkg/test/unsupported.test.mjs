// If the module cannot run, `open` fails with a typed error.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { open } from '../snaplight.js'
import { NETWORK } from './support/database.mjs'

test('without SIMD: UnsupportedError, and nothing is loaded', async (t) => {
  t.mock.method(WebAssembly, 'validate', () => false)
  await assert.rejects(open({ network: NETWORK, memory: true }), { name: 'UnsupportedError', code: 'UNSUPPORTED', message: /SIMD/ })
})

test('the probe is a module that this engine, which has SIMD, accepts', async (t) => {
  const probe = t.mock.method(WebAssembly, 'validate')
  const db = await open({ network: NETWORK, memory: true }).catch(() => null)
  assert.equal(probe.mock.calls[0].result, true)
  await db?.close()
})
