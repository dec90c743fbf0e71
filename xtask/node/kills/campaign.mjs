/** A sync that is killed again and again while its target moves. */

import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { launch } from '../browser.mjs'
import { launchFirefox } from '../firefox.mjs'
import { startPeers } from '../peers.mjs'
import { random } from '../random.mjs'
import { serve } from '../serve.mjs'
import { fromSample, isSame, readBack } from '../truth.mjs'
import { syncAfresh } from './inside.mjs'
import { Life } from './life.mjs'

/** Where a profile of Chromium keeps its databases. */
const OF_CHROMIUM = 'Default/IndexedDB'
/**
 * Chromium's two implementations of IndexedDB, and Firefox's: how a browser with each is started,
 * and by which folder of its profile it is recognised. `loses`: a kill may cost what was committed,
 * since LevelDB can lose everything.
 */
export const BACKENDS = {
  leveldb: { start: launch, folder: OF_CHROMIUM, leaves: /_\d+\.indexeddb\.leveldb$/, loses: true },
  sqlite: { start: (options) => launch({ ...options, features: ['IdbSqliteBackingStore'] }), folder: OF_CHROMIUM, leaves: /_\d+$/ },
  firefox: { start: launchFirefox, folder: 'storage/default', leaves: /^http\+\+\+127\.0\.0\.1\+\d+$/ },
}
/** The backends of Chromium. */
export const CHROMIUMS = ['leveldb', 'sqlite']

/**
 * @param {object} plan
 * @param {'leveldb' | 'sqlite' | 'firefox'} plan.backend
 * @param {number} plan.kills
 * @param {number} plan.accounts
 * @param {number} plan.seed the seed of the moments of the kills
 * @param {number} [plan.throttle] bytes per second for each peer. Without it there is no limit, and
 *   each sync that completes is followed by another one until all kills are used up.
 * @param {[number, number]} plan.lives milliseconds from opening the page to the kill, at least and
 *   at most
 * @param {number} plan.blockMs
 * @param {number} plan.share the share of the state that each block changes
 * @param {number} plan.sample how many accounts are compared at the end
 * @param {(life: object) => void} [onLife] called with each life when its outcome is known
 * @returns {Promise<{lives: object[], problems: string[], afresh: object, changed: number, total:
 *   number}>} `problems`: what must not happen and did; `changed`: bytes of nodes and codes that
 *   the blocks changed; `total`: bytes received in all lives
 */
export async function campaign(plan, onLife = () => {}) {
  const state = ['--accounts', String(plan.accounts), '--contracts', '0.05', '--chain']
  const throttled = plan.throttle ? ['--throttle', String(plan.throttle)] : []
  // The last peer has no throttle. It is for the comparison at the end.
  const peers = [...(await startPeers(2, [...state, ...throttled])), ...(await startPeers(1, state))]
  const server = await serve()
  const profile = mkdtempSync(join(tmpdir(), 'snaplight-kills-'))
  const blocks = startBlocks(peers, plan)
  try {
    return await new Campaign(plan, { peers, server, profile, blocks, onLife }).run()
  } finally {
    await blocks.stop().catch(() => {})
    await Promise.all([server.close(), ...peers.map((peer) => peer.stop())])
    rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 })
  }
}

class Campaign {
  #plan
  #world
  #name = 1
  lives = []
  problems = []

  constructor(plan, world) {
    this.#plan = plan
    this.#world = world
  }

  async run() {
    const { kills, seed, lives: [least, most] } = this.#plan
    const random01 = random(seed)
    let killed = 0
    for (;;) {
      const life = await this.#begin()
      const isLast = killed === kills
      const report = await life.spend(this.#target(), isLast ? 2 ** 31 - 1 : least + (most - least) * random01())
      if (!report) {
        killed++
        continue
      }
      if (!isLast && this.#plan.throttle) this.problems.push(`the sync ended after ${killed} of ${kills} kills: nothing was left to kill`)
      if (isLast || this.#plan.throttle) return this.#end(life, report)
      await life.close()
      this.#known(undefined)
      this.#name++
    }
  }

  async #begin() {
    const { start } = BACKENDS[this.#plan.backend]
    const { server, profile } = this.#world
    const life = await Life.begin({ start, profile, origin: server.origin, name: `kills ${this.#name}` })
    this.#known(life)
    this.lives.push(life)
    return life
  }

  #target() {
    const { peers } = this.#world
    const [{ networkId, genesisHash }] = peers
    return { name: `kills ${this.#name}`, network: { id: networkId, genesisHash }, urls: peers.slice(0, 2).map(({ url }) => url) }
  }

  /** The outcome of a life is known when the next life looks at the disk. */
  #known(next) {
    const life = this.lives.at(-1)
    if (!life || life.row) return
    if (life.killed && next) {
      const landed = life.landed(next)
      const { lost, onItsWay, carried } = life.cost(next, this.#plan.throttle)
      const kept = life.received.bytes - lost
      Object.assign(life, { batches: landed, lost, onItsWay, kept, after: next.disk })
      const number = this.lives.length
      if (landed < 0) this.problems.push(`life ${number}: there was batch ${life.disk.sequence} before it, but only batch ${next.disk.sequence} after it`)
      const { committed } = life
      if (committed > next.disk.sequence && !BACKENDS[this.#plan.backend].loses) {
        this.problems.push(`life ${number} committed batch ${committed}, but only batch ${next.disk.sequence} is there after it`)
      }
      // What a batch contains was proven, so the next life need not ask for it.
      if (landed > 0 && carried > 0 && kept <= 0) this.problems.push(`life ${number} lasted ${landed} batches and kept nothing of ${life.received.bytes} bytes`)
    }
    life.row = row(life)
    this.#world.onLife({ ...life.row, number: this.lives.length })
  }

  /** The newest state is complete. Checks that it is the true one, and measures what it cost. */
  async #end(life, report) {
    const { peers, profile, blocks } = this.#world
    await blocks.stop()
    const { sample, block, accounts, slots } = await peers[0].sample(this.#plan.sample)
    const complete = await life.page.evaluate(async (hash) => {
      await db.sync({ blockHash: hash })
      return db.complete
    }, block.hash)
    if (complete.root !== block.stateRoot) this.problems.push(`the state ${complete.root} is complete, but the newest is ${block.stateRoot}`)
    if (complete.accounts !== accounts || complete.slots !== slots) {
      this.problems.push(`the report counts ${complete.accounts} accounts and ${complete.slots} slots, but there are ${accounts} and ${slots}`)
    }
    const truth = fromSample(sample)
    if (!isSame(truth, await readBack(life.page, truth), `at block ${block.number}`)) this.problems.push('the page reads values that are not true')
    const total = this.lives.reduce((sum, { received }) => sum + received.bytes, 0)
    this.#known(undefined)
    const [{ networkId, genesisHash }] = peers
    const afresh = await life.page.evaluate(syncAfresh, { network: { id: networkId, genesisHash }, url: peers[2].url, root: block.stateRoot })
    await life.page.evaluate(() => db.close())
    await life.close()
    const { folder, leaves } = BACKENDS[this.#plan.backend]
    const backend = stored(join(profile, folder))
    if (!backend.some((name) => leaves.test(name))) {
      this.problems.push(`the profile should hold an IndexedDB of ${this.#plan.backend}, but has ${backend.join(', ') || 'none'}`)
    }
    return { lives: this.lives.map((life) => life.row), problems: this.problems, report, afresh, total, changed: blocks.changed(), blocks: blocks.made(), backend }
  }
}

/** A life in the form that the table takes. */
function row(life) {
  const { killed = false, lived, batches, disk, after, received, lost = 0, onItsWay = 0, kept, last, events } = life
  return { killed, lived, batches, before: disk, after, received: received.bytes, lost, onItsWay, kept, last, events }
}

/** Makes blocks in all peers at once, on a clock of their own, also while no browser runs. */
function startBlocks(peers, { blockMs, share }) {
  let [made, changed] = [0, 0]
  let making = Promise.resolve()
  const timer = setInterval(() => {
    making = making.then(async () => {
      const [block] = await Promise.all(peers.map((peer) => peer.advance(share)))
      made = block.number
      changed += block.changedNodeBytes + block.changedCodeBytes
    })
  }, blockMs)
  return {
    made: () => made,
    changed: () => changed,
    stop() {
      clearInterval(timer)
      return making
    },
  }
}

/** What is in the folder of a profile's databases. */
function stored(folder) {
  return existsSync(folder) ? readdirSync(folder) : []
}
