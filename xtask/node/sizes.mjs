/**
 * Prints how large the package is, raw and compressed with brotli, as servers send it: its files,
 * and what an app ships of it, bundled and minified. With `--check` it fails if something is larger
 * than a release may be.
 */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { brotliCompressSync, constants } from 'node:zlib'
import { ROOT } from './serve.mjs'

/** The largest that the module, and the provider with what follows a chain, may be, in bytes. */
export const SIZE_BARS = { module: 190_000, provider: 6_000 }

/**
 * The largest that a release may be, brotli, by file or bundle: a few percent more than when this was
 * written, so that a release that weighs more is somebody's decision.
 */
const LIMITS = {
  'wasm/snaplight_bg.wasm': 205_000,
  'snaplight': 25_000,
  'snaplight, snaplight/provider': 27_600,
  'snaplight/worker, the page': 20_200,
  'snaplight/worker, the worker': 15_400,
}

export const SHIPPED = ['wasm/snaplight_bg.wasm', 'wasm/snaplight.js', 'snaplight.js', 'worker.js']

/** What apps import. */
const APPS = {
  'snaplight': "import { open } from 'snaplight'; globalThis.app = { open }",
  'snaplight, snaplight/provider': "import { open } from 'snaplight'; import { createProvider } from 'snaplight/provider'; globalThis.app = { open, createProvider }",
  'snaplight/worker, the page': "import { openInWorker } from 'snaplight/worker'; globalThis.app = { openInWorker }",
  'snaplight/worker, the worker': "import 'snaplight/worker-entry'",
}
const WITH_PROVIDER = 'snaplight, snaplight/provider'

/**
 * Parts of the second app. A part's weight is what the bundle loses without its files. What the
 * shared files have because of a part, such as a method of the database, is not counted: it is a
 * few lines that call into the part. Reads on demand are loaded when the first one is needed.
 */
const PARTS = {
  'provider': { without: /^(provider\.js|lib\/eip1193\/)/ },
  'follow': { without: /^lib\/(follow|new-heads)(\.js|\/)/ },
  'provider with follow': { without: /^(provider\.js|lib\/eip1193\/|lib\/(follow|new-heads)(\.js|\/))/ },
  'watch': { without: /^lib\/watch(\.js|\/)/ },
  'reads on demand, loaded later': { without: /^lib\/on-demand(\.js|\/)/, lazy: true },
}

/** @returns {{file: string, raw: number, brotli: number}} sizes in bytes */
export function sizeOf(file) {
  return { file, ...weight(readFileSync(join(ROOT, 'pkg', file))) }
}

/**
 * What an app ships, and what parts of the package add to it.
 * @returns {Promise<{name: string, raw: number, brotli: number}[][]>} apps and parts, in bytes
 */
export async function bundleSizes() {
  // Not before, because whoever asks for the size of a file needs no bundler.
  const { appBundle } = await import('./bundle.mjs')
  const weightOf = async (name, options) => weight(await appBundle(APPS[name], options))
  const [apps, parts] = [[], []]
  for (const name of Object.keys(APPS)) apps.push({ name, ...(await weightOf(name)) })
  for (const [name, { without, lazy }] of Object.entries(PARTS)) {
    const whole = await weightOf(WITH_PROVIDER, { lazy })
    const rest = await weightOf(WITH_PROVIDER, { lazy, without })
    parts.push({ name, raw: whole.raw - rest.raw, brotli: whole.brotli - rest.brotli })
  }
  return [apps, parts]
}

function weight(bytes) {
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length }
  return { raw: bytes.length, brotli: brotliCompressSync(bytes, { params }).length }
}

if (import.meta.filename === process.argv[1]) {
  const files = SHIPPED.map((file) => ({ name: file, ...sizeOf(file) }))
  table('pkg/', files, { 'wasm/snaplight_bg.wasm': SIZE_BARS.module })
  const [apps, parts] = await bundleSizes()
  table('bundled and minified', apps)
  table('of that with the provider', parts, { 'provider with follow': SIZE_BARS.provider })
  const heavy = [...files, ...apps].filter(({ name, brotli }) => brotli > LIMITS[name])
  for (const { name, brotli } of heavy) console.log(`\n  ${name} is ${brotli} bytes, and may be ${LIMITS[name]}: see LIMITS in sizes.mjs`)
  if (process.argv.includes('--check') && heavy.length > 0) process.exitCode = 1
}

function table(title, rows, bars = {}) {
  console.log(`\n  ${title.padEnd(32)}         raw      brotli`)
  for (const { name, raw, brotli } of rows) {
    console.log(`  ${name.padEnd(32)} ${number(raw)} ${number(brotli)}${bars[name] ? `  (bar ${bars[name].toLocaleString('en')})` : ''}`)
  }
}

function number(bytes) {
  return bytes.toLocaleString('en').padStart(11)
}
