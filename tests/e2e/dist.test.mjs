/** The package's bundles, as a page without a bundler loads them. */

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { serve } from '../../xtask/node/serve.mjs'
import { setUp } from './lib/harness.mjs'

const imports = Object.fromEntries(['snaplight', 'worker', 'provider'].map((name) => [name === 'snaplight' ? name : `snaplight/${name}`, `/pkg/dist/${name}.js`]))
const FILES = {
  '/dist.html': `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><script type="importmap">${JSON.stringify({ imports })}</script>`,
}
const NETWORK = { id: 1, genesisHash: `0x${'11'.repeat(32)}` }
const EMPTY_ROOT = '0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421'

const world = setUp()
let site
let cdn
before(async () => {
  site = await serve({ files: FILES })
  cdn = await serve({ shared: true })
})
after(() => Promise.all([site.close(), cdn.close()]))

test('a page loads three files and its worker one, and both open and read', async () => {
  const page = await world.open(`${site.origin}/dist.html`)
  const scripts = []
  page.on('request', (request) => request.url().endsWith('.js') && scripts.push(request.url().replace(/.*\/pkg\/|-[A-Z0-9]+\.js$/g, '')))
  const read = (specifier) => page.evaluate(async ({ specifier, network, root }) => {
    const { open, openInWorker } = await import(specifier)
    const db = await (openInWorker ? openInWorker(undefined, { name: 'in a worker', network }) : open({ network }))
    await db.sync(root)
    const { exists } = await db.getAccount(`0x${'12'.repeat(20)}`)
    await db.close()
    return exists
  }, { specifier, network: NETWORK, root: EMPTY_ROOT })
  assert.equal(await read('snaplight'), false)
  assert.deepEqual(scripts.splice(0).sort(), ['dist/shared', 'dist/shared', 'dist/snaplight.js'])
  assert.equal(await read('snaplight/worker'), false)
  assert.deepEqual(scripts.sort(), ['dist/worker-entry.js', 'dist/worker.js'])
  assert.deepEqual(page.uncaught, [])
})

test('the bundles share their classes, so that a provider takes a database, and an error is what it is called', async () => {
  const page = await world.open(`${site.origin}/dist.html`)
  const found = await page.evaluate(async ({ network, root }) => {
    const [{ open, MisuseError }, { openInWorker, MisuseError: same }, { createProvider }] = await Promise.all(['snaplight', 'snaplight/worker', 'snaplight/provider'].map((name) => import(name)))
    const error = await openInWorker(undefined, { network: null }).catch((error) => error)
    const db = await open({ network, memory: true })
    await db.sync(root)
    const balance = await createProvider(db).request({ method: 'eth_getBalance', params: [`0x${'12'.repeat(20)}`, 'latest'] })
    await db.close()
    return { balance, isSame: MisuseError === same, isMisuse: error instanceof MisuseError, name: error.name }
  }, { network: NETWORK, root: EMPTY_ROOT })
  assert.deepEqual(found, { balance: '0x0', isSame: true, isMisuse: true, name: 'MisuseError' })
  assert.deepEqual(page.uncaught, [])
})

test('from another origin the bundles start their worker from a Blob', async () => {
  const page = await world.open(`${site.origin}/dist.html`)
  const exists = await page.evaluate(async ({ from, network, root }) => {
    const { openInWorker } = await import(`${from}/pkg/dist/worker.js`)
    const db = await openInWorker(undefined, { network, memory: true })
    await db.sync(root)
    const { exists } = await db.getAccount(`0x${'12'.repeat(20)}`)
    await db.close()
    return exists
  }, { from: cdn.origin, network: NETWORK, root: EMPTY_ROOT })
  assert.equal(exists, false)
  assert.deepEqual(page.uncaught, [])
})
