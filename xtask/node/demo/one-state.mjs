/** Makes the page sync one state. */

import { lookUpSomething, number, pause, play, problemOf } from './page.mjs'

/**
 * The genesis state takes a second or two. A million generated accounts take much less than this.
 */
const GIVE_UP_AFTER_MS = 300_000

/**
 * Syncs one state in the page, prints progress, and compares the report with `wanted`.
 *
 * @param {{url: string, wanted: {root: string, accounts: number}, byHash: boolean}} options
 *   `byHash`: all of it has to come by hash
 * @returns {Promise<boolean>} whether the sync ended with the wanted state
 */
export function syncOnce({ url, wanted, byHash }) {
  return play(url, byHash ? 'demo-by-hash.png' : 'demo.png', async ({ page }) => {
    const { progress, report, error } = await untilDone(page)
    if (report) {
      await lookUpSomething(page)
      return judge(report, wanted, progress, byHash)
    }
    const words = error ? `${error.message} (${error.code})` : `not complete after ${GIVE_UP_AFTER_MS / 1000} s`
    console.log(`\nNOT COMPLETE: ${words}`)
    for (const peer of progress?.peers ?? []) console.log(`  ${peer.name}: ${peer.state}, ${peer.lastFault ?? 'no fault'}`)
    return false
  })
}

async function untilDone(page) {
  const started = Date.now()
  let latest = ''
  for (;;) {
    const { progress, report, error } = await page.evaluate(() => ({ ...window.demo, db: undefined }))
    const line = progress && progressLine(progress)
    if (line && line !== latest) console.log(`  ${line}`)
    latest = line
    if (report || error) return { progress, report, error }
    // A page that failed before the sync began shows only a text.
    const problem = await problemOf(page)
    if (problem) return { error: { message: problem, code: 'page' } }
    if (Date.now() - started > GIVE_UP_AFTER_MS) return { progress }
    await pause(250)
  }
}

function progressLine({ phase, accounts, slots, codes, received, bytesStored, waiting }) {
  const items = `${number(accounts)} accounts, ${number(slots)} slots, ${number(codes)} codes`
  const sizes = `${number(received.bytes / 1000)} kB received, ${number(bytesStored / 1000)} kB stored`
  return `${phase.padEnd(10)} ${items}; ${sizes}${waiting ? `; waiting: ${waiting}` : ''}`
}

function judge(report, wanted, { peers }, byHash) {
  const rate = (report.accounts + report.slots) / Math.max(report.elapsedMs / 1000, 0.001)
  const { healing, requests } = report
  const rest = byHash ? '' : `; ${number(healing.nodes)} nodes left to heal`
  console.log(`
  root       ${report.root}
  accounts   ${number(report.accounts)}, slots ${number(report.slots)}, codes ${number(report.codes)}
  took       ${number(report.elapsedMs)} ms (${number(rate)} accounts and slots a second)
  received   ${number(report.received.bytes)} bytes in ${number(requests)} requests${rest}
  stored     ${number(report.bytesStored)} bytes in ${number(report.pagesStored)} pages
`)
  const alone = !byHash || cameByHash(report, peers)
  const reached = report.root === wanted.root && report.accounts === wanted.accounts
  console.log(reached
    ? `COMPLETE: all ${number(wanted.accounts)} accounts under ${wanted.root}`
    : `WRONG: expected ${number(wanted.accounts)} accounts under ${wanted.root}`)
  return reached && alone
}

/** Says what came by hash. Returns whether nothing came otherwise. */
function cameByHash({ healing, received, ranges, requests }, peers) {
  const others = peers.filter(({ by }) => by !== 'hash')
  const alone = others.length === 0 && ranges.answers === 0
  console.log(`  by hash    ${number(healing.nodes)} trie nodes and ${number(received.codes)} codes, in ${number(requests)} requests of up to 384 hashes`)
  for (const { name, answers, bytes } of peers) console.log(`             ${name}: ${number(answers)} answers, ${number(bytes)} bytes`)
  console.log(alone
    ? '             all of it by GetNodeData: no peer was asked for anything else\n'
    : `\nWRONG: ${number(ranges.answers)} answers came in ranges, and ${others.length} peers were not asked by hash`)
  return alone
}
