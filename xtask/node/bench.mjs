/**
 * The figures, as a table and as JSON.
 *
 * `node bench.mjs [--accounts=1000000] [--runs=3] [--only=GROUP] [--json=FILE]`, groups: kernel, sync, records, memory,
 * heal, geth, size. `geth`, where Go is, runs kernel and sync as well: what is compared takes turns with go-ethereum.
 */

import { writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { GETHBENCH, gethbench, startSyncer } from './bench/geth.mjs'
import { measureHeals } from './bench/heal.mjs'
import { kernel } from './bench/kernel.mjs'
import { contributors } from './bench/module.mjs'
import { measurePages } from './bench/pages.mjs'
import { measureSync } from './bench/sync.mjs'
import { SHIPPED, sizeOf } from './sizes.mjs'

const MIB = 1024 * 1024
/** Bars, where there is one, in words. */
const BARS = {
  rate: '150,000 or more',
  records: '5 or fewer',
  bytes: '64 or fewer',
  memory: '64 MiB, and at most 1.1 x',
  size: '150,000 or fewer',
  oneCore: '1.3 or more',
  relay: '0.7 or more',
  idle: '100 or fewer',
}
/** Cores that go-ethereum's syncer gets. */
const GETH_CORES = [1, 2]
const RELAY_ACCOUNTS = 200_000
const IDLE_CLIENTS = 1_000

const { values: options } = parseArgs({
  options: {
    accounts: { type: 'string', default: '1000000' },
    runs: { type: 'string', default: '3' },
    only: { type: 'string' },
    json: { type: 'string' },
  },
})
const accounts = Number(options.accounts)
const runs = Number(options.runs)
const groups = ['kernel', 'sync', 'records', 'memory', 'heal', 'geth', 'size']
if (options.only && !groups.includes(options.only)) throw new Error(`--only is one of ${groups.join(', ')}`)
const wanted = (group) => !options.only || options.only === group

const result = { machine: { cores: cpus().length, model: cpus()[0]?.model, node: process.version }, date: new Date().toISOString() }

/** Whether go-ethereum is measured beside us. */
const geth = wanted('geth') && Boolean(GETHBENCH)

if (wanted('kernel') || geth) {
  title(`verifying and hashing, in Node${geth ? ', and go-ethereum on the same answers, one core' : ''}`)
  result.kernel = await kernel(...(geth ? ['--geth', GETHBENCH] : []), ...(wanted('kernel') ? [] : ['--without-mpt']))
}
if (wanted('sync') || geth) {
  title(`full sync of ${count(accounts)} plain accounts from two peers, headless Chromium, ${runs} runs${geth ? ', in turns with go-ethereum’s' : ''}`)
  result.sync = await syncs()
  const { rate, hashing, storage, waiting, beside } = result.sync
  row('accounts per second', count(rate), BARS.rate)
  row('  hashing and proving', percent(hashing))
  row('  waiting for storage', percent(storage))
  row('  waiting for peers', percent(waiting))
  for (const { cores, rate, ratio } of beside ?? []) {
    row(`go-ethereum’s syncer, two peers in its process, Pebble, GOMAXPROCS=${cores}`, count(rate))
    row('  the tab is so many times as fast', ratio.toFixed(2), cores === 1 ? BARS.oneCore : '')
  }
}
if (wanted('records')) {
  title('records in IndexedDB')
  result.records = {}
  for (const [name, state] of Object.entries({
    [`${count(accounts)} plain accounts`]: { accounts },
    '360,000 plain accounts': { accounts: 360_000 },
    '200,000 accounts, 15 % contracts': { accounts: 200_000, contracts: 0.15 },
  })) {
    const run = await measureSync(state)
    result.records[name] = run
    row(`${name}: written per 1,000 accounts and slots`, run.writtenPerThousand.toFixed(2), BARS.records)
    row('  left at the end per 1,000', run.leftPerThousand.toFixed(2))
    row('  bytes of all keys and values per account and slot', run.bytesPerItem.toFixed(1), state.contracts ? '' : BARS.bytes)
    if (state.contracts) row('  bytes of codes besides', count(run.codeBytes))
  }
}
if (wanted('memory')) {
  title('wasm memory after the sync')
  const sizes = [accounts, 4 * accounts]
  result.memory = {}
  for (const size of sizes) result.memory[size] = (await measureSync({ accounts: size, peers: 1, count: false })).memory
  const [one, four] = sizes.map((size) => result.memory[size])
  sizes.forEach((size) => row(`${count(size)} accounts, MiB`, (result.memory[size] / MIB).toFixed(1), BARS.memory))
  row('  the second to the first', (four / one).toFixed(2))
}
if (wanted('heal')) {
  title('a block over 100,000 accounts: healing against a fresh sync of the same root')
  result.heal = await measureHeals()
  for (const { name, block, report, fresh } of result.heal.blocks) {
    const changed = block.changedNodeBytes + block.changedCodeBytes
    row(`${name}: bytes received to bytes of changed nodes and codes`, (report.received.bytes / changed).toFixed(2), fresh ? '' : '1.2 or less')
    if (fresh) row('  bytes received to those of a fresh sync', (report.received.bytes / fresh.received.bytes).toFixed(2), '1.1 or less')
    row('  bytes received, of nodes, and of ranges', [report.received, report.healing, report.ranges].map(({ bytes }) => count(bytes)).join(', '))
    row('  accounts, slots and nodes changed', `${count(block.changedAccounts)}, ${count(block.changedSlots)}, ${count(block.changedNodes)}`)
    row('  requests, and round trips one after another', `${report.requests}, ${report.roundTrips}`)
    row('  pages and bytes written per changed account', `${(report.pagesStored / block.changedAccounts).toFixed(2)}, ${count(report.bytesStored / block.changedAccounts)}`)
    row(fresh ? '  milliseconds, against the fresh sync' : '  milliseconds', [report, fresh].filter(Boolean).map(({ elapsedMs }) => count(elapsedMs)).join(', '))
  }
  for (const { thread, warm, idle, small, large } of result.heal.reads) {
    for (const [name, reads] of Object.entries({ idle, 'while blocks of 0.1 % are healed': small, 'while blocks of 10 % are healed': large })) {
      row(`${warm ? 'repeated' : 'first'} reads in the ${thread}'s thread, ${name}: p50, p99 in ms`, `${reads.p50.toFixed(2)}, ${reads.p99.toFixed(1)}`, reads === idle ? '' : `p50 within 2 x ${idle.p50.toFixed(2)}`)
      row('  a second, one after another', count(reads.perSecond))
    }
  }
}
if (wanted('heal')) {
  title('pages of other sizes: 100,000 plain accounts, the engine alone, natively')
  result.pages = await measurePages()
  for (const { pageBytes, what, changed, pagesWritten, bytesWritten, pagesLeft, milliseconds } of result.pages) {
    const each = `${(pagesWritten / changed).toFixed(2)}, ${count(bytesWritten / changed)}`
    row(`${count(pageBytes)} bytes a page, ${what}: pages and bytes written per changed account`, each)
    row('  pages left, and milliseconds of processor time, the peers\' included', `${count(pagesLeft)}, ${count(milliseconds)}`)
  }
}
if (geth) {
  title('the gateway, between go-ethereum and a client, all on this machine')
  const relay = await gethbench('relay', '--accounts', String(Math.min(accounts, RELAY_ACCOUNTS)))
  const idle = await gethbench('idle', '--clients', String(IDLE_CLIENTS))
  result.gateway = { relay, idle }
  for (const [what, path] of Object.entries(relay)) {
    const { directBytesPerSecond, relayedBytesPerSecond, ratio, directClientCpuMsPerMB, gatewayCpuMsPerMB, webSocketClientCpuMsPerMB } = path
    row(`${what}: MB/s through it, and directly over RLPx`, `${mega(relayedBytesPerSecond)}, ${mega(directBytesPerSecond)}`)
    row('  so many times as fast as directly', ratio.toFixed(2), BARS.relay)
    row('  CPU per MB: the gateway, a client of it, a direct client (ms)', [gatewayCpuMsPerMB, webSocketClientCpuMsPerMB, directClientCpuMsPerMB].map((ms) => ms.toFixed(1)).join(', '))
  }
  row(`memory per idle client, of ${count(idle.clients)} (kB)`, (idle.bytesPerClient / 1000).toFixed(0), BARS.idle)
}
if (wanted('size')) {
  title('size')
  const files = SHIPPED.map(sizeOf)
  result.size = { files, largest: contributors() }
  for (const { file, raw, brotli } of files) row(`${file}, brotli (raw ${count(raw)})`, count(brotli), file.endsWith('.wasm') ? BARS.size : '')
  for (const { name, bytes, share } of result.size.largest) row(`  ${name}`, `${count(bytes)} B, ${percent(share)}`)
}

const json = JSON.stringify(result, null, 2)
console.log(`\n${json}`)
if (options.json) {
  writeFileSync(options.json, `${json}\n`)
  console.log(`\nwritten to ${options.json}`)
}

/** The tab's syncs; where go-ethereum is measured beside them, each in turns with its own of the same state. */
async function syncs() {
  const syncer = geth ? await startSyncer(accounts) : undefined
  const [all, others] = [[], []]
  for (let at = 0; at < runs; at++) {
    const run = await measureSync({ accounts, count: false })
    console.log(`  run ${at + 1}: ${count(run.rate)} accounts/s, ${(run.elapsedMs / 1000).toFixed(1)} s`)
    all.push(run)
    if (!syncer) continue
    if (run.report.root !== syncer.root) throw new Error(`the tab has synced ${run.report.root}, go-ethereum syncs ${syncer.root}`)
    for (const cores of GETH_CORES) {
      const other = await syncer.sync(cores)
      console.log(`    go-ethereum, GOMAXPROCS=${cores}: ${count(other.accountsPerSecond)} accounts/s, ${other.seconds.toFixed(1)} s`)
      others.push({ ...other, ratio: run.rate / other.accountsPerSecond })
    }
  }
  await syncer?.stop()
  const beside = syncer && GETH_CORES.map((cores) => {
    const runs = others.filter((other) => other.cores === cores)
    // Of each turn by itself: what else the machine did then, it did to both.
    return { cores, runs, rate: median(runs.map((run) => run.accountsPerSecond)), ratio: median(runs.map((run) => run.ratio)) }
  })
  return { ...summary(all), ...(beside && { beside }) }
}

/** Medians of each figure by itself, with the extremes of the rate. */
function summary(all) {
  const middle = (of) => median(all.map(of))
  return {
    runs: all,
    rate: middle((run) => run.rate),
    slowest: Math.min(...all.map((run) => run.rate)),
    fastest: Math.max(...all.map((run) => run.rate)),
    hashing: middle((run) => run.hashing),
    storage: middle((run) => run.storage),
    waiting: middle((run) => run.waiting),
  }
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b)
  const half = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2
}

function title(text) {
  console.log(`\n${text}`)
}

function row(what, value, bar = '') {
  console.log(`  ${what.padEnd(76)} ${String(value).padStart(14)}   ${bar && `bar: ${bar}`}`)
}

function count(value) {
  return Math.round(value).toLocaleString('en')
}

function mega(bytes) {
  return (bytes / 1e6).toFixed(0)
}

function percent(share) {
  return `${(share * 100).toFixed(1)} %`
}
