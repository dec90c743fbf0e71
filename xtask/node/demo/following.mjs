/** The page follows a chain: a line for each block, a kill on the way, a second tab, and the truth at the end. */

import { described, readBack } from '../truth.mjs'
import { lookUpSomething, number, pause, play, problemOf } from './page.mjs'

const BLOCKS = 10
/** After so many blocks the database is killed, the next time that it is in the middle of one. */
const KILL_AFTER = 4
const SPEAK_EVERY_MS = 5_000
const READ_BACK = 300
/** Ten blocks and the first sync take half a minute; a machine that is busy with other things has ten times as long. */
const GIVE_UP_AFTER_MS = 300_000
/** How long the middle of a block is waited for: one that is over before anybody sees it is killed in between. */
const KILL_WITHIN_MS = 10_000

/**
 * @param {{url: string, picture: string, chain: object}} options `chain`: of `chain.mjs` or `geth.mjs`
 * @returns {Promise<boolean>} whether the last block is complete and everything that was read back is as in truth
 */
export function follow({ url, picture, chain }) {
  return play(url, picture, async (page, context) => {
    const end = Date.now() + GIVE_UP_AFTER_MS
    if (!(await untilBlocks(page, KILL_AFTER, chain, end))) return false
    await kill(page)
    if (!(await untilBlocks(page, KILL_AFTER + 2, chain, end))) return false
    const second = await secondTab(context, url)
    if (!(await untilBlocks(page, BLOCKS, chain, end))) return false
    const last = await chain.rest()
    const held = last ? await untilHeld(page, last, end) : (await standing(page)).held
    const right = held && (await compare(page, chain, held))
    const both = second && (await sameThere(second, held, !last))
    await lookUpSomething(page)
    const { complete } = await standing(page)
    const done = Boolean(right && both)
    console.log(done
      ? `\nCOMPLETE: block ${number(complete.block.number)}, ${number(complete.accounts)} accounts under ${complete.root}`
      : '\nWRONG: see above')
    return done
  })
}

/** Follows until so many blocks are complete, and prints each; between them, now and then, how far it is. */
async function untilBlocks(page, wanted, chain, end) {
  let spoke = Date.now()
  for (;;) {
    const { blocks, error, progress } = await page.evaluate(() => ({ blocks: window.demo.blocks.slice(), error: window.demo.error, progress: window.demo.progress }))
    for (const row of blocks.slice(page.printed ?? 0)) console.log(`  ${line(row)}${chain.changed(row.number)}`)
    if (blocks.length > (page.printed ?? 0)) spoke = Date.now()
    page.printed = blocks.length
    if (Date.now() - spoke > SPEAK_EVERY_MS) {
      spoke = Date.now()
      console.log(`  … ${underWay(progress)}`)
    }
    if (blocks.length >= wanted) return true
    const problem = error?.message ?? (await problemOf(page))
    if (problem || Date.now() > end) {
      console.log(`\nNOT COMPLETE: ${problem || `no end after ${GIVE_UP_AFTER_MS / 1000} s; ${progress?.waiting ?? `phase ${progress?.phase}`}`}`)
      for (const peer of progress?.peers ?? []) console.log(`  ${peer.name}: ${peer.state}, ${peer.lastFault ?? 'no fault'}`)
      return false
    }
    await pause(100)
  }
}

function line({ number: block, hash, received, ranges, healing, requests, roundTrips, elapsedMs, after }) {
  const kB = (bytes) => `${number(bytes / 1000)} kB`
  return `block ${number(block)} ${hash.slice(0, 10)}  ${kB(received.bytes)} (ranges ${kB(ranges.bytes)}, ${number(healing.nodes)} nodes ` +
    `${kB(healing.bytes)}) in ${number(requests)} requests, ${number(roundTrips)} round trips, ${number(elapsedMs)} ms${after ? `, ${after}` : ''}`
}

function underWay(progress) {
  if (!progress) return 'no sync has begun'
  const { phase, accounts, moves, received, healing, waiting, peers } = progress
  const troubles = peers.filter((peer) => peer.lastFault).map((peer) => `; ${peer.name}: ${peer.lastFault}`)
  return `${waiting ? `waiting: ${waiting}` : phase}, ${number(accounts)} accounts, ${number(received.bytes / 1000)} kB received, ` +
    `${number(healing.nodes)} nodes healed, target moved ${number(moves)} times${troubles.join('')}`
}

async function kill(page) {
  const middle = await page
    .waitForFunction(() => {
      const { standing, progress } = window.demo
      const inside = standing?.target && progress && progress.phase !== 'done' && document.querySelector('#kill:enabled')
      // At once: a click from outside would come when the block is done.
      if (inside) document.querySelector('#kill').click()
      return inside && true
    }, null, { polling: 5, timeout: KILL_WITHIN_MS })
    .catch(() => undefined)
  if (!middle) await page.click('#kill')
  const story = () => page.locator('#kill-story li').allTextContents()
  await page.waitForFunction(() => document.querySelector('#kill-story').childElementCount >= 3 && window.demo.kills.at(-1).afterMs)
  for (const text of await story()) console.log(`  ${text}`)
}

/** Another tab of the same database reads along. */
async function secondTab(context, url) {
  const page = await context.newPage()
  await page.goto(url)
  const follows = await page
    .waitForFunction(() => window.demo.standing?.role === 'follower' && window.demo.standing.complete, null, { timeout: 20_000 })
    .catch(() => undefined)
  const { role, complete } = await standing(page)
  console.log(follows
    ? `  a second tab reads along: it is the ${role}, at block ${number(complete.block.number)}`
    : `  WRONG: a second tab should read along, but is the ${role}, ${complete ? 'with' : 'without'} a state`)
  return follows ? page : undefined
}

/** The second tab ends on the same block as the first; on a later one if the chain goes on. */
async function sameThere(page, { number: block, hash }, goesOn) {
  const same = await page
    .waitForFunction(({ block, hash, goesOn }) => {
      const held = window.demo.standing.complete.block
      return goesOn ? held.number >= block : held.hash === hash
    }, { block, hash, goesOn }, { timeout: 20_000 })
    .catch(() => undefined)
  console.log(same ? `  the second tab has block ${number(block)} as well` : `  WRONG: the second tab did not come to block ${number(block)}`)
  return Boolean(same)
}

async function untilHeld(page, block, end) {
  for (;;) {
    const { held } = await standing(page)
    if (held?.hash === block.hash) return held
    if (Date.now() > end) {
      console.log(`\nNOT COMPLETE: the chain ends with block ${number(block.number)}, the page holds ${held ? number(held.number) : 'none'}`)
      return undefined
    }
    await pause(100)
  }
}

function standing(page) {
  return page.evaluate(() => window.demo.standing ?? {})
}

/** Reads accounts and slots back from the page's database, and compares them with what they are in truth. */
async function compare(page, chain, held) {
  for (let attempt = 0; attempt < 20; attempt++) {
    const block = attempt === 0 ? held : (await standing(page)).held
    const truth = await chain.truth(READ_BACK, block)
    const found = await readBack(page, truth)
    // A chain that goes on may have replaced the state while it was read.
    if (found.some(({ root }) => root !== found[0].root)) continue
    const { complete } = await standing(page)
    if (complete.block.hash !== block.hash || complete.root !== found[0].root) continue
    const wrong = truth.filter((account, at) => !same(account, found[at]))
    for (const account of wrong.slice(0, 5)) console.log(`  WRONG: ${account.address} is ${described(account)} in truth, but ${described(found[truth.indexOf(account)])} here`)
    const slots = truth.reduce((sum, account) => sum + account.slots.length, 0)
    const absent = truth.filter(({ account }) => !account).length
    console.log(`  read back at block ${number(block.number)}: ${truth.length - wrong.length} of ${truth.length} accounts (${absent} absent) and their ${slots} slots as in truth`)
    return wrong.length === 0
  }
  console.log('  WRONG: the chain never stood still for long enough to be compared')
  return false
}

function same(truth, found) {
  return described(truth) === described(found)
}
