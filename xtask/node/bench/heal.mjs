/** What a block costs: the same page syncs a state, then heals block after block, in headless Chromium. */

import { launch } from '../browser.mjs'
import { startPeer } from '../peers.mjs'
import { serve } from '../serve.mjs'

const ACCOUNTS = 100_000
const THOUSANDTH = ACCOUNTS / 1000
/** Blocks that change a thousandth, each of them in one way. */
const KINDS = { values: `values=${THOUSANDTH}`, insertions: `insert=${THOUSANDTH}`, deletions: `delete=${THOUSANDTH}` }
/** Shares of everything that one block changes. */
const SHARES = [0.01, 0.1, 1]
/** Blocks of a thousandth during which reads are timed: one is over before many reads are. */
const READ_BLOCKS = 10
/** Accounts read one after another: as many as there are pages, so that most of the first ones have to be loaded. */
const READS = 400
/** Where the database lives: in the page's own thread, or in a worker that the page asks. */
const THREADS = ['page', 'worker']

/**
 * @returns {Promise<{blocks: object[], reads: object[]}>} `blocks`: for each, what it changed, what the heal received, asked,
 *   wrote and took, and for large ones a fresh sync of the same root beside it; `reads`: how long they took while nothing
 *   else was done and while blocks were healed
 */
export async function measureHeals() {
  const peer = await startPeer(['--accounts', String(ACCOUNTS), '--chain'])
  const server = await serve()
  const browser = await launch()
  try {
    const page = await browser.context.newPage()
    await page.goto(`${server.origin}/blank`)
    const setting = { url: peer.url, network: { id: peer.networkId, genesisHash: peer.genesisHash } }
    await page.evaluate(heal, { ...setting, root: peer.root })
    const blocks = []
    for (const [name, what] of Object.entries(KINDS)) {
      const block = await peer.advance(what)
      blocks.push({ name: `0.1 % ${name}`, block, report: await page.evaluate(heal, { ...setting, root: block.stateRoot }) })
    }
    for (const share of SHARES) {
      const block = await peer.advance(share)
      const report = await page.evaluate(heal, { ...setting, root: block.stateRoot })
      const fresh = await page.evaluate(freshSync, { ...setting, root: block.stateRoot })
      blocks.push({ name: `${share * 100} % of everything`, block, report, fresh })
    }
    const { sample } = await peer.sample(READS)
    const reading = { ...setting, addresses: sample.map(({ address }) => address) }
    const reads = []
    for (const thread of THREADS) {
      for (const warm of [false, true]) {
        const [idle, small, large] = [[], [], []]
        for (let at = 0; at < READ_BLOCKS; at++) {
          idle.push(await page.evaluate(read, { ...reading, thread, warm }))
          small.push(await page.evaluate(read, { ...reading, thread, warm, root: (await peer.advance(0.001)).stateRoot }))
        }
        for (let at = 0; at < 2; at++) large.push(await page.evaluate(read, { ...reading, thread, warm, root: (await peer.advance(0.1)).stateRoot }))
        reads.push({ thread, warm, idle: figures(idle), small: figures(small), large: figures(large) })
      }
    }
    return { blocks, reads }
  } finally {
    await browser.close()
    await Promise.all([server.close(), peer.stop()])
  }
}

/** Of several measurements together. */
function figures(all) {
  const times = all.flatMap(({ times }) => times).sort((a, b) => a - b)
  const quantile = (share) => times[Math.min(times.length - 1, Math.floor(times.length * share))]
  const seconds = all.reduce((sum, { elapsed }) => sum + elapsed, 0) / 1000
  return { count: times.length, perSecond: times.length / seconds, p50: quantile(0.5), p99: quantile(0.99) }
}

// What follows runs in the page, so it can use nothing from outside.

async function heal({ url, root, network }) {
  const { open } = await import('snaplight')
  const db = await open({ name: 'heal', network })
  db.addPeer(url)
  const report = await db.sync(root)
  await db.close()
  return report
}

/**
 * Reads accounts one after another from a database that was just opened, so that nothing is in memory yet, or (`warm`) after
 * all of them were read: each once, or while a heal runs if a root is given, as many as there is time for.
 */
async function read({ url, root, network, addresses, thread, warm }) {
  const [{ open }, { openInWorker }] = await Promise.all([import('snaplight'), import('snaplight/worker')])
  const worker = thread === 'worker' && new Worker('/pkg/worker-entry.js', { type: 'module' })
  const db = await (worker ? openInWorker(worker, { name: 'heal', network }) : open({ name: 'heal', network }))
  const peer = db.addPeer(url)
  while (peer.state !== 'ready') await new Promise((resolve) => setTimeout(resolve, 5))
  if (warm) await Promise.all(addresses.map((address) => db.getAccount(address)))
  const times = []
  let done = false
  const began = performance.now()
  const healed = root && db.sync(root).finally(() => (done = true))
  do {
    const started = performance.now()
    await db.getAccount(addresses[times.length % addresses.length])
    times.push(performance.now() - started)
    // Cached reads are microtasks: without this nothing else would ever run.
    await new Promise((resolve) => { const { port1, port2 } = new MessageChannel(); port1.onmessage = resolve; port2.postMessage(0) })
  } while (root ? !done : times.length < addresses.length)
  const elapsed = performance.now() - began
  await healed
  await db.close()
  if (worker) worker.terminate()
  return { times, elapsed }
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
