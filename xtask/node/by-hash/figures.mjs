/**
 * Measures syncs by hash: against go-ethereum's scheduler at the same old node, against syncs by
 * snap from the same native peer, what is received, and what the time is spent on.
 */

import { gethByHash } from '../bench/geth.mjs'
import { figures, syncInPage } from '../bench/sync.mjs'
import { openTab } from '../bench/tab.mjs'
import { count, mega, medians, percent, progress, row, seconds, title } from '../bench/tables.mjs'
import { startPeer } from '../peers.mjs'
import { profiled, withNames } from './profile.mjs'
import { openAt, syncTo } from './syncs.mjs'
import { startOldWorld } from './world.mjs'

/** How often each side of a comparison runs. */
const OLD_NODE_RUNS = 3
const NATIVE_RUNS = 5
/** How many cores go-ethereum's scheduler gets. */
const GETH_CORES = [1, 2]
/** Plain accounts may receive at most this many times their distinct nodes. */
const PLAIN_BAR = 1.05
/** How many of a profile's groups of functions are printed. */
const GROUPS = 14

/** @returns {Promise<object>} all figures, also those of each run */
export async function measure(accounts) {
  const world = await startOldWorld(['--realistic', String(accounts)])
  try {
    const old = { ...world.node, root: world.node.block.root, accounts: world.counts.accounts }
    const native = await world.nativePeer('--by', 'both')
    const oldNode = await measureOldNode(old)
    const nativePeer = await measureNative(native)
    const profiles = {
      'by hash, go-ethereum 1.10.26 through the gateway': await profile(old, 'hash'),
      'by hash, native peer': await profile(native, 'hash'),
      'by snap, native peer': await profile(native, 'snap'),
    }
    const contracts = bytesOf(oldNode.median.tab, oldNode.runs[0].geth[1])
    return { counts: world.counts, oldNode, nativePeer, profiles, bytes: { plain: await plainBytes(accounts), contracts } }
  } finally {
    await world.stop()
  }
}

/** A tab and go-ethereum's scheduler take turns at the old node, both through the gateway. */
async function measureOldNode(old) {
  const runs = []
  for (let at = 1; at <= OLD_NODE_RUNS; at++) {
    const run = { tab: await syncOnce(old, 'hash'), geth: {} }
    for (const cores of GETH_CORES) {
      const geth = await gethByHash(old.url, old.root, cores)
      run.geth[cores] = { ...geth, timesAsFast: geth.seconds / run.tab.seconds }
    }
    const others = GETH_CORES.map((cores) => `GOMAXPROCS=${cores} ${seconds(run.geth[cores].seconds)} s`)
    progress(`old node, run ${at}: the tab ${seconds(run.tab.seconds)} s; go-ethereum ${others.join(', ')}`)
    runs.push(run)
  }
  return { runs, median: medians(runs) }
}

/** A tab syncs from one native peer by hash and by snap, in turns. */
async function measureNative(peer) {
  const runs = []
  for (let at = 1; at <= NATIVE_RUNS; at++) {
    const run = { hash: await syncOnce(peer, 'hash'), snap: await syncOnce(peer, 'snap') }
    run.ratio = run.hash.seconds / run.snap.seconds
    progress(`native peer, run ${at}: by hash ${seconds(run.hash.seconds)} s, by snap ${seconds(run.snap.seconds)} s`)
    runs.push(run)
  }
  return { runs, median: medians(runs) }
}

/** What a sync of plain accounts receives. */
async function plainBytes(accounts) {
  const peer = await startPeer(['--accounts', String(accounts), '--by', 'hash'])
  try {
    return bytesOf(await syncOnce(peer, 'hash'), await gethByHash(peer.url, peer.root, 1))
  } finally {
    await peer.stop()
  }
}

/** go-ethereum's scheduler has walked the same state, and counts what is in it. */
function bytesOf({ bytes, report: { healing, requests, unneeded } }, { nodes, codes, items, itemBytes, distinctBytes }) {
  const geth = { items, itemBytes }
  return { received: bytes, distinct: distinctBytes, ratio: bytes / distinctBytes, nodes, codes, healing, requests, unneeded, geth }
}

/** One sync in a browser of its own. */
async function syncOnce(peer, by) {
  const tab = await openTab()
  try {
    const run = figures(await tab.measured(syncInPage, settingOf(peer, by)))
    if (run.report.accounts !== peer.accounts) throw new Error(`synced ${run.report.accounts} of ${peer.accounts} accounts`)
    return run
  } finally {
    await tab.close()
  }
}

async function profile(peer, by) {
  const tab = await openTab()
  try {
    await withNames(tab.page)
    await openAt(tab.page, 'bench', peer, [{ url: peer.url, by }])
    const { value, ...shares } = await profiled(tab.page, () => syncTo(tab.page, peer.root))
    progress(`profile ${by}: ${seconds(value.elapsedMs / 1000)} s`)
    return shares
  } finally {
    await tab.close()
  }
}

function settingOf({ url, root, networkId, genesisHash }, by) {
  return { urls: [url], by, root, network: { id: networkId, genesisHash }, name: 'bench' }
}

export function printFigures({ counts, oldNode, nativePeer, profiles, bytes }) {
  const { tab, geth } = oldNode.median
  title(`${count(counts.accounts)} realistic accounts, ${count(counts.slots)} slots, ${count(counts.codes)} codes by hash, from go-ethereum 1.10.26 through the gateway, medians of ${OLD_NODE_RUNS}`)
  printSync('a tab', tab)
  for (const cores of GETH_CORES) {
    const one = geth[cores]
    row(`go-ethereum’s scheduler into memory, GOMAXPROCS=${cores}: seconds, its CPU seconds, waiting`, [one.seconds, one.cpuSeconds, one.waitingSeconds].map(seconds).join(', '))
    row('  how many times as fast the tab is', one.timesAsFast.toFixed(2))
  }
  title(`the same state from one native peer on loopback, medians of ${NATIVE_RUNS}`)
  printSync('by hash', nativePeer.median.hash)
  printSync('by snap', nativePeer.median.snap)
  row('time by hash / by snap', nativePeer.median.ratio.toFixed(2))
  title('bytes received, against the distinct trie nodes and codes')
  for (const [name, bar] of [['plain', `${PLAIN_BAR} or less`], ['contracts', '']]) {
    const { received, distinct, ratio, nodes, codes, requests, unneeded, healing, geth } = bytes[name]
    row(`${name}: MB received, MB of ${count(nodes)} nodes and ${count(codes)} codes`, `${mega(received)}, ${mega(distinct)}`)
    row('  ratio', ratio.toFixed(3), bar)
    row('  nodes that came; items that came to go-ethereum’s scheduler', `${count(healing.nodes)}; ${count(geth.items)}`)
    row('  requests; items that came twice, or unexpectedly', `${count(requests)}; ${unneeded.duplicate}, ${unneeded.unexpected}`)
  }
  for (const [name, { seconds: time, kinds, groups }] of Object.entries(profiles)) {
    title(`what the page's thread did: ${name}, ${seconds(time)} s with the profiler`)
    for (const [kind, share] of Object.entries(kinds)) row(kind, percent(share))
    console.log('  by file:')
    for (const [group, share] of Object.entries(groups).slice(0, GROUPS)) row(`    ${group}`, percent(share))
  }
}

function printSync(who, { seconds: time, itemsPerSecond, bytes, hashing, storage, waiting, requests, roundTrips, cpu, memory }) {
  row(`${who}: seconds, accounts and slots a second, MB`, `${seconds(time)}, ${count(itemsPerSecond)}, ${mega(bytes)}`)
  row('  computing, waiting for storage, waiting for peers', [hashing, storage, waiting].map(percent).join(', '))
  row('  requests, round trips one after another', `${count(requests)}, ${count(roundTrips)}`)
  if (cpu) row('  CPU seconds: all; renderer, network, rest', [cpu.all, cpu.renderer, cpu.network, cpu.storage + cpu.browser + cpu.others].map(seconds).join(', '))
  row('  wasm memory at its peak (MiB)', (memory.peak / 1024 / 1024).toFixed(1))
}

/** What must hold whatever the machine does, in words. */
export function problemsOf({ bytes }) {
  const problems = []
  if (bytes.plain.ratio > PLAIN_BAR) problems.push(`plain accounts took ${bytes.plain.ratio.toFixed(3)} times their distinct nodes, more than ${PLAIN_BAR}`)
  return problems
}
