/**
 * The same in Chromium and in Firefox, in turns: a sync of a state with contracts from two peers, in
 * the page and in a worker, and reads of what it has stored.
 *
 * `node bench/browsers.mjs [--realistic=300000] [--runs=5] [--json=FILE]`
 */

import { writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { launch } from '../browser.mjs'
import { launchFirefox } from '../firefox.mjs'
import { realistic, withPeers } from './states.mjs'
import { openTab } from './tab.mjs'
import { count, median, progress, row, spread, title } from './tables.mjs'

const BROWSERS = { Chromium: launch, Firefox: launchFirefox }
const THREADS = ['page', 'worker']
/** Accounts that are read after each sync. */
const READS = 2_000
const BAR = '2 or less'

const { values: options } = parseArgs({
  options: { realistic: { type: 'string', default: '300000' }, runs: { type: 'string', default: '5' }, json: { type: 'string' } },
})
const runs = Number(options.runs)
const state = realistic(Number(options.realistic))
const result = { machine: { cores: cpus().length, model: cpus()[0]?.model, node: process.version }, date: new Date().toISOString(), runs: [] }

// With a chain, since only then a peer says what its accounts are.
await withPeers(state, { chain: true }, async (peers) => {
  const [peer] = peers
  const addresses = (await peer.sample(READS)).sample.map(({ address }) => address)
  const setting = { urls: peers.map(({ url }) => url), root: peer.root, network: { id: peer.networkId, genesisHash: peer.genesisHash }, addresses }
  for (let run = 1; run <= runs; run++) {
    for (const thread of THREADS) {
      // Whoever begins has the colder machine.
      const order = run % 2 === 0 ? Object.entries(BROWSERS).reverse() : Object.entries(BROWSERS)
      for (const [browser, start] of order) {
        const found = await once(start, { ...setting, thread })
        if (found.report.accounts !== peer.accounts) throw new Error(`${browser} synced ${found.report.accounts} of ${peer.accounts} accounts`)
        progress(`run ${run}, ${thread}, ${browser}: ${(found.report.elapsedMs / 1000).toFixed(2)} s; many reads ${count(found.many)} ms, one by one ${count(found.single)} ms`)
        result.runs.push({ run, thread, browser, ...found })
      }
    }
  }
})

title(`Chromium and Firefox in turns, ${state.heading}, two peers, ${runs} runs: median (from, to)`)
for (const thread of THREADS) {
  compare(`a sync in the ${thread} (s)`, thread, ({ report }) => report.elapsedMs / 1000, BAR)
  compare('  of that, hashing and proving', thread, ({ report }) => report.hashingMs / 1000)
  compare('  waiting for storage', thread, ({ report }) => report.storageMs / 1000)
  compare('  waiting for peers', thread, ({ report }) => report.waitingMs / 1000)
  if (result.runs[0].cpu) compare('  processor time of the whole browser', thread, ({ cpu }) => cpu.all)
  compare(`  ${count(READS)} accounts read at once after it (s)`, thread, ({ many }) => many / 1000)
  compare('  the same accounts one after another', thread, ({ single }) => single / 1000)
}
if (options.json) writeFileSync(options.json, `${JSON.stringify(result, null, 2)}\n`)

/** One sync in a browser with an empty profile. */
async function once(start, setting) {
  const tab = await openTab({ start })
  try {
    return await tab.measured(syncAndRead, setting)
  } finally {
    await tab.close()
  }
}

/** A figure of both browsers, and how many times Chromium's Firefox's is: the median of the turns. */
function compare(what, thread, pick, bar) {
  const of = (wanted) => result.runs.filter((one) => one.thread === thread && one.browser === wanted).map(pick)
  const [chromium, firefox] = [of('Chromium'), of('Firefox')]
  const times = median(firefox.map((figure, at) => figure / chromium[at]))
  row(`${what}: Chromium ${spread(chromium)}, Firefox ${spread(firefox)}`, `${times.toFixed(2)} x`, bar)
}

/** Runs in the page, so it can use nothing from outside. */
async function syncAndRead({ urls, root, network, addresses, thread }) {
  const { open } = await import('snaplight')
  const { openInWorker } = await import('snaplight/worker')
  const opening = (name) => (thread === 'page' ? open({ name, network }) : openInWorker(undefined, { name, network }))
  const db = await opening('browsers')
  for (const url of urls) db.addPeer(url)
  const report = await db.sync(root)
  await db.close()
  /** Opened anew each time, so that nothing is in the cache. */
  const timed = async (read) => {
    const again = await opening('browsers')
    const began = performance.now()
    await read(again)
    const took = performance.now() - began
    await again.close()
    return took
  }
  const many = await timed((again) => Promise.all(addresses.map((address) => again.getAccount(address))))
  const single = await timed(async (again) => {
    for (const address of addresses) await again.getAccount(address)
  })
  return { report, many, single }
}
