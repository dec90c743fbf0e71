/** Reads of accounts, while nothing else is done and while blocks are healed. */

import { columnsOf } from './states.mjs'
import { costs, count, progress, short } from './tables.mjs'

/**
 * The blocks that are healed while reads are timed: how much each changes, and how many there are.
 * One of a thousandth is over before many reads are.
 */
const SMALL = { share: 0.001, blocks: 10 }
/** The same with blocks of a tenth. Each lasts for many reads. */
const LARGE = { share: 0.1, blocks: 2 }
/**
 * How many accounts are read one after another: as many as there are pages, so that most of the
 * first reads load one.
 */
const READS = 400
/** Where the database is: in the page's own thread, or in a worker that the page asks. */
const THREADS = ['page', 'worker']

const PACE = [
  { head: 'p50 ms', text: ({ p50 }) => p50.toFixed(2) },
  { head: 'p99 ms', text: ({ p99 }) => p99.toFixed(1) },
  { head: 'reads/s', text: ({ perSecond }) => count(perSecond) },
]

/** For a tab whose database has the peer's newest state. */
export async function measureReads(tab, peer, setting) {
  const { sample } = await peer.sample(READS)
  const addresses = sample.map(({ address }) => address)
  const results = []
  for (const thread of THREADS) {
    for (const warm of [false, true]) {
      const run = (root) => tab.measured(readInPage, { ...setting, addresses, thread, warm, root })
      const healing = async (share) => run((await peer.advance(share)).stateRoot)
      progress(`  reads in the ${thread}, ${warm ? 'repeated' : 'first'}`)
      const [idle, small, large] = [[], [], []]
      for (let at = 0; at < SMALL.blocks; at++) {
        idle.push(await run())
        small.push(await healing(SMALL.share))
      }
      for (let at = 0; at < LARGE.blocks; at++) large.push(await healing(LARGE.share))
      results.push({ thread, warm, idle: figures(idle), small: figures(small), large: figures(large) })
    }
  }
  return results
}

export function printReads(result) {
  const both = columnsOf(result)
  console.log(`  ${READS} accounts at a time, one after another. first: the database has just been opened; repeated: all have been read before.`)
  console.log(`  idle: ${SMALL.blocks} times; small: while ${SMALL.blocks} blocks of 0.1 % are healed; large: ${LARGE.blocks} of 10 %. CPU is that of all of them, with the heals.`)
  console.log('  bar of plain accounts: p50 while healing within 2 x idle')
  costs(both, PACE, both[0].reads.flatMap(({ thread, warm }, at) => [
    ...['idle', 'small', 'large'].map((what) => ({
      label: what === 'idle' ? `${thread}, ${warm ? 'repeated' : 'first'}: idle` : `  ${what}`,
      cells: both.map(({ reads }) => reads[at][what]),
    })),
  ]))
}

/** Combines several measurements. */
function figures(all) {
  const times = all.flatMap(({ times }) => times).sort((a, b) => a - b)
  const quantile = (share) => times[Math.min(times.length - 1, Math.floor(times.length * share))]
  const sum = (of) => all.reduce((total, one) => total + of(one), 0)
  const cpu = all[0].cpu && Object.fromEntries(Object.keys(all[0].cpu).map((kind) => [kind, sum(({ cpu }) => cpu[kind])]))
  const most = (what) => Math.max(...all.map(({ memory }) => memory[what]))
  return {
    count: times.length,
    perSecond: times.length / (sum(({ elapsed }) => elapsed) / 1000),
    p50: quantile(0.5),
    p99: quantile(0.99),
    memory: { start: all[0].memory.start, peak: most('peak'), end: most('end') },
    ...(cpu && { cpu }),
  }
}

/**
 * Reads accounts one after another from a database that has just been opened, so that nothing is in
 * memory yet, or (`warm`) after all of them have been read. Reads each account once. If a root is
 * given, it heals to this root and reads as many accounts as it can meanwhile.
 *
 * Runs in the page, so it can use nothing from outside.
 */
async function readInPage({ urls, root, network, addresses, thread, warm }) {
  const [{ open }, { openInWorker }] = await Promise.all([import('snaplight'), import('snaplight/worker')])
  const helper = thread === 'worker' && window.startWorker()
  const db = await (helper ? openInWorker(helper.worker, { name: 'heal', network }) : open({ name: 'heal', network }))
  const memory = await window.watchMemory(helper ? helper.look : undefined)
  const peer = db.addPeer(urls[0])
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
    // Cached reads are microtasks. Without this, nothing else would ever run.
    await new Promise((resolve) => {
      const { port1, port2 } = new MessageChannel()
      port1.onmessage = resolve
      port2.postMessage(0)
    })
  } while (root ? !done : times.length < addresses.length)
  const elapsed = performance.now() - began
  await healed
  await db.close()
  const watched = await memory.stop()
  if (helper) helper.end()
  return { times, elapsed, memory: watched }
}
