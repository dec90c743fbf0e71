/**
 * What a block costs: a page that has a state heals block after block, compared with fresh syncs of
 * the same roots and with go-ethereum.
 */

import { measureReads } from './reads.mjs'
import { GETH_CORES, columnsOf, withPeers, withSyncer } from './states.mjs'
import { PACE, figures, gethRows, syncInPage } from './sync.mjs'
import { openTab } from './tab.mjs'
import { costs, count, medians, mega, progress, seconds, short, table } from './tables.mjs'

/**
 * Blocks that change a thousandth, each in one way. Only a state with slots gets a block that
 * writes them.
 */
const KINDS = {
  values: ({ accounts }) => `values=${thousandth(accounts)}`,
  insertions: ({ accounts }) => `insert=${thousandth(accounts)}`,
  deletions: ({ accounts }) => `delete=${thousandth(accounts)}`,
  slots: ({ slots }) => slots > 0 && `slots=${thousandth(slots)}`,
}
/** Shares of everything that one block changes. */
const SHARES = [0.01, 0.1, 1]

/** What a block has changed, and what this cost on the wire and on the disk. */
const WIRE = [
  { head: 'accounts', width: 8, text: ({ block }) => count(block.changedAccounts) },
  { head: 'slots', width: 8, text: ({ block }) => count(block.changedSlots) },
  { head: '/node', width: 6, text: ({ block, heal }) => short(heal.bytes / (block.changedNodeBytes + block.changedCodeBytes)) },
  { head: '/fresh', width: 7, text: ({ heal, fresh }) => short(heal.bytes / fresh.bytes) },
  { head: 'nodes', width: 6, text: ({ heal }) => mega(heal.report.healing.bytes) },
  { head: 'range', width: 6, text: ({ heal }) => mega(heal.report.ranges.bytes) },
  { head: 'asked', width: 6, text: ({ heal }) => count(heal.requests) },
  { head: 'trips', width: 6, text: ({ heal }) => count(heal.roundTrips) },
  { head: 'pages', width: 6, text: ({ block, heal }) => short(heal.report.pagesStored / changed(block)) },
  { head: 'kB', width: 5, text: ({ block, heal }) => short(heal.report.bytesStored / changed(block) / 1000) },
]
const WIRE_LEGEND = `
  accounts, slots  that the block has changed
  /node, /fresh    bytes received, to those of the changed nodes and codes, and to those of a fresh sync; of plain accounts
                   the first has the bar 1.2 at 0.1 %, the second 1.1 at 1 % and more
  nodes, range     MB received of nodes one by one, and of ranges
  asked, trips     requests, and round trips one after another
  pages, kB        written per changed item`

/**
 * @returns {Promise<object>} for each state by its name: `blocks` has for each block what it
 * changed and the measurements of the heal, of the fresh sync and of go-ethereum; `reads` has how
 * long reads took while nothing else was done and while blocks were healed
 */
export async function measureHeals(states, runs) {
  const result = {}
  for (const state of states) {
    result[state.name] = await withPeers(state, { peers: 1, chain: true }, async ([peer]) => {
      const blocks = []
      const making = async (exported) => {
        await exported(peer)
        for (const [name, what] of changes(peer)) {
          blocks.push({ name, block: await peer.advance(what) })
          await exported(peer)
        }
      }
      return withSyncer(1, making, async (syncer) => {
        const all = []
        let reads
        for (let at = 1; at <= runs; at++) {
          progress(`${state.heading}, run ${at} of ${runs}`)
          const tab = await openTab()
          try {
            all.push(await healOnce(tab, peer, blocks, syncer))
            if (at === runs) reads = await measureReads(tab, peer, target(peer, blocks.at(-1).block.stateRoot))
          } finally {
            await tab.close()
          }
        }
        return { heading: state.heading, runs: all, blocks: medians(all), reads }
      })
    })
  }
  return result
}

export function printHeals(result) {
  const both = columnsOf(result)
  const names = [...new Set(both.flatMap(({ blocks }) => Object.keys(blocks)))]
  const rows = names.map((name) => ({ name, cells: both.map(({ blocks }) => blocks[name]) }))
  const of = (cells, pick) => cells.map((cell) => cell && pick(cell))
  costs(both, PACE, rows.flatMap(({ name, cells }) => [
    { label: `${name}: healed`, cells: of(cells, ({ heal }) => heal) },
    ...gethRows('  ', of(cells, ({ geth }) => geth.heal)),
    { label: '  fresh sync in a tab', cells: of(cells, ({ fresh }) => fresh) },
    ...gethRows('    ', of(cells, ({ geth }) => geth.fresh)),
  ]))
  console.log(WIRE_LEGEND)
  table(both, WIRE, rows.map(({ name, cells }) => ({ label: name, cells })))
}

/** Each block's name, and the order that makes it. */
function changes(counts) {
  const kinds = Object.entries(KINDS).map(([name, order]) => [`0.1 % ${name}`, order(counts)])
  const shares = SHARES.map((share) => [`${share * 100} % of all`, share])
  return [...kinds.filter(([, order]) => order), ...shares]
}

/**
 * Takes one page through all blocks. What it has at the start is not measured. `fresh` are the
 * first syncs.
 */
async function healOnce(tab, peer, blocks, syncer) {
  await tab.page.evaluate(syncInPage, { ...target(peer, peer.root), name: 'heal' })
  const run = {}
  for (const [at, { name, block }] of blocks.entries()) {
    const setting = target(peer, block.stateRoot)
    const heal = figures(await tab.measured(syncInPage, { ...setting, name: 'heal' }))
    const geth = { heal: {}, fresh: {} }
    const beside = async (what, order) => {
      for (const cores of syncer ? GETH_CORES : []) {
        // The exported state 0 is the one that the chain began with.
        geth[what][cores] = await syncer.ask({ cores, state: at + 1, ...order })
      }
    }
    await beside('heal', { over: at })
    const fresh = figures(await freshSync(tab, setting))
    await beside('fresh', {})
    const took = [heal, geth.heal[1], geth.heal[2], fresh, geth.fresh[1], geth.fresh[2]].map((one) => one ? `${seconds(one.seconds)} s` : '–')
    progress(`  ${name}: healed ${took.slice(0, 3).join(', ')}; fresh ${took.slice(3).join(', ')} (tab, go-ethereum on 1 and 2 cores)`)
    // The block changes the same for all of them, whatever they count while they heal.
    for (const one of [heal, ...Object.values(geth.heal)]) Object.assign(one, { items: changed(block), itemsPerSecond: changed(block) / one.seconds })
    run[name] = { block, heal, fresh, geth }
  }
  return run
}

/** Does this in a page of its own, with a new module and new memory. */
async function freshSync(tab, setting) {
  const other = await tab.another()
  try {
    const run = await other.measured(syncInPage, { ...setting, name: 'fresh' })
    await other.page.evaluate(async () => (await import('snaplight')).deleteDatabase('fresh'))
    return run
  } finally {
    await other.close()
  }
}

function target({ url, networkId, genesisHash }, root) {
  return { urls: [url], root, network: { id: networkId, genesisHash } }
}

function changed({ changedAccounts, changedSlots }) {
  return changedAccounts + changedSlots
}

function thousandth(count) {
  return Math.max(1, Math.round(count / 1000))
}
