/**
 * Figures of a wallet whose set of 120 keys is on disk, in headless Chromium:
 *
 * - the first proven balance of a cold page, from the navigation, stage by stage.
 *
 * `node bench/wallet.mjs [--runs=20] [--only=first] [--json=FILE]`
 */

import { writeFileSync } from 'node:fs'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { launch } from '../browser.mjs'
import { Chain, addressOf, contractOf, startProvider, word } from '../provider.mjs'
import { ROOT, serve } from '../serve.mjs'
import { progress, row, title } from './tables.mjs'

const BARS = { first: '150 or less' }
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

/** The ways in which a page loads the package, and whether its browser has just been started. */
async function firstBalances() {
  const modules = ['snaplight.js', ...(await readdir(join(ROOT, 'pkg/lib'))).filter((name) => name.endsWith('.js')).map((name) => `lib/${name}`), 'wasm/snaplight.js']
  const hints = [
    ...modules.map((name) => `<link rel="modulepreload" href="/pkg/${name}">`),
    '<link rel="preload" as="fetch" crossorigin href="/pkg/wasm/snaplight_bg.wasm">',
  ].join('\n')
  const server = await serve({ files: { '/plain.html': walletPage(''), '/hints.html': walletPage(hints) } })
  const profile = await mkdtemp(join(tmpdir(), 'snaplight-wallet-'))
  const found = {}
  try {
    await fill(server, profile)
    for (const restarted of [true, false]) {
      for (const way of ['plain', 'hints']) {
        progress(`${way}, browser ${restarted ? 'restarted' : 'running'}`)
        found[`${way}, ${restarted ? 'browser just started' : 'new page of a running browser'}`] = await measured(`${server.origin}/${way}.html`, profile, restarted)
      }
    }
  } finally {
    await server.close()
    await rm(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 })
  }
  for (const [way, figures] of Object.entries(found)) {
    row(`first proven balance, ${way}, from the navigation (ms)`, spread(figures.map(({ balance }) => balance)), BARS.first)
    const stages = Object.keys(figures[0])
    row(`  ${stages.join(', ')}`, stages.map((stage) => median(figures.map((times) => times[stage])).toFixed(0)).join(', '))
  }
  return found
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

async function measured(url, profile, restarted) {
  const found = []
  let browser = await launch({ profile })
  for (let run = 0; run < runs; run++) {
    if (restarted && run > 0) {
      await browser.close()
      browser = await launch({ profile })
    }
    const page = await browser.context.newPage()
    await page.goto(url)
    const { value, error, ...times } = await (await page.waitForFunction(() => window.figures)).jsonValue()
    if (error || BigInt(value) !== chain.truth(address, [], chain.head).account.balance) throw new Error(error ?? `a wrong balance: ${value}`)
    found.push(times)
    await page.evaluate(() => window.db.close())
    await page.close()
  }
  await browser.close()
  return found
}

/** A wallet's page, which shows one balance. Times are since the navigation. */
function walletPage(hints) {
  return `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><title>wallet</title>
${hints}
<script>
const times = { script: performance.now() }
const instantiate = WebAssembly.instantiateStreaming
WebAssembly.instantiateStreaming = async (...args) => {
  times.fetching = performance.now()
  const made = await instantiate.apply(WebAssembly, args)
  times.compiled = performance.now()
  return made
}
</script>
<script type="module">
import { open } from '/pkg/snaplight.js'
times.loaded = performance.now()
try {
  const db = window.db = await open(${JSON.stringify({ name: NAME, network })})
  times.opened = performance.now()
  const { balance } = await db.getAccount('${address}')
  times.balance = performance.now()
  window.figures = { ...times, value: String(balance) }
} catch (error) {
  window.figures = { error: String(error?.message ?? error) }
}
</script>`
}

function median(numbers) {
  return [...numbers].sort((a, b) => a - b)[numbers.length >> 1]
}

function spread(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b)
  return `${median(sorted).toFixed(0)} (${sorted[0].toFixed(0)} to ${sorted.at(-1).toFixed(0)})`
}
