/**
 * Prints measurements as tables and writes them with `--json` as JSON: of a realistic state first,
 * and of plain accounts beside it.
 *
 * `node bench.mjs [--realistic=100000] [--accounts=1000000] [--runs=3] [--only=GROUP]
 * [--json=FILE]`
 *
 * Groups are kernel, sync, records, memory, heal, geth and size. `sync` and `heal` take turns with
 * go-ethereum where Go is installed. `geth` is kernel and sync compared with go-ethereum, and the
 * gateway.
 */

import { writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { GETHBENCH, gethbench } from './bench/geth.mjs'
import { measureHeals, printHeals } from './bench/heal.mjs'
import { kernel } from './bench/kernel.mjs'
import { contributors } from './bench/module.mjs'
import { measurePages } from './bench/pages.mjs'
import { printReads } from './bench/reads.mjs'
import { plain, realistic } from './bench/states.mjs'
import { measureMemory, measurePace, measureRecords, printMemory, printPace, printRecords } from './bench/sync.mjs'
import { LEGEND, count, mega, percent, row, title } from './bench/tables.mjs'
import { SHIPPED, sizeOf } from './sizes.mjs'

/** What must be reached, in words. For states, it is meant for plain accounts. */
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
/** A block's cost depends on what it changes. A larger state would only take longer to make. */
const HEALED_ACCOUNTS = 100_000
const RELAY_ACCOUNTS = 200_000
const IDLE_CLIENTS = 1_000

const { values: options } = parseArgs({
  options: {
    realistic: { type: 'string', default: '100000' },
    accounts: { type: 'string', default: '1000000' },
    runs: { type: 'string', default: '3' },
    only: { type: 'string' },
    json: { type: 'string' },
  },
})
const accounts = Number(options.accounts)
const runs = Number(options.runs)
const groups = ['kernel', 'sync', 'records', 'memory', 'heal', 'geth', 'size']
if (options.only && !groups.includes(options.only)) throw new Error(`--only must be one of ${groups.join(', ')}`)
const wanted = (...some) => !options.only || some.includes(options.only)

const states = [realistic(Number(options.realistic)), plain(accounts)]
const result = {
  machine: { cores: cpus().length, model: cpus()[0]?.model, node: process.version },
  date: new Date().toISOString(),
  options: { realistic: Number(options.realistic), accounts, runs },
}
const geth = Boolean(GETHBENCH)
const beside = geth ? ', in turns with go-ethereum' : ''

if (wanted('sync', 'records', 'memory', 'heal', 'geth')) console.log(LEGEND)
if (wanted('sync', 'geth')) {
  title(`full sync from two peers, headless Chromium, ${times(runs)}${beside}`)
  result.sync = await measurePace(states, runs)
  printPace(result.sync, BARS)
}
if (wanted('records')) {
  title(`records in IndexedDB after a sync from two peers, ${times(runs)}`)
  result.records = await measureRecords(states, runs)
  printRecords(result.records, BARS)
}
if (wanted('memory')) {
  title(`wasm memory: a state, and one of four times as many accounts, from one peer, ${times(runs)}`)
  result.memory = await measureMemory(states, runs)
  printMemory(result.memory, BARS)
}
if (wanted('heal')) {
  title(`blocks: healing, and a fresh sync of the same root, from one peer, ${times(runs)}${beside}`)
  result.heal = await measureHeals([states[0], plain(Math.min(accounts, HEALED_ACCOUNTS))], runs)
  printHeals(result.heal)
  title('reads, while nothing else is done and while blocks are healed')
  printReads(result.heal)
  title('pages of other sizes: 100,000 plain accounts, the engine alone, natively')
  result.pages = await measurePages()
  for (const { pageBytes, what, changed, pagesWritten, bytesWritten, pagesLeft, milliseconds } of result.pages) {
    const each = `${(pagesWritten / changed).toFixed(2)}, ${count(bytesWritten / changed)}`
    row(`${count(pageBytes)} bytes a page, ${what}: pages and bytes written per changed account`, each)
    row('  pages left, and milliseconds of processor time, the peers\' included', `${count(pagesLeft)}, ${count(milliseconds)}`)
  }
}
if (wanted('kernel', ...(geth ? ['geth'] : []))) {
  const compared = geth && wanted('geth')
  title(`verifying and hashing, in Node${compared ? ', and go-ethereum on the same answers, one core' : ''}`)
  result.kernel = await kernel(...(compared ? ['--geth', GETHBENCH] : []), ...(wanted('kernel') ? [] : ['--without-mpt']))
}
if (geth && wanted('geth')) {
  title('the gateway, between go-ethereum and a client, all on this machine')
  const relay = await gethbench('relay', '--accounts', String(Math.min(accounts, RELAY_ACCOUNTS)))
  const idle = await gethbench('idle', '--clients', String(IDLE_CLIENTS))
  result.gateway = { relay, idle }
  for (const [what, path] of Object.entries(relay)) {
    const { directBytesPerSecond, relayedBytesPerSecond, ratio, directClientCpuMsPerMB, gatewayCpuMsPerMB, webSocketClientCpuMsPerMB } = path
    row(`${what}: MB/s through it, and directly over RLPx`, `${mega(relayedBytesPerSecond)}, ${mega(directBytesPerSecond)}`)
    row('  through it / directly', ratio.toFixed(2), BARS.relay)
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

if (options.json) {
  writeFileSync(options.json, `${JSON.stringify(result, null, 2)}\n`)
  console.log(`\nall figures, also those of each run, are in ${options.json}`)
}

function times(runs) {
  return runs === 1 ? 'one run' : `${runs} runs`
}
