/**
 * Figures of a wallet whose set of 120 keys is on disk, in headless Chromium:
 *
 * - the first proven balance of a cold page, from the navigation, stage by stage.
 *
 * `node bench/wallet.mjs [--runs=20] [--only=first] [--json=FILE]`
 */

import { readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { launch } from '../browser.mjs'
import { writeApp } from '../bundle.mjs'
import { Chain, addressOf, contractOf, startProvider, word } from '../provider.mjs'
import { BUNDLES, ROOT, serve } from '../serve.mjs'
import { progress, row, title } from './tables.mjs'

const BARS = { first: '150 or less' }
const STARTED = 'in a browser just started'
const RUNNING = 'in a running browser'
const UNCLEAN = 'in a running browser, after a visit that was not closed'
/** What a page has done, in this order; `fetched` is when the first bytes of the module are there. */
const STAGES = ['script', 'loaded', 'fetched', 'compiled', 'opened', 'balance']
/** A browser that has just been started is still busy with itself. */
const SETTLED_MS = 1_000
const NAME = 'wallet'
const ACCOUNTS = 20
const CONTRACTS = 5
const SLOTS = 20

const { values: options } = parseArgs({ options: { runs: { type: 'string', default: '20' }, only: { type: 'string' }, json: { type: 'string' } } })
const runs = Number(options.runs)
const chain = await Chain.generate({ accounts: 2_000, contracts: CONTRACTS, slots: 100 })
const network = { id: chain.chainId, genesisHash: chain.genesisHash }
const address = addressOf(7)
/** 20 plain accounts, and 20 slots in each of 5 contracts. */
const set = [
  ...Array.from({ length: ACCOUNTS }, (_, at) => addressOf(at + 1)),
  ...Array.from({ length: CONTRACTS }, (_, at) => ({ address: contractOf(at), slots: Array.from({ length: SLOTS }, (_, slot) => word(slot)) })),
]
const result = {}

title(`a wallet's set of 120 keys, load ${loadavg()[0].toFixed(1)}`)
if (!options.only || options.only === 'first') result.first = await firstBalances()
if (options.json) writeFileSync(options.json, `${JSON.stringify(result, null, 2)}\n`)

/**
 * Each way of loading the package, in turns: by a page of a browser that was started a second
 * before, and by a new page of a browser that has run for a while. Nothing of the page is in an HTTP
 * cache, since the server allows none.
 */
async function firstBalances() {
  const ways = await pages()
  const server = await serve({ files: Object.fromEntries(Object.entries(ways).map(([way, { html }]) => [pathOf(way), html])) })
  const profile = await mkdtemp(join(tmpdir(), 'snaplight-wallet-'))
  const found = {}
  const measure = async (what, browser, way) => {
    const figures = await firstBalance(browser, `${server.origin}${pathOf(way)}`, what === UNCLEAN)
    ;(found[`${way}, ${what}`] ??= []).push(figures)
  }
  try {
    await fill(server, profile)
    progress('in a browser that was just started')
    for (let run = 0; run < runs; run++) {
      for (const way of Object.keys(ways)) {
        const browser = await launch({ profile })
        await new Promise((resolve) => setTimeout(resolve, SETTLED_MS))
        await measure(STARTED, browser, way)
        await browser.close()
      }
    }
    progress('in a browser that has run for a while')
    const browser = await launch({ profile })
    for (let run = 0; run < runs; run++) {
      for (const way of Object.keys(ways)) await measure(RUNNING, browser, way)
      await measure(UNCLEAN, browser, Object.keys(ways).at(-1))
    }
    await browser.close()
  } finally {
    await server.close()
    await rm(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 })
  }
  for (const [way, figures] of Object.entries(found)) {
    row(`${way} (ms)`, spread(figures.map(({ balance }) => balance)), BARS.first)
    row(`  ${STAGES.join(', ')}`, STAGES.map((stage) => median(figures.map((times) => times[stage])).toFixed(0)).join(', '))
  }
  return found
}

/** The pages by the way in which they load the package. */
async function pages() {
  const modules = ['snaplight.js', ...(await readdir(join(ROOT, 'pkg/lib'))).filter((name) => name.endsWith('.js')).map((name) => `lib/${name}`), 'wasm/snaplight.js']
  const module = preload('/pkg/wasm/snaplight_bg.wasm')
  await writeApp('wallet', appSource('snaplight'))
  const [wasm] = /snaplight_bg-\w+\.wasm/.exec(readFileSync(join(BUNDLES, 'wallet.js'), 'utf8'))
  return {
    modules: { html: pageOf('', `<script type="module">${appSource('/pkg/snaplight.js')}</script>`) },
    'modules, preloaded': {
      html: pageOf(`${modules.map((name) => `<link rel="modulepreload" href="/pkg/${name}">`).join('')}${module}`, `<script type="module">${appSource('/pkg/snaplight.js')}</script>`),
    },
    bundle: { html: pageOf('', '<script type="module" src="/bundles/wallet.js"></script>') },
    'bundle, wasm preloaded': { html: pageOf(preload(`/bundles/${wasm}`), '<script type="module" src="/bundles/wallet.js"></script>') },
  }
}

function pathOf(way) {
  return `/${way.replace(/\W+/g, '-')}.html`
}

function preload(wasm) {
  return `<link rel="preload" as="fetch" type="application/wasm" crossorigin href="${wasm}">`
}

/** Makes the database once. */
async function fill(server, profile) {
  const provider = await startProvider(chain)
  const browser = await launch({ profile })
  const page = await browser.context.newPage()
  await page.goto(`${server.origin}/blank`)
  await page.evaluate(fillInPage, { name: NAME, network, set, url: provider.http, blockHash: chain.head.hash })
  await browser.close()
  await provider.close()
}

async function fillInPage({ name, network, set, url, blockHash }) {
  const { open } = await import('snaplight')
  const db = await open({ name, network, hold: 'set' })
  db.addPeer(url, { by: 'rpc' })
  const tracked = db.track(set)
  await db.sync({ blockHash })
  await tracked
  await db.close()
}

async function firstBalance(browser, url, isUnclean) {
  const page = await browser.context.newPage()
  if (isUnclean) {
    await page.goto(new URL('/blank', url).href)
    await page.evaluate(forgetClosing, NAME)
  }
  await page.goto(url)
  const { value, error, ...times } = await (await page.waitForFunction(() => window.figures)).jsonValue()
  if (error || BigInt(value) !== chain.truth(address, [], chain.head).account.balance) throw new Error(error ?? `a wrong balance: ${value}`)
  // What a visit that was not closed leaves is rewritten before the page goes.
  if (isUnclean) await page.waitForFunction(() => window.recovered)
  await page.evaluate(() => window.db.close())
  await page.close()
  return times
}

/** Takes the mark of a closed visit away (`src/store/indexed_db/unclean_shutdown.rs`). */
async function forgetClosing(name) {
  const done = (request) => new Promise((resolve, reject) => Object.assign(request, { onsuccess: () => resolve(request.result), onerror: () => reject(request.error) }))
  const db = await done(indexedDB.open(name))
  const meta = db.transaction('meta', 'readwrite').objectStore('meta')
  const { clean, ...root } = await done(meta.get('root'))
  if (!clean) throw new Error('the visit before was not closed')
  await done(meta.put(root, 'root'))
  db.close()
}

/** A wallet that shows one balance. Times are since the navigation. */
function appSource(from) {
  return `
import { open } from '${from}'
times.loaded = performance.now()
try {
  const onEvent = ({ type }) => (window.recovered ||= type === 'recovered')
  const db = window.db = await open({ ...${JSON.stringify({ name: NAME, network })}, onEvent })
  times.opened = performance.now()
  const { balance } = await db.getAccount('${address}')
  times.balance = performance.now()
  window.figures = { ...times, value: String(balance) }
} catch (error) {
  window.figures = { error: String(error?.message ?? error) }
}
`
}

function pageOf(hints, app) {
  return `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><title>wallet</title>
${hints}
<script>
const times = { script: performance.now() }
const instantiate = WebAssembly.instantiateStreaming
WebAssembly.instantiateStreaming = async (...args) => {
  times.fetched = performance.now()
  const made = await instantiate.apply(WebAssembly, args)
  times.compiled = performance.now()
  return made
}
</script>
${app}`
}

function median(numbers) {
  return [...numbers].sort((a, b) => a - b)[numbers.length >> 1]
}

function spread(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b)
  return `${median(sorted).toFixed(0)} (${sorted[0].toFixed(0)} to ${sorted.at(-1).toFixed(0)})`
}
