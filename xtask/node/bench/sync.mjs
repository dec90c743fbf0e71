/** One full sync in headless Chromium with a profile on disk, measured. */

import { launch } from '../browser.mjs'
import { startPeers } from '../peers.mjs'
import { serve } from '../serve.mjs'

/**
 * @param {{accounts: number, contracts?: number, peers?: number, count?: boolean}} state `contracts`: the share of
 *   accounts that are contracts, 0 to 1; `count`: also count and read all records, which costs time that is not measured
 */
export async function measureSync({ accounts, contracts = 0, peers: many = 2, count = true }) {
  const peers = await startPeers(many, ['--accounts', String(accounts), '--contracts', String(contracts)])
  const server = await serve()
  const browser = await launch()
  try {
    const page = await browser.context.newPage()
    await page.goto(`${server.origin}/blank`)
    const [{ root, networkId, genesisHash }] = peers
    const setting = { urls: peers.map(({ url }) => url), root, network: { id: networkId, genesisHash }, count }
    const run = await page.evaluate(syncInPage, setting)
    if (run.report.accounts !== accounts) throw new Error(`synced ${run.report.accounts} of ${accounts} accounts`)
    return figures(run)
  } finally {
    await browser.close()
    await Promise.all([server.close(), ...peers.map((peer) => peer.stop())])
  }
}

/** Runs in the page, so it can use nothing from outside. */
async function syncInPage({ urls, root, network, count }) {
  const written = {}
  if (count) {
    // Every record that is ever written, also those replaced or deleted later.
    for (const method of ['put', 'add']) {
      const original = IDBObjectStore.prototype[method]
      IDBObjectStore.prototype[method] = function (...values) {
        written[this.name] = (written[this.name] ?? 0) + 1
        return original.apply(this, values)
      }
    }
  }
  const { open } = await import('snaplight')
  const db = await open({ name: 'bench', network })
  for (const url of urls) db.addPeer(url)
  const report = await db.sync(root)
  // The glue is one module per page: asking for it again answers the instance that has just worked.
  const { memory } = await (await import('/pkg/wasm/snaplight.js')).default()
  const memoryBytes = memory.buffer.byteLength
  await db.close()
  return count ? { report, memoryBytes, written, left: await readAll() } : { report, memoryBytes }

  /** Number and bytes of the records, store by store, of the only database there is. */
  async function readAll() {
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
    return left
  }
}

function figures({ report, written, memoryBytes, left }) {
  const { elapsedMs, accounts, slots } = report
  const times = {
    report,
    elapsedMs,
    rate: accounts / (elapsedMs / 1000),
    hashing: report.hashingMs / elapsedMs,
    storage: report.storageMs / elapsedMs,
    waiting: report.waitingMs / elapsedMs,
    memory: memoryBytes,
  }
  if (!written) return times
  const items = accounts + slots
  const sum = (stores, of) => Object.values(stores).reduce((total, store) => total + of(store), 0)
  const codeBytes = left.codes?.bytes ?? 0
  return {
    ...times,
    written,
    left,
    writtenPerThousand: sum(written, (puts) => puts) / (items / 1000),
    leftPerThousand: sum(left, ({ records }) => records) / (items / 1000),
    bytesPerItem: (sum(left, ({ bytes }) => bytes) - codeBytes) / items,
    codeBytes,
  }
}
