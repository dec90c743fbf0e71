/**
 * Makes the page follow a chain. Prints a line for each block, kills the page now and then, opens a
 * second tab, and compares accounts with the true state at the end.
 */

import { isSame, readBack } from '../truth.mjs'
import { lookUpSomething, number, pause, play, problemOf } from './page.mjs'
import { costs } from './costs.mjs'

/** How often progress is printed while no block is complete. */
const PRINT_EVERY_MS = 5_000
/** Ten blocks and the first sync take half a minute. A busy machine has ten times as long. */
const GIVE_UP_AFTER_MS = 300_000
/** Each further block adds this many times its interval. */
const PATIENCE = 5
/**
 * How long a running heal of a block is waited for. If every heal is over too soon to be seen, the
 * kill comes between two blocks.
 */
const KILL_WITHIN_MS = 10_000
/** A second tab is opened this many blocks after the last kill. */
const SECOND_TAB_AFTER = 2

/**
 * @param {{url: string, picture: string, chain: object, plan: {blocks: number, kills: number, keys:
 *   number, everyMs: number}}} options `chain` is that of `chain.mjs` or `geth.mjs`. `blocks` are
 *   followed after the first sync, with `kills` spread over them; every second kill ends the whole
 *   browser. `keys` accounts are compared at the end.
 * @returns {Promise<boolean>} whether the last block is complete and everything that was read is
 *   true
 */
export function follow({ url, picture, chain, plan }) {
  return play(url, picture, (stage) => new Following(stage, chain, plan).run())
}

class Following {
  #stage
  #chain
  #plan
  #end
  /** Reports of blocks, of all pages so far. */
  #rows = []
  /** How many of them came from earlier pages, and why the present one was opened. */
  #earlier = 0
  #reopened

  constructor(stage, chain, plan) {
    this.#stage = stage
    this.#chain = chain
    this.#plan = plan
    this.#end = Date.now() + GIVE_UP_AFTER_MS + plan.blocks * plan.everyMs * PATIENCE
  }

  async run() {
    const { blocks, kills, keys } = this.#plan
    if (!(await this.#untilBlock())) return false
    const [{ number: first }] = this.#rows
    let at = first
    for (let kill = 1; kill <= kills; kill++) {
      at = first + Math.floor((blocks * kill) / (kills + 1))
      if (!(await this.#untilBlock(at))) return false
      if (kill % 2 === 1) await killWorker(this.#stage.page)
      else await this.#killBrowser()
    }
    if (!(await this.#untilBlock(at + SECOND_TAB_AFTER))) return false
    const second = await secondTab(await this.#stage.another())
    if (!(await this.#untilBlock(first + blocks))) return false
    const last = await this.#chain.rest()
    if (last && !(await this.#untilHeld(last))) return false
    const { page } = this.#stage
    const both = second && (await sameThere(second, (await standing(page)).held, !last))
    const right = await this.#compare(keys)
    await lookUpSomething(page)
    console.log(costs(this.#rows))
    const { complete } = await standing(page)
    const done = Boolean(right && both)
    console.log(done
      ? `\nCOMPLETE: block ${number(complete.block.number)}, ${number(complete.accounts)} accounts under ${complete.root}, ` +
        `${number(complete.block.number - first)} blocks after the first`
      : '\nWRONG: see the lines above')
    return done
  }

  /**
   * Follows until this block or a later one is complete, or just the next one. Prints each block,
   * and progress now and then.
   */
  async #untilBlock(wanted = 0) {
    let printed = Date.now()
    for (;;) {
      const { page } = this.#stage
      const { blocks, error, progress } = await page.evaluate(() => ({ blocks: window.demo.blocks.slice(), error: window.demo.error, progress: window.demo.progress }))
      for (const row of blocks.slice(this.#rows.length - this.#earlier)) {
        this.#take(row)
        printed = Date.now()
      }
      if (Date.now() - printed > PRINT_EVERY_MS) {
        printed = Date.now()
        console.log(`  … ${underWay(progress)}`)
      }
      if (this.#rows.at(-1)?.number >= wanted) return true
      const problem = error?.message ?? (await problemOf(page))
      if (problem || Date.now() > this.#end) {
        console.log(`\nNOT COMPLETE: ${problem || `not complete in time; ${progress?.waiting ?? `phase ${progress?.phase}`}`}`)
        for (const peer of progress?.peers ?? []) console.log(`  ${peer.name}: ${peer.state}, ${peer.lastFault ?? 'no fault'}`)
        return false
      }
      await pause(100)
    }
  }

  #take(row) {
    if (this.#reopened) {
      row.since = row.number - this.#rows.at(-1).number
      row.after = this.#reopened
      this.#reopened = undefined
    }
    this.#rows.push(row)
    console.log(`  ${line(row)}${this.#chain.changed(row.number)}`)
  }

  async #killBrowser() {
    const { held } = await standing(this.#stage.page)
    console.log(`  Killed all processes of the browser, with block ${number(held.number)} complete.`)
    const killed = Date.now()
    await this.#stage.killBrowser()
    await this.#stage.page.waitForFunction(() => window.demo?.standing?.complete)
    const { complete } = await standing(this.#stage.page)
    console.log(`  Open again after ${number(Date.now() - killed)} ms with block ${number(complete.block.number)}.`)
    this.#earlier = this.#rows.length
    this.#reopened = 'after the browser was killed'
  }

  async #untilHeld(block) {
    for (;;) {
      const { held } = await standing(this.#stage.page)
      if (held?.hash === block.hash) return true
      if (Date.now() > this.#end) {
        console.log(`\nNOT COMPLETE: the chain ends with block ${number(block.number)}, the page holds ${held ? number(held.number) : 'none'}`)
        return false
      }
      await pause(100)
    }
  }

  /**
   * Reads accounts and slots from the page's database, which does not change meanwhile, and
   * compares them with the truth.
   */
  async #compare(keys) {
    const { page } = this.#stage
    await page.click('#cancel')
    await page.waitForFunction(() => !window.demo.standing.following)
    const { complete } = await standing(page)
    const truth = await this.#chain.truth(keys, complete.block)
    const same = isSame(truth, await readBack(page, truth, 'window.demo.db'), `at block ${number(complete.block.number)}`)
    await page.click('#start')
    return same
  }
}

function line({ number: block, hash, received, ranges, healing, requests, roundTrips, elapsedMs, since, after }) {
  const kB = (bytes) => `${number(bytes / 1000)} kB`
  return `block ${number(block)} ${hash.slice(0, 10)}  ${kB(received.bytes)} (ranges ${kB(ranges.bytes)}, ${number(healing.nodes)} nodes ` +
    `${kB(healing.bytes)}) in ${number(requests)} requests, ${number(roundTrips)} round trips, ${number(elapsedMs)} ms` +
    `${since > 1 ? `, ${since} blocks at once` : ''}${after ? `, ${after}` : ''}`
}

function underWay(progress) {
  if (!progress) return 'no sync has begun'
  const { phase, accounts, moves, received, healing, waiting, peers } = progress
  const faults = peers.filter((peer) => peer.lastFault).map((peer) => `; ${peer.name}: ${peer.lastFault}`)
  return `${waiting ? `waiting: ${waiting}` : phase}, ${number(accounts)} accounts, ${number(received.bytes / 1000)} kB received, ` +
    `${number(healing.nodes)} nodes healed, target moved ${number(moves)} times${faults.join('')}`
}

async function killWorker(page) {
  const kills = await page.evaluate(() => window.demo.kills.length)
  const middle = await page
    .waitForFunction(() => {
      const { standing, progress } = window.demo
      const inside = standing?.target && progress && progress.phase !== 'done' && document.querySelector('#kill:enabled')
      // Clicked at once inside the page: a click from outside would come after the block.
      if (inside) document.querySelector('#kill').click()
      return inside && true
    }, null, { polling: 5, timeout: KILL_WITHIN_MS })
    .catch(() => undefined)
  if (!middle) await page.click('#kill')
  await page.waitForFunction((kills) => window.demo.kills.length > kills && window.demo.kills.at(-1).afterMs, kills)
  for (const text of await page.locator('#kill-story li').allTextContents()) console.log(`  ${text}`)
}

/** Opens another tab, which reads the same database. */
async function secondTab(page) {
  const follows = await page
    .waitForFunction(() => window.demo.standing?.role === 'follower' && window.demo.standing.complete, null, { timeout: 20_000 })
    .catch(() => undefined)
  const { role, complete } = await standing(page)
  console.log(follows
    ? `  a second tab reads along: it is the ${role}, at block ${number(complete.block.number)}`
    : `  WRONG: a second tab should read along, but is the ${role}, ${complete ? 'with' : 'without'} a state`)
  return follows ? page : undefined
}

/**
 * Waits until the second tab ends on the same block as the first, or on a later one if the chain
 * goes on.
 */
async function sameThere(page, { number: block, hash }, goesOn) {
  const same = await page
    .waitForFunction(({ block, hash, goesOn }) => {
      const held = window.demo.standing.complete.block
      return goesOn ? held.number >= block : held.hash === hash
    }, { block, hash, goesOn }, { timeout: 20_000 })
    .catch(() => undefined)
  console.log(same ? `  the second tab has block ${number(block)}, too` : `  WRONG: the second tab did not reach block ${number(block)}`)
  return Boolean(same)
}

function standing(page) {
  return page.evaluate(() => window.demo.standing ?? {})
}
