/**
 * Figures of a wallet whose set of 120 keys is on disk, in headless Chromium:
 *
 * - `first`: the first proven balance of a cold page, from the navigation, stage by stage;
 * - `blocks`: from a new block at the source until the set is proven in it, 100 ms of round trip away;
 * - `reads`: balances through `snaplight/provider`, one after another and many at once.
 *
 * `node bench/wallet.mjs [--runs=20] [--only=GROUP] [--json=FILE]`, after `cargo xtask build`.
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
import { distant } from './distance.mjs'
import { count, median, progress, row, spread, title } from './tables.mjs'
import { ACCOUNTS, CONTRACTS, NAME, SET as set, SLOTS, fill, networkOf } from './wallet-set.mjs'

const BARS = { first: '150 or less', block: '500 or less', page: '0.15 or less', worker: '0.3 or less' }
const STARTED = 'in a browser just started'
const RUNNING = 'in a running browser'
const UNCLEAN = 'in a running browser, after a visit that was not closed'
/** What a page has done, in this order; `fetched` is when the first bytes of the module are there. */
const STAGES = ['script', 'loaded', 'fetched', 'compiled', 'opened', 'balance']
/** A browser that has just been started is still busy with itself. */
const SETTLED_MS = 1_000
const ROUND_TRIP_MS = 100
/** Blocks that are timed, and as many before that are not. */
const BLOCKS = 10
/** Longer than Chromium remembers that a provider lets the page in (5 s), as blocks of Ethereum are. */
const BLOCK_MS = 5_500
/** Reads that are timed one by one, and ten times as many at once. */
const READS = 2_000
const AT_ONCE = 100

const { values: options } = parseArgs({ options: { runs: { type: 'string', default: '20' }, only: { type: 'string' }, json: { type: 'string' } } })
const runs = Number(options.runs)
const chain = await Chain.generate({ accounts: 2_000, contracts: CONTRACTS, slots: 100 })
const network = networkOf(chain)
const address = addressOf(7)
const result = {}

title(`a wallet's set of 120 keys, load ${loadavg()[0].toFixed(1)}`)
if (!options.only || options.only === 'first') result.first = await firstBalances()
if (!options.only || options.only === 'blocks') result.blocks = await blocks()
if (!options.only || options.only === 'reads') result.reads = await balances()
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
    await fill(chain, server, profile)
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
    row(`${way} (ms)`, spread(figures.map(({ balance }) => balance), 0), BARS.first)
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

/**
 * Each block changes a fifth of the set, and 100 other accounts. Source and provider are one node,
 * reached over lines of their own.
 */
async function blocks() {
  const provider = await startProvider(chain)
  const line = await distant(provider.http, ROUND_TRIP_MS)
  const server = await serve()
  const [http, ws] = [line.url(provider.http), line.url(provider.ws)]
  const ways = {
    'db.follow, heads and proofs over WebSockets': { source: ws, peer: ws },
    'db.follow, heads over a WebSocket, proofs over HTTP': { source: ws, peer: http },
    'db.sync({ blockHash }) over a WebSocket, from the call': { peer: ws },
    'db.sync({ blockHash }) over HTTP, from the call': { peer: http },
  }
  const found = {}
  const browser = await launch()
  try {
    for (const [way, { source, peer }] of Object.entries(ways)) {
      progress(way)
      const page = await browser.context.newPage()
      await page.goto(`${server.origin}/blank`)
      await page.evaluate(holdInPage, { network, set, source, peer, blockHash: chain.head.hash })
      const times = []
      for (let at = -2; at < BLOCKS; at++) {
        await new Promise((resolve) => setTimeout(resolve, BLOCK_MS))
        const { hash, atMs } = await newBlock()
        const provenMs = await page.evaluate(provenInPage, { hash, isFollowing: Boolean(source) })
        if (at >= 0) times.push(source ? provenMs.proven - atMs : provenMs.proven - provenMs.called)
      }
      await page.evaluate(() => window.db.close())
      await page.close()
      found[way] = times
      row(`${way} (ms)`, spread(times, 0), BARS.block)
    }
  } finally {
    await browser.close()
    await server.close()
    line.close()
    await provider.close()
  }
  return found
}

/** Makes a block. Resolves to its hash, and when it was there. */
async function newBlock() {
  let atMs
  const listener = () => (atMs = Date.now())
  chain.listeners.add(listener)
  const number = BigInt(chain.head.header.number) + 1n
  const changes = new Map(Array.from({ length: 100 }, (_, at) => [addressOf(100 + at), { balance: number }]))
  for (let at = 0; at < ACCOUNTS / 5; at++) changes.set(addressOf(at + 1), { balance: number })
  for (let at = 0; at < CONTRACTS; at++) changes.set(contractOf(at), { storage: new Map(Array.from({ length: SLOTS / 5 }, (_, slot) => [word(slot), number])) })
  const { hash } = await chain.block(changes)
  chain.listeners.delete(listener)
  return { hash, atMs }
}

async function holdInPage({ network, set, source, peer, blockHash }) {
  const { open } = await import('snaplight')
  const completed = (window.completed = new Map())
  const onEvent = ({ type, complete }) => {
    if (type === 'complete') completed.set(complete.block?.hash, Date.now())
  }
  const db = (window.db = await open({ network, memory: false, hold: 'set', name: `wallet ${Math.random()}`, onEvent }))
  db.addPeer(peer, { by: 'rpc' })
  const tracked = db.track(set)
  await db.sync({ blockHash })
  await tracked
  if (source) db.follow(source)
}

async function provenInPage({ hash, isFollowing }) {
  const called = Date.now()
  if (!isFollowing) await window.db.sync({ blockHash: hash })
  while (!window.completed.has(hash)) await new Promise((resolve) => setTimeout(resolve, 5))
  return { called, proven: window.completed.get(hash) }
}

/** Through the provider, with the database in the page, and in a worker. */
async function balances() {
  const server = await serve({ isolated: true })
  const profile = await mkdtemp(join(tmpdir(), 'snaplight-wallet-'))
  const found = {}
  try {
    await fill(chain, server, profile)
    const browser = await launch({ profile })
    for (const thread of ['page', 'worker']) {
      const page = await browser.context.newPage()
      await page.goto(`${server.origin}/blank`)
      const expected = chain.truth(address, [], chain.head).account.balance
      found[thread] = await page.evaluate(readInPage, { name: NAME, network, addresses: set.slice(0, ACCOUNTS), thread, reads: READS, atOnce: AT_ONCE, address, expected: `0x${expected.toString(16)}` })
      await page.close()
    }
    await browser.close()
  } finally {
    await server.close()
    await rm(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 })
  }
  for (const [thread, { times, ofDatabase, perSecond }] of Object.entries(found)) {
    row(`eth_getBalance, the database in the ${thread}: p50, p99 (ms)`, `${quantile(times, 0.5).toFixed(3)}, ${quantile(times, 0.99).toFixed(3)}`, BARS[thread])
    row('  of that, getAccount of the database: p50, p99 (ms)', `${quantile(ofDatabase, 0.5).toFixed(3)}, ${quantile(ofDatabase, 0.99).toFixed(3)}`)
    row(`  requests per second, ${AT_ONCE} in flight`, count(perSecond))
  }
  return found
}

/** Runs in the page. All accounts have been read before. */
async function readInPage({ name, network, addresses, thread, reads, atOnce, address, expected }) {
  const [{ open }, { openInWorker }, { createProvider }] = await Promise.all([import('snaplight'), import('snaplight/worker'), import('snaplight/provider')])
  const db = await (thread === 'worker' ? openInWorker(undefined, { name, network }) : open({ name, network }))
  const provider = createProvider(db)
  const ask = (of) => provider.request({ method: 'eth_getBalance', params: [of, 'latest'] })
  if ((await ask(address)) !== expected) throw new Error('a wrong balance')
  const nextTask = () => new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel()
    port1.onmessage = resolve
    port2.postMessage(0)
  })
  const timed = async (read) => {
    const times = []
    // The first half warms up.
    for (let at = -reads; at < reads; at++) {
      const started = performance.now()
      await read(addresses[(at + reads) % addresses.length])
      if (at >= 0) times.push(performance.now() - started)
      // Cached reads are microtasks. Without this, nothing else would ever run.
      await nextTask()
    }
    return times
  }
  const times = await timed(ask)
  const ofDatabase = await timed((of) => db.getAccount(of))
  const started = performance.now()
  let next = 0
  const asker = async () => {
    while (next < 10 * reads) await ask(addresses[next++ % addresses.length])
  }
  await Promise.all(Array.from({ length: atOnce }, asker))
  const perSecond = (10 * reads) / ((performance.now() - started) / 1000)
  await db.close()
  return { times, ofDatabase, perSecond }
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

function quantile(numbers, share) {
  return [...numbers].sort((a, b) => a - b)[Math.min(numbers.length - 1, Math.floor(numbers.length * share))]
}
