// What older browsers lack is a typed error that names it, and the versions that it and the README
// name are those that the shipped files need.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { BROWSERS, WORKER_BROWSERS, checkFeatures } from '../lib/features.js'
import { open } from '../snaplight.js'
import { openInWorker } from '../worker.js'
import { NETWORK } from './support/database.mjs'

const tools = createRequire(new URL('../../xtask/node/package.json', import.meta.url))
const read = (path) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
const folder = mkdtempSync(join(tmpdir(), 'snaplight-features-'))
after(() => rmSync(folder, { recursive: true }))

/** The features by the names of the error, and as wasm-opt names what belongs to them. */
const FEATURES = {
  SIMD: ['simd'],
  'reference types': ['reference-types'],
  'bulk memory': ['bulk-memory', 'bulk-memory-opt'],
  'multiple values': ['multivalue'],
  'saturating conversions': ['nontrapping-float-to-int'],
  'sign extension': ['sign-ext'],
}

const named = (...names) => names.map((name) => `${name} of WebAssembly`).join(', ')

/** The names and modules of the probes, in order. */
function probes(t) {
  const probe = t.mock.method(WebAssembly, 'validate', () => false)
  assert.throws(checkFeatures, ({ message }) => message.includes(`: ${named(...Object.keys(FEATURES))}. Use`))
  probe.mock.restore()
  return Object.keys(FEATURES).map((name, index) => [name, probe.mock.calls[index].arguments[0]])
}

/** Whether WebAssembly without these features takes the module. */
async function isTakenWithout(without, file) {
  const features = Object.entries(FEATURES).flatMap(([name, flags]) => (name === without ? [] : flags.map((flag) => `--enable-${flag}`)))
  const wasmOpt = fileURLToPath(new URL('../../xtask/node/node_modules/binaryen/bin/wasm-opt', import.meta.url))
  return promisify(execFile)(process.execPath, [wasmOpt, '--mvp-features', ...features, '--quiet', file, '-o', join(folder, 'unused.wasm')]).then(() => true, () => false)
}

test('without SIMD: UnsupportedError, and nothing is loaded', async (t) => {
  t.mock.method(WebAssembly, 'validate', () => false)
  const error = { name: 'UnsupportedError', code: 'UNSUPPORTED', message: `Snaplight needs what is missing here: ${named(...Object.keys(FEATURES))}. Use ${BROWSERS}.` }
  await assert.rejects(open({ network: NETWORK, memory: true }), error)
})

test('without WebAssembly: the same error', (t) => {
  const { WebAssembly: given } = globalThis
  t.after(() => {
    globalThis.WebAssembly = given
  })
  delete globalThis.WebAssembly
  assert.throws(checkFeatures, { code: 'UNSUPPORTED', message: `Snaplight needs what is missing here: WebAssembly. Use ${BROWSERS}.` })
})

test('one feature that is missing is the one that is named', (t) => {
  for (const [name, module] of probes(t)) {
    const { mock } = t.mock.method(WebAssembly, 'validate', (bytes) => String(bytes) !== String(module))
    assert.throws(checkFeatures, ({ message }) => message.includes(`: ${named(name)}. Use`), name)
    mock.restore()
  }
  checkFeatures()
})

test('each probe needs its feature', async (t) => {
  for (const [name, module] of probes(t)) {
    const file = join(folder, 'probe.wasm')
    writeFileSync(file, module)
    // wasm-opt takes a block with the index of a type for what it means. Older browsers refuse it.
    if (name !== 'multiple values') assert.equal(await isTakenWithout(name, file), false, name)
  }
})

test('the module uses the features that are probed, and no others', async () => {
  const file = fileURLToPath(new URL('../wasm/snaplight_bg.wasm', import.meta.url))
  for (const name of [null, ...Object.keys(FEATURES)]) assert.equal(await isTakenWithout(name, file), name === null, `without ${name}`)
})

test('the README, the error of a missing feature and that of missing storage name the same browsers', () => {
  const row = read('pkg/README.md').split('\n').find((line) => line.startsWith('| Browsers |'))
  const [chrome, firefox, worker, safari] = row.match(/Chrome (\d+).*Firefox (\d+).*?(\d+) for `snaplight\/worker`.*Safari ([\d.]+)/).slice(1)
  assert.equal(BROWSERS, `Chrome ${chrome}, Firefox ${firefox}, Safari ${safari} or newer`)
  assert.equal(WORKER_BROWSERS, `Chrome ${chrome}, Firefox ${worker}, Safari ${safari} or newer`)
  assert.ok(read('src/web/errors.rs').replace(/\\\s+/g, '').includes(BROWSERS))
})

/** esbuild always writes these in another way, because they grow with Unicode. `Surrogate` is an old one. */
const SUPPORTED = { 'regexp-unicode-property-escapes': true }

test('these browsers know the syntax of all shipped JavaScript', async () => {
  const esbuild = tools('esbuild-wasm')
  const targets = BROWSERS.match(/\w+ [\d.]+/g).map((browser) => browser.toLowerCase().replace(' ', ''))
  const written = async (target) => {
    const entryPoints = ['snaplight.js', 'worker.js', 'worker-entry.js', 'provider.js'].map((name) => fileURLToPath(new URL(`../${name}`, import.meta.url)))
    const { outputFiles } = await esbuild.build({ entryPoints, bundle: true, write: false, outdir: folder, format: 'esm', target, supported: SUPPORTED, logLevel: 'silent' })
    return outputFiles.map(({ text }) => text)
  }
  assert.deepEqual(await written(targets), await written('esnext'))
  esbuild.stop?.()
})

test('no method is called that is newer than these browsers', () => {
  // Of MDN's browser-compat-data: what came after Chrome 96, Firefox 96 or Safari 16.4 and is easily used.
  const newer =
    /\.(findLast|findLastIndex|toSorted|toReversed|toSpliced|with|throwIfAborted|isWellFormed|toWellFormed|transferToFixedLength|difference|intersection|union|isSubsetOf|isSupersetOf)\(|structuredClone|fromAsync|groupBy|withResolvers|Promise\.try|AbortSignal\.(any|timeout)|\bIterator\.|URL\.(parse|canParse)|Response\.json|scheduler\.|navigator\.userActivation|Uint8Array\.from(Hex|Base64)|\bSet\(.*\)\.(map|filter)|\.(keys|values|entries)\(\)\.(map|filter|find|some|every|reduce|forEach|take|drop|toArray)\(/
  const files = readdirSync(new URL('../', import.meta.url), { recursive: true }).filter((name) => /^(?!test|node_modules).*\.js$/.test(name))
  assert.ok(files.length > 40)
  // `Object.keys(...)` and the like give arrays.
  const found = files.flatMap((name) => read(`pkg/${name}`).split('\n').filter((line) => !/^\s*(\/\/|\*|\/\*)/.test(line) && newer.test(line)).map((line) => `${name}: ${line.trim()}`))
  assert.deepEqual(found, [])
})

test('where workers cannot be modules, openInWorker says so, and which browsers can', async (t) => {
  const { Worker: given } = globalThis
  t.after(() => {
    globalThis.Worker = given
  })
  /** As Firefox before 114: it does not ask for the type, and its script fails at the first import. */
  globalThis.Worker = class extends EventTarget {
    constructor() {
      super()
      setTimeout(() => this.dispatchEvent(Object.assign(new Event('error'), { message: 'SyntaxError: import declarations may only appear at top level of a module' })))
    }
    postMessage() {}
    terminate() {}
  }
  await assert.rejects(openInWorker(undefined, { network: NETWORK }), { name: 'UnsupportedError', code: 'UNSUPPORTED', message: /^Workers cannot be modules here: openInWorker needs Chrome 96, Firefox 114, .*\. Use open of snaplight/ })
})
