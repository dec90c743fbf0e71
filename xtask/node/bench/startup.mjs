/**
 * The first read of a database that is there, from the navigation, in headless Chromium: by a page
 * and by its worker, from an app's bundle, from `pkg/dist` and from the files of `pkg/lib`, with
 * everything in the HTTP cache.
 *
 * `node bench/startup.mjs [--runs=10] [--only=TEXT] [--json=FILE]`, after `cargo xtask build`.
 * `--only`: the ways whose names have this text.
 */

import { writeFileSync } from 'node:fs'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { launch } from '../browser.mjs'
import { writeApp } from '../bundle.mjs'
import { DIST } from '../dist.mjs'
import { Chain, addressOf } from '../provider.mjs'
import { serve } from '../serve.mjs'
import { median, progress, row, spread, title } from './tables.mjs'
import { CONTRACTS, NAME, fill, networkOf } from './wallet-set.mjs'

const BARS = { page: '120 or less', worker: '180 or less' }
/** What a page has done, in this order. */
const STAGES = ['script', 'loaded', 'opened', 'read']
/** Visits that are not measured: they fill the HTTP cache, and the browser's caches of compiled code. */
const WARM_UP = 3

const { values: options } = parseArgs({ options: { runs: { type: 'string', default: '10' }, only: { type: 'string' }, json: { type: 'string' } } })
const runs = Number(options.runs)
const chain = await Chain.generate({ accounts: 2_000, contracts: CONTRACTS, slots: 100 })
const address = addressOf(7)
const balance = chain.truth(address, [], chain.head).account.balance

const found = {}
const ways = await pages()
const server = await serve({ cached: true, files: Object.fromEntries(Object.entries(ways).map(([way, html]) => [pathOf(way), html])) })
const profile = await mkdtemp(join(tmpdir(), 'snaplight-startup-'))
try {
  title(`the first read of a database that is there, load ${loadavg()[0].toFixed(1)}`)
  await fill(chain, server, profile)
  const browser = await launch({ profile })
  for (let run = -WARM_UP; run < runs; run++) {
    progress(run < 0 ? 'warming up' : `run ${run + 1} of ${runs}`)
    for (const way of Object.keys(ways)) {
      const times = await visit(browser, `${server.origin}${pathOf(way)}`)
      if (run >= 0) (found[way] ??= []).push(times)
    }
  }
  await browser.close()
} finally {
  await server.close()
  await rm(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 })
}
for (const [way, times] of Object.entries(found)) {
  row(`${way} (ms)`, spread(times.map(({ read }) => read), 0), BARS[way.split(',')[0]])
  row(`  ${STAGES.join(', ')}`, STAGES.map((stage) => median(times.map((stages) => stages[stage])).toFixed(0)).join(', '))
}
if (options.json) writeFileSync(options.json, `${JSON.stringify(found, null, 2)}\n`)

/** The pages by the way in which they load the package. */
async function pages() {
  const shared = (await readdir(DIST)).filter((name) => name.startsWith('shared-')).map((name) => `dist/${name}`)
  const ways = {}
  for (const [thread, name, specifier] of [['page', 'snaplight', 'snaplight'], ['worker', 'worker', 'snaplight/worker']]) {
    const inline = (file) => `<script type="module">${appOf(thread, `/pkg/${file}`)}</script>`
    const hints = [...shared, `dist/${name}.js`].map((file) => `<link rel="modulepreload" href="/pkg/${file}">`)
    hints.push('<link rel="preload" as="fetch" type="application/wasm" crossorigin href="/pkg/wasm/snaplight_bg.wasm">')
    await writeApp(`startup-${thread}`, appOf(thread, specifier))
    ways[`${thread}, bundled by the app`] = pageOf('', `<script type="module" src="/bundles/startup-${thread}.js"></script>`)
    ways[`${thread}, dist`] = pageOf('', inline(`dist/${name}.js`))
    ways[`${thread}, dist, preloaded`] = pageOf(hints.join(''), inline(`dist/${name}.js`))
    ways[`${thread}, lib`] = pageOf('', inline(`${name}.js`))
  }
  return Object.fromEntries(Object.entries(ways).filter(([way]) => way.includes(options.only ?? '')))
}

function pathOf(way) {
  return `/${way.replace(/\W+/g, '-')}.html`
}

function pageOf(hints, app) {
  return `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><title>startup</title>
<script>const times = { script: performance.now() }</script>${hints}
${app}`
}

/** Shows one balance. Times are since the navigation. */
function appOf(thread, from) {
  const call = thread === 'page' ? 'open(' : 'openInWorker(undefined, '
  return `
import { ${call.split('(')[0]} } from '${from}'
times.loaded = performance.now()
try {
  const db = window.db = await ${call}${JSON.stringify({ name: NAME, network: networkOf(chain) })})
  times.opened = performance.now()
  const { balance } = await db.getAccount('${address}')
  times.read = performance.now()
  window.figures = { ...times, value: String(balance) }
} catch (error) {
  window.figures = { error: String(error?.message ?? error) }
}
`
}

async function visit(browser, url) {
  const page = await browser.context.newPage()
  await page.goto(url)
  const { value, error, ...times } = await (await page.waitForFunction(() => window.figures)).jsonValue()
  if (error || BigInt(value) !== balance) throw new Error(error ?? `a wrong balance: ${value}`)
  await page.evaluate(() => window.db.close())
  await page.close()
  return times
}
