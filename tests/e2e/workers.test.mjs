/**
 * Workers that end, that throw, that are of another origin, or that the page may not have. Every
 * way ends in an error of this package that says what to do, or works.
 */

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { appBundle } from '../../xtask/node/bundle.mjs'
import { serve } from '../../xtask/node/serve.mjs'
import { setUp } from './lib/harness.mjs'

const policy = (value) => `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><meta http-equiv="Content-Security-Policy" content="${value}">`

const FILES = {
  '/trusted.html': policy("require-trusted-types-for 'script'"),
  '/no-wasm.html': policy("script-src 'self' blob:"),
  '/no-workers.html': policy("worker-src 'none'"),
  '/framed.html': '<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><iframe sandbox="allow-scripts" src="/blank"></iframe>',
  '/silent.js': 'onmessage = () => {}',
  '/throws-first.js': "throw new Error('theirs')",
  // Serves, and has other code that throws when it is told to.
  '/serving.js': `import { serve } from '/pkg/worker.js'
    serve(self)
    onmessage = ({ data }) => { if (data === 'throw') throw new Error('theirs') }`,
  '/shared.js': `import { serve } from '/pkg/worker.js'
    onconnect = ({ ports: [port] }) => serve(port)`,
  '/service.js': `import { openInWorker } from '/pkg/worker.js'
    onmessage = async ({ data: network, ports: [port] }) => {
      const { name, code, message } = await openInWorker(undefined, { network }).catch((error) => error)
      port.postMessage({ name, code, message })
    }`,
}
const NETWORK = { id: 1, genesisHash: `0x${'11'.repeat(32)}` }
const EMPTY_ROOT = '0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421'
const SOME_ROOT = `0x${'ab'.repeat(32)}`

const world = setUp()
let site
let cdn
before(async () => {
  site = await serve({ files: FILES, shared: true })
  cdn = await serve({ shared: true })
})
after(() => Promise.all([site.close(), cdn.close()]))

/** A page of the site, with the package, and with what its tests share, in `window`. */
async function open(path = '/blank', from = site.origin) {
  const page = await world.open(site.origin + path)
  await furnish(page, from)
  return page
}

async function furnish(target, from) {
  await target.evaluate(async ({ from, network }) => {
    window.snaplight = await import(`${from}/pkg/worker.js`)
    window.network = network
    /** Opens in a worker, reads a proven absence, and answers what came of it. */
    window.tried = (worker, options = { network, memory: true }) => failure(async () => {
      const db = await snaplight.openInWorker(worker?.(), options)
      await db.sync('0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421')
      await db.getAccount('0x' + '12'.repeat(20))
      await db.close()
    })
  }, { from, network: NETWORK })
}

test('when its worker is terminated in the middle of a sync, everything rejects and another tab writes', async () => {
  const [page, other] = [await open(), await open()]
  await page.evaluate(async (root) => {
    window.worker = new Worker('/pkg/worker-entry.js', { type: 'module' })
    window.db = await snaplight.openInWorker(worker, { name: 'terminated', network, hold: 'set' })
    // Tracked first: a set of nothing is complete at once.
    window.ends = [db.track(['0x' + '12'.repeat(20)]), db.sync(root), db.watch('0x' + '12'.repeat(20)).next()].map((end) => failure(() => end))
  }, SOME_ROOT)
  const role = await other.evaluate(async () => {
    window.events = listen()
    window.db = await snaplight.open({ name: 'terminated', network, onEvent: events.onEvent })
    window.next = events.next('role')
    return db.role
  })
  assert.equal(role, 'follower')
  const ends = await page.evaluate(async () => {
    worker.terminate()
    const ended = await Promise.all(ends)
    const read = await failure(() => db.getAccount('0x' + '12'.repeat(20)))
    await db.close()
    return [...ended, read]
  })
  for (const [at, { name, code, message }] of ends.entries()) assert.deepEqual([at, name, code, /open the database again/.test(message)], [at, 'CrashError', 'CRASHED', true])
  assert.equal(await other.evaluate(() => next.then(({ role }) => role)), 'writer')
  assert.deepEqual([page.uncaught, other.uncaught], [[], []])
})

test('the database of a tab that was closed without close() ends in its SharedWorker, and another tab of it writes', async () => {
  const [page, other] = [await open(), await open()]
  const opened = (page) => page.evaluate(async () => {
    window.events = listen()
    const { port } = new SharedWorker('/shared.js', { type: 'module', name: 'shared' })
    window.db = await snaplight.openInWorker(port, { name: 'shared', network, onEvent: events.onEvent })
    window.next = events.next('role')
    return db.role
  })
  assert.deepEqual([await opened(page), await opened(other)], ['writer', 'follower'])
  await page.close()
  assert.equal(await other.evaluate(() => next.then(({ role }) => role)), 'writer')
  assert.equal(await other.evaluate(async (root) => (await db.sync(root)).root, EMPTY_ROOT), EMPTY_ROOT)
  assert.deepEqual(other.uncaught, [])
})

test('an uncaught error of other code in a worker does not end its databases', async () => {
  const page = await open()
  const found = await page.evaluate(async (root) => {
    const worker = new Worker('/serving.js', { type: 'module' })
    const db = await snaplight.openInWorker(worker, { name: 'theirs', network })
    const thrown = new Promise((resolve) => worker.addEventListener('error', resolve, { once: true }))
    worker.postMessage('throw')
    const { message } = await thrown
    const synced = await db.sync(root)
    await db.close()
    const again = await snaplight.open({ name: 'theirs', network, role: 'writer' })
    await again.close()
    worker.terminate()
    return { message, root: synced.root }
  }, EMPTY_ROOT)
  assert.match(found.message, /theirs/)
  assert.equal(found.root, EMPTY_ROOT)
})

test('a worker of ours ends with its last database, also when it could not be opened', async () => {
  const page = await open()
  const workers = []
  page.on('worker', (worker) => workers.push(new Promise((resolve) => worker.once('close', resolve))))
  const { code } = await page.evaluate(() => tried(undefined, { network, memory: true, wasm: '/nowhere.wasm' }))
  assert.equal(code, 'LOAD_FAILED')
  assert.equal((await page.evaluate(() => tried())).code, 'NO ERROR')
  assert.equal(workers.length, 2)
  await Promise.all(workers)
})

test('the page compiles the module while its worker starts, once for all its databases, and the worker fetches none', async () => {
  const page = await open()
  const requests = []
  page.on('request', (request) => request.url().endsWith('.wasm') && requests.push(request.url()))
  const codes = await page.evaluate(async () => {
    const worker = new Worker('/pkg/worker-entry.js', { type: 'module' })
    const codes = []
    for (const _ of 'ab') codes.push((await tried(() => worker)).code)
    worker.terminate()
    // What a page fetches is in its own list, and what its worker fetches is not.
    return [...codes, performance.getEntriesByType('resource').filter(({ name }) => name.endsWith('.wasm')).length]
  })
  assert.deepEqual(codes, ['NO ERROR', 'NO ERROR', 1])
  assert.deepEqual(requests, [`${site.origin}/pkg/wasm/snaplight_bg.wasm`])
  assert.deepEqual(page.uncaught, [])
})

test('where the page may compile no module, its worker fetches and compiles it', async () => {
  const page = await open('/no-wasm.html')
  const [compiled, { code, message }] = await page.evaluate(async () => [await failure(() => WebAssembly.compileStreaming(fetch('/pkg/wasm/snaplight_bg.wasm'))), await tried()])
  assert.match(compiled.message, /Content Security Policy/)
  assert.equal(code, 'NO ERROR', message)
  assert.deepEqual(page.uncaught, [])
})

test('a worker of a data URL takes the module that its page has compiled', async () => {
  const page = await open('/blank', cdn.origin)
  const script = `data:text/javascript,import ${JSON.stringify(`${cdn.origin}/pkg/worker-entry.js`)}`
  const { code, message } = await page.evaluate((script) => tried(() => new Worker(script, { type: 'module' })), script)
  assert.equal(code, 'NO ERROR', message)
  assert.deepEqual(page.uncaught, [])
})

test('a promise of a module that rejects is a LoadError, by a worker as in the page, and another one works later', async () => {
  const page = await open()
  const found = await page.evaluate(async () => {
    const worker = new Worker('/pkg/worker-entry.js', { type: 'module' })
    const offline = await tried(() => worker, { network, memory: true, wasm: Promise.reject(new Error('offline')) })
    const nowhere = await tried(() => worker, { network, memory: true, wasm: '/nowhere.wasm' })
    return [offline, nowhere, await tried(() => worker)]
  })
  assert.deepEqual(found.map(({ code }) => code), ['LOAD_FAILED', 'LOAD_FAILED', 'NO ERROR'])
  assert.match(found[0].message, /could not be loaded: offline/)
  assert.deepEqual(page.uncaught, [])
})

test('an error keeps its cause on the way out of a worker', async () => {
  const page = await open()
  const { code, cause } = await page.evaluate(() => tried(undefined, { network, memory: true, wasm: '/nowhere.wasm' }))
  assert.equal(code, 'LOAD_FAILED')
  assert.match(cause, /404|magic|MIME|HTTP/i)
})

test('from a CDN the worker is a Blob that imports the package’s script', async () => {
  const page = await open('/blank', cdn.origin)
  assert.equal((await page.evaluate(() => tried())).code, 'NO ERROR')
  assert.deepEqual(page.uncaught, [])
})

test('in a sandboxed frame a database in memory works in a worker, and one on disk says what to do', async () => {
  const page = await world.open(`${site.origin}/framed.html`)
  const frame = page.frames().find((frame) => frame.url().endsWith('/blank'))
  await furnish(frame, site.origin)
  const [memory, disk, inPage] = await frame.evaluate(async () => [
    await tried(), await tried(undefined, { network }), await failure(() => snaplight.open({ network })),
  ])
  assert.equal(memory.code, 'NO ERROR', memory.message)
  for (const { name, code, message } of [disk, inPage]) {
    assert.deepEqual([name, code], ['UnsupportedError', 'UNSUPPORTED'], message)
    assert.match(message, /allow-same-origin.*memory: true/)
  }
  assert.deepEqual(page.uncaught, [])
})

test('where Trusted Types are required, the error says so, and a worker made by the page’s own policy serves', async () => {
  const page = await open('/trusted.html')
  const [refused, served] = await page.evaluate(async () => {
    const policy = trustedTypes.createPolicy('theirs', { createScriptURL: (url) => url })
    return [await tried(), await tried(() => new Worker(policy.createScriptURL('/pkg/worker-entry.js'), { type: 'module' }))]
  })
  assert.deepEqual([refused.name, refused.code], ['LoadError', 'LOAD_FAILED'])
  assert.match(refused.message, /worker-entry\.js.*Trusted Types.*policy of your own.*README/)
  assert.match(refused.cause, /Trusted|Sink type/)
  assert.equal(served.code, 'NO ERROR', served.message)
})

test('a page that may have no workers gets a LoadError with the script and the policy to look at', async () => {
  const page = await open('/no-workers.html')
  const { name, code, message } = await page.evaluate(() => tried())
  assert.deepEqual([name, code], ['LoadError', 'LOAD_FAILED'])
  assert.match(message, /\/pkg\/worker-entry\.js.*worker-src/)
})

test('a script that is missing, and one that throws before it serves, are LoadErrors', async () => {
  const page = await open()
  const missing = await page.evaluate(() => tried(() => new Worker('/nowhere.js', { type: 'module' })))
  assert.deepEqual([missing.name, missing.code], ['LoadError', 'LOAD_FAILED'])
  assert.match(missing.message, /could not be loaded/)
  await page.route('**/worker-entry.js', (route) => route.fulfill({ status: 404 }))
  const ours = await page.evaluate(() => tried())
  assert.match(ours.message, /could not be loaded \(http.*\/pkg\/worker-entry\.js\)/)
})

test('a worker that does not serve is a LoadError when its time is over, with the last error of it', async () => {
  const page = await open()
  await page.clock.install()
  for (const [script, words] of [['/silent.js', /did not answer.*serve/], ['/throws-first.js', /did not answer.*theirs/]]) {
    await page.evaluate((script) => {
      window.worker = new Worker(script)
      window.failed = new Promise((resolve) => worker.addEventListener('error', resolve))
      window.outcome = tried(() => worker)
    }, script)
    if (script === '/throws-first.js') await page.evaluate(() => failed.then(() => {}))
    await page.clock.runFor(30_000)
    const { name, code, message } = await page.evaluate(() => outcome)
    assert.deepEqual([name, code], ['LoadError', 'LOAD_FAILED'])
    assert.match(message, words)
  }
})

test('in a service worker there is no Worker, which the error says', async () => {
  const page = await open()
  const { name, code, message } = await page.evaluate(async () => {
    const registration = await navigator.serviceWorker.register('/service.js', { type: 'module' })
    const { port1, port2 } = new MessageChannel()
    const answer = new Promise((resolve) => (port1.onmessage = ({ data }) => resolve(data)))
    const worker = registration.installing ?? registration.waiting ?? registration.active
    worker.postMessage(network, [port2])
    const found = await answer
    await registration.unregister()
    return found
  })
  assert.deepEqual([name, code], ['UnsupportedError', 'UNSUPPORTED'])
  assert.match(message, /service worker.*open of snaplight/)
})

test('a bundle that is no module does not know where its files are, and says what to pass', async () => {
  const bundle = Buffer.from(await appBundle("export { openInWorker, SnaplightError } from 'snaplight/worker'", { global: 'bundled' })).toString()
  const page = await open()
  await page.addScriptTag({ content: bundle })
  const [refused, served] = await page.evaluate(async () => {
    const tried = async (worker, options) => {
      const db = await bundled.openInWorker(worker, options).catch(({ name, code, message }) => ({ name, code, message }))
      await db.close?.()
      return db.close ? 'opened' : db
    }
    const options = { network, memory: true }
    return [await tried(undefined, options), await tried(new Worker('/pkg/worker-entry.js', { type: 'module' }), options)]
  })
  assert.deepEqual([refused.name, refused.code], ['LoadError', 'LOAD_FAILED'])
  assert.match(refused.message, /import\.meta\.url.*pass it to openInWorker/)
  assert.equal(served, 'opened')
})

test('junk on the channel of a database and to its worker is ignored by all tabs', async () => {
  const [page, other] = [await open(), await open()]
  const role = (page) => page.evaluate(async () => {
    window.db = await snaplight.openInWorker(window.worker = new Worker('/pkg/worker-entry.js', { type: 'module' }), { name: 'junk', network })
    return db.role
  })
  assert.deepEqual([await role(page), await role(other)], ['writer', 'follower'])
  const found = await page.evaluate(async (root) => {
    const channel = new BroadcastChannel('snaplight:junk')
    for (const junk of [null, 0, 'text', {}, { type: 'damaged' }, { protocol: 1, type: 'change' }, { protocol: 2, type: 'switched' }]) channel.postMessage(junk)
    for (const junk of [null, 'text', { type: 'snaplight:open' }, { type: 'snaplight:open', port: {} }]) worker.postMessage(junk)
    return (await db.sync(root)).root
  }, EMPTY_ROOT)
  assert.equal(found, EMPTY_ROOT)
  assert.equal(await other.evaluate(async () => (await db.getAccount('0x' + '12'.repeat(20))).exists).catch(({ message }) => message), false)
  assert.deepEqual([page.uncaught, other.uncaught], [[], []])
})
