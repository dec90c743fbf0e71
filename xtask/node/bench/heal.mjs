/** What a block costs: the same page syncs a state, then heals block after block, in headless Chromium. */

import { launch } from '../browser.mjs'
import { startPeer } from '../peers.mjs'
import { serve } from '../serve.mjs'

const ACCOUNTS = 100_000
/** Shares of everything that one block changes, small ones first. */
const SHARES = [0.001, 0.01, 0.1, 1]
/** Accounts read one after another to see how long a read takes. */
const READS = 400

/**
 * @returns {Promise<object[]>} for each share: what changed, what the heal received, asked, wrote and took, a fresh sync of the
 *   same root beside it, and how long reads took while it ran and before
 */
export async function measureHeals() {
  const peer = await startPeer(['--accounts', String(ACCOUNTS), '--chain'])
  const server = await serve()
  const browser = await launch()
  try {
    const page = await browser.context.newPage()
    await page.goto(`${server.origin}/blank`)
    const network = { id: peer.networkId, genesisHash: peer.genesisHash }
    await page.evaluate(begin, { url: peer.url, root: peer.root, network })
    const { accounts } = await peer.sample(READS)
    const addresses = accounts.map(({ address }) => address)
    const idle = await page.evaluate(readWhile, { addresses })
    const rows = []
    for (const share of SHARES) {
      const block = await peer.advance(share)
      const { report, reads } = await page.evaluate(readWhile, { addresses, root: block.stateRoot })
      const fresh = await page.evaluate(freshSync, { url: peer.url, root: block.stateRoot, network })
      rows.push({ share, block, report, reads, idle: idle.reads, fresh })
    }
    return rows
  } finally {
    await browser.close()
    await Promise.all([server.close(), peer.stop()])
  }
}

// What follows runs in the page, so it can use nothing from outside.

async function begin({ url, root, network }) {
  const { open } = await import('snaplight')
  window.db = await open({ name: 'heal', network })
  db.addPeer(url)
  await db.sync(root)
}

/** Reads accounts one after another, while a heal runs if a root is given. */
async function readWhile({ addresses, root }) {
  const times = []
  let report = null
  const healed = root && db.sync(root).then((found) => { report = found })
  let at = 0
  do {
    const started = performance.now()
    await db.getAccount(addresses[at++ % addresses.length])
    times.push(performance.now() - started)
    // Cached reads are microtasks: without this nothing else would ever run.
    await new Promise((resolve) => { const { port1, port2 } = new MessageChannel(); port1.onmessage = resolve; port2.postMessage(0) })
  } while (root ? !report : at < addresses.length)
  await healed
  times.sort((a, b) => a - b)
  const quantile = (share) => times[Math.min(times.length - 1, Math.floor(times.length * share))]
  const total = times.reduce((sum, time) => sum + time, 0)
  return { report, reads: { count: times.length, perSecond: times.length / (total / 1000), p50: quantile(0.5), p99: quantile(0.99) } }
}

async function freshSync({ url, root, network }) {
  const { open, deleteDatabase } = await import('snaplight')
  const other = await open({ name: 'fresh', network })
  other.addPeer(url)
  const report = await other.sync(root)
  await other.close()
  await deleteDatabase('fresh')
  return report
}
