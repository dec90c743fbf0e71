// Loads the module from different sources.

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { open } from '../snaplight.js'
import { NETWORK } from './support/database.mjs'

const MODULE = new URL('../wasm/snaplight_bg.wasm', import.meta.url)

test('a source that is no module is a LoadError with the cause, and the next open may name another', async () => {
  const sources = [() => new Uint8Array([1, 2, 3]), () => new URL('file:///nowhere.wasm'), () => Promise.reject(new Error('offline'))]
  for (const source of sources) {
    const wasm = source()
    await assert.rejects(open({ network: NETWORK, memory: true, wasm }), (error) => {
      assert.deepEqual([error.name, error.code], ['LoadError', 'LOAD_FAILED'])
      assert.ok(error.cause instanceof Error)
      return true
    })
  }
  const db = await open({ network: NETWORK, memory: true, wasm: readFile(MODULE) })
  await db.close()
})
