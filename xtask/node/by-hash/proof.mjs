/** Syncs a tab from the old node in three ways, and compares the state with the node after each. */

import { openTab } from '../bench/tab.mjs'
import { count, mega, progress, row, seconds, title } from '../bench/tables.mjs'
import { compare } from './keys.mjs'
import { leftAlone, mixed, openAt, syncTo } from './syncs.mjs'
import { startOldWorld } from './world.mjs'

const WAYS = {
  'by hash alone': async (page, name, { node }) => {
    await openAt(page, name, node, [{ url: node.url, by: 'hash' }])
    return syncTo(page, { blockHash: node.block.hash })
  },
  'by hash beside a peer by snap': mixed,
  'by hash after a peer by snap left': leftAlone,
}

/** @returns {Promise<object[]>} for each way: the report and what was compared */
export async function prove(accounts, keys) {
  const world = await startOldWorld(['--realistic', String(accounts)])
  try {
    const results = []
    for (const [way, sync] of Object.entries(WAYS)) {
      const tab = await openTab()
      try {
        const report = await sync(tab.page, way, world)
        progress(`${way}: ${seconds(report.elapsedMs / 1000)} s`)
        const compared = await compare(tab.page, world, keys)
        results.push({ way, report, compared, problems: problemsIn(report, world) })
      } finally {
        await tab.close()
      }
    }
    return results
  } finally {
    await world.stop()
  }
}

function problemsIn({ root, accounts, slots, codes, peers }, { node, counts }) {
  const problems = []
  const wrong = (what, is, should) => is !== should && problems.push(`${what} is ${is} and should be ${should}`)
  wrong('the root', root, node.block.root)
  for (const [what, is] of Object.entries({ accounts, slots, codes })) wrong(`the number of ${what}`, is, counts[what])
  for (const { name, faults, lastFault } of peers) if (faults > 0) problems.push(`${name} was blamed: ${lastFault}`)
  return problems
}

export function printProof(results) {
  title('a tab syncs from go-ethereum 1.10.26 through the gateway, and is compared with eth_getProof and eth_getCode')
  for (const { way, report, compared } of results) {
    const { accounts, slots, codes, elapsedMs, received, ranges, healing, requests, unneeded } = report
    row(`${way}: accounts, slots, codes`, [accounts, slots, codes].map(count).join(', '))
    row('  seconds, MB received, requests', `${seconds(elapsedMs / 1000)}, ${mega(received.bytes)}, ${count(requests)}`)
    row('  answers with ranges; trie nodes one by one, MB of them', `${count(ranges.answers)}; ${count(healing.nodes)}, ${mega(healing.nodeBytes)}`)
    row('  items that came late, twice, unexpectedly', [unneeded.late, unneeded.duplicate, unneeded.unexpected].join(', '))
    row('  as the node says: accounts (absent), slots (zero), codes', `${compared.accounts} (${compared.absent}), ${compared.slots} (${compared.zero}), ${compared.codes}`)
  }
}
