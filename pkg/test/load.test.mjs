// Loads the module from different sources.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { test } from 'node:test'
import { open } from '../snaplight.js'
import { NETWORK } from './support/database.mjs'

const MODULE = new URL('../wasm/snaplight_bg.wasm', import.meta.url)

// The module is loaded once, so what fails comes first.
test('what a server gives in place of the module is named with its URL and what to do', async (t) => {
  const server = createServer((request, response) => {
    if (request.url === '/missing.wasm') response.writeHead(404).end()
    else response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end('<!doctype html>')
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.after(() => server.close())
  const url = `http://127.0.0.1:${server.address().port}`
  const loading = (wasm) => open({ network: NETWORK, memory: true, wasm })
  await assert.rejects(loading(`${url}/app.wasm`), { code: 'LOAD_FAILED', message: new RegExp(`HTML was served at ${url}/app.wasm; in Vite set optimizeDeps.*README.*open\\(\\{ wasm:`) })
  await assert.rejects(loading(`${url}/missing.wasm`), { code: 'LOAD_FAILED', message: new RegExp(`404 Not Found \\(${url}/missing.wasm\\)`) })
  server.closeAllConnections()
  server.close()
  await assert.rejects(loading(`${url}/app.wasm`), { code: 'LOAD_FAILED', message: new RegExp(`fetch failed \\(${url}/app.wasm\\)`) })
})

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
