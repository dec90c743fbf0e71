/**
 * Full syncs in a tab with an empty profile: their pace compared with go-ethereum's, their records
 * and their memory.
 */

import { GETH_CORES, columnsOf, plain, withPeers, withSyncer } from './states.mjs'
import { openTab } from './tab.mjs'
import { costs, count, medians, mega, pair, percent, progress, seconds, short } from './tables.mjs'

/** Other states whose number of records has a bar. */
const MORE_RECORDS = {
  '360,000 plain': plain(360_000),
  '200,000, 15 % contracts': plain(200_000, 0.15),
}
/** With this many times as many accounts, a state must not take more memory. */
const LARGER = 4

/** How long a sync or a heal took, and what it received. */
export const PACE = [
  { head: 's', text: (run) => seconds(run.seconds) },
  { head: 'items/s', text: (run) => count(run.itemsPerSecond) },
  { head: 'MB', text: (run) => mega(run.bytes) },
]
const RECORDS = [
  { head: 'wrote', text: (run) => short(run.writtenPerThousand) },
  { head: 'left', text: (run) => short(run.leftPerThousand) },
  { head: 'B/item', text: (run) => short(run.bytesPerItem) },
]

/**
 * Syncs in a tab from two peers. Where go-ethereum is measured, it takes turns with the tab on the
 * same state.
 *
 * @returns {Promise<object>} for each state by its name: all runs, and their medians
 */
export async function measurePace(states, runs) {
  const result = {}
  for (const state of states) {
    result[state.name] = await withPeers(state, {}, ([first, ...others]) =>
      withSyncer(2, (exported) => exported(first), async (syncer) => {
        const all = []
        for (let at = 1; at <= runs; at++) {
          const run = { tab: await syncOnce([first, ...others]), geth: {} }
          progress(`${state.heading}, run ${at}: ${describe(run.tab)}`)
          for (const cores of syncer ? GETH_CORES : []) {
            const other = await syncer.ask({ cores, state: 0 })
            progress(`  go-ethereum, GOMAXPROCS=${cores}: ${describe(other)}`)
            // Compared within each turn: what else the machine did then slowed both down.
            run.geth[cores] = { ...other, timesAsFast: other.seconds / run.tab.seconds }
          }
          all.push(run)
        }
        return { heading: state.heading, runs: all, median: medians(all) }
      }))
  }
  return result
}

export function printPace(result, bars) {
  const both = columnsOf(result)
  const of = (pick) => both.map(({ median }) => pick(median))
  costs(both, PACE, [
    { label: 'Snaplight in a tab', cells: of(({ tab }) => tab) },
    ...gethRows('', of(({ geth }) => geth)),
  ])
  console.log()
  pair('accounts a second', of(({ tab }) => count(tab.rate)), bars.rate)
  pair('  hashing and proving, of the time', of(({ tab }) => percent(tab.hashing)))
  pair('  waiting for storage', of(({ tab }) => percent(tab.storage)))
  pair('  waiting for peers', of(({ tab }) => percent(tab.waiting)))
  pair('requests, and round trips one after another', of(({ tab }) => `${count(tab.requests)}, ${count(tab.roundTrips)}`))
  for (const cores of GETH_CORES) {
    const geth = of(({ geth }) => geth[cores])
    if (geth.every((one) => !one)) continue
    pair(`how many times as fast as go-ethereum the tab is, GOMAXPROCS=${cores}`, geth.map((one) => one?.timesAsFast.toFixed(2)), cores === 1 ? bars.oneCore : '')
    pair('  go-ethereum’s accounts a second', geth.map((one) => one && count(one.accountsPerSecond)))
    if (geth.some((one) => one?.servingSeconds !== undefined)) {
      pair('  of its CPU seconds, those of its peers', geth.map((one) => short(one?.servingSeconds)))
    }
  }
}

/**
 * Rows of go-ethereum's measurements, for each state by the number of cores. Empty if it was not
 * measured.
 */
export function gethRows(indent, all) {
  return GETH_CORES.filter((cores) => all.some((geth) => geth?.[cores])).map((cores) => ({
    label: `${indent}go-ethereum, ${cores} core${cores === 1 ? '' : 's'}`,
    cells: all.map((geth) => geth?.[cores]),
  }))
}

/**
 * How many records and bytes IndexedDB is given and keeps: of each state, and of larger plain ones.
 */
export async function measureRecords(states, runs) {
  const measure = async (state) => {
    const all = await repeat(state, runs, {}, (peers) => syncOnce(peers, { records: true }))
    return { heading: state.heading, runs: all, median: medians(all) }
  }
  const result = { more: {} }
  for (const state of states) result[state.name] = await measure(state)
  for (const [label, state] of Object.entries(MORE_RECORDS)) result.more[label] = await measure({ ...state })
  return result
}

export function printRecords(result, bars) {
  const both = columnsOf(result)
  console.log('  wrote, left: records written, and left at the end, per 1,000 items; B/item: bytes of keys and values of all that are left, without codes')
  console.log(`  bars of plain accounts: wrote ${bars.records}; B/item ${bars.bytes}`)
  costs(both, RECORDS, [
    { label: 'first sync', cells: both.map(({ median }) => median) },
    ...Object.entries(result.more).map(([label, { median }]) => ({ label, cells: [undefined, median] })),
  ])
  console.log()
  pair('bytes of codes, not in the above', both.map(({ median }) => count(median.codeBytes)))
}

/** Memory after a sync of a state, and of a larger one of the same kind. */
export async function measureMemory(states, runs) {
  const result = {}
  for (const { name, make, accounts } of states) {
    const sizes = []
    for (const state of [make(accounts), make(LARGER * accounts)]) {
      const all = await repeat(state, runs, { peers: 1 }, (peers) => syncOnce(peers))
      sizes.push({ heading: state.heading, runs: all, median: medians(all) })
    }
    result[name] = { heading: sizes[0].heading, sizes }
  }
  return result
}

export function printMemory(result, bars) {
  const both = columnsOf(result)
  const [one, large] = [0, 1].map((at) => both.map(({ sizes }) => sizes[at].median))
  costs(both, PACE, [
    { label: 'one peer', cells: one },
    { label: `${LARGER} times as many accounts`, cells: large },
  ])
  console.log()
  pair('wasm memory of the larger state / of the smaller one', large.map(({ memory }, at) => (memory.end / one[at].memory.end).toFixed(2)), bars.memory)
}

async function repeat(state, runs, options, once) {
  return withPeers(state, options, async (peers) => {
    const all = []
    for (let at = 1; at <= runs; at++) {
      const run = await once(peers)
      progress(`${state.heading}, run ${at}: ${describe(run)}`)
      all.push(run)
    }
    return all
  })
}

function describe({ seconds: time, itemsPerSecond }) {
  return `${seconds(time)} s, ${count(itemsPerSecond)} items/s`
}

/**
 * One sync in a browser of its own. With `records`, it also counts and reads all records; the time
 * that this takes is not measured.
 */
async function syncOnce(peers, { records = false } = {}) {
  const tab = await openTab()
  try {
    const [{ root, networkId, genesisHash, accounts }] = peers
    const setting = { urls: peers.map(({ url }) => url), root, network: { id: networkId, genesisHash }, name: 'bench' }
    if (records) await tab.page.evaluate(countWrites)
    const run = await tab.measured(syncInPage, setting)
    if (run.report.accounts !== accounts) throw new Error(`synced ${run.report.accounts} of ${accounts} accounts`)
    return records ? { ...figures(run), ...recordFigures(run, await tab.page.evaluate(readRecords)) } : figures(run)
  } finally {
    await tab.close()
  }
}

/** A report in the form that rows of tables take. */
export function figures({ report, memory, cpu }) {
  const { elapsedMs, accounts, slots, received, requests, roundTrips } = report
  const time = elapsedMs / 1000
  return {
    seconds: time,
    items: accounts + slots,
    itemsPerSecond: (accounts + slots) / time,
    rate: accounts / time,
    bytes: received.bytes,
    hashing: report.hashingMs / elapsedMs,
    storage: report.storageMs / elapsedMs,
    waiting: report.waitingMs / elapsedMs,
    requests,
    roundTrips,
    memory,
    ...(cpu && { cpu }),
    report,
  }
}

function recordFigures({ report: { accounts, slots } }, { written, left }) {
  const items = accounts + slots
  const sum = (stores, of) => Object.values(stores).reduce((total, store) => total + of(store), 0)
  const codeBytes = left.codes?.bytes ?? 0
  return {
    written,
    left,
    writtenPerThousand: sum(written, (puts) => puts) / (items / 1000),
    leftPerThousand: sum(left, ({ records }) => records) / (items / 1000),
    bytesPerItem: (sum(left, ({ bytes }) => bytes) - codeBytes) / items,
    codeBytes,
  }
}

// Everything below runs in the page, so it can use nothing from outside.

/** Syncs into the database of this name, whatever is in it already. All peers are asked `by`. */
export async function syncInPage({ urls, by = 'snap', root, network, name }) {
  const { open } = await import('snaplight')
  const db = await open({ name, network })
  const memory = await window.watchMemory()
  for (const url of urls) db.addPeer(url, { by })
  const report = await db.sync(root)
  await db.close()
  return { report, memory: await memory.stop() }
}

/** Counts every record that is ever written, also those that are replaced or deleted later. */
function countWrites() {
  window.written = {}
  for (const method of ['put', 'add']) {
    const original = IDBObjectStore.prototype[method]
    IDBObjectStore.prototype[method] = function (...values) {
      window.written[this.name] = (window.written[this.name] ?? 0) + 1
      return original.apply(this, values)
    }
  }
}

/** The number and the bytes of the records of the only database. */
async function readRecords() {
  const promised = (request) =>
    new Promise((resolve, reject) => {
      request.onsuccess = () => resolve(request.result)
      request.onerror = () => reject(request.error)
    })
  const sizeOf = (value) => {
    if (value === undefined || value === null) return 0
    if (value.byteLength !== undefined) return value.byteLength
    if (typeof value === 'string') return value.length
    if (typeof value !== 'object') return 8
    return Object.values(value).reduce((sum, part) => sum + sizeOf(part), 0)
  }
  const found = (await indexedDB.databases()).find(({ name }) => name.includes('bench'))
  const database = await promised(indexedDB.open(found.name))
  const left = {}
  for (const name of database.objectStoreNames) {
    const sum = { records: 0, bytes: 0 }
    // A cursor, because a gigabyte does not fit into one getAll.
    await new Promise((resolve, reject) => {
      const request = database.transaction(name).objectStore(name).openCursor()
      request.onerror = () => reject(request.error)
      request.onsuccess = () => {
        const cursor = request.result
        if (!cursor) return resolve()
        sum.records++
        sum.bytes += sizeOf(cursor.key) + sizeOf(cursor.value)
        cursor.continue()
      }
    })
    left[name] = sum
  }
  database.close()
  return { written: window.written, left }
}
