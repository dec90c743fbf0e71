/**
 * `--wallet`: a page with a watch list that is kept proven while the chain moves, and a go-between
 * that makes the provider lie. Headless, it goes through all of it and prints what held.
 */

import { join } from 'node:path'
import { LIE, startGoBetween } from './go-between.mjs'
import { TARGET, number, pause, play } from './page.mjs'
import { startNode } from './wallet-node.mjs'

/** All of it takes half a minute. A busy machine has this long after the page was opened. */
const END_WITHIN_MS = 110_000
/** Blocks to follow: of the command's own chain, and of any other. */
const BLOCKS = { local: 4, other: 1 }
/** Blocks that the chain goes on for while the plug is pulled. */
const UNHEARD = 2
const LOOK_EVERY_MS = 100
const PICTURE = 'demo-wallet.png'
const UNPLUGGED_PICTURE = 'demo-wallet-unplugged.png'

/**
 * @param {{provider?: string, origin: string}} options `provider`: the URL of the user's own;
 *   `origin`: where the page is served
 * @returns {Promise<{url: string, play: () => Promise<boolean>, stop: () => Promise<void>}>}
 */
export async function prepareWallet({ provider, origin }) {
  const node = await startNode(provider)
  const between = await startGoBetween({ upstream: node.upstream, origin })
  const url = addressOf(origin, { ...node, provider: between.url, control: between.control })
  return {
    url,
    play: () => play(url, PICTURE, (stage) => new Scene(stage, node, between).run()),
    stop: async () => {
      await between.close()
      await node.stop()
    },
  }
}

/** The page's address for a node. */
export function addressOf(origin, { provider, network, control, watch, local }) {
  const query = new URLSearchParams({ provider, network: network.id, genesis: network.genesisHash })
  if (control) query.set('control', control)
  if (local) query.set('restarts', '')
  for (const { address, slots, label } of watch) query.append('watch', [address, ...slots, label].join(';'))
  // These are allowed in a query, and an address without escapes is easier to read.
  const readable = query.toString().replace(/%3A/g, ':').replace(/%2F/g, '/').replace(/%3B/g, ';')
  return `${origin}/wallet.html?${readable}`
}

class Scene {
  #stage
  #node
  #between
  #end = Date.now() + END_WITHIN_MS
  /** `{ what, held }` of each check. */
  #checks = []

  constructor(stage, node, between) {
    this.#stage = stage
    this.#node = node
    this.#between = between
  }

  /** Goes through everything. Returns whether all of it held. */
  async run() {
    try {
      const first = await this.#provenAtFirst()
      await this.#followed(first)
      await this.#lieNamed()
      const before = await this.#unplugged()
      await this.#reloaded(before)
      await this.#pluggedInAgain(blockOf(before.values))
      await this.#untracked()
      await this.#setForThePicture()
    } catch (error) {
      // A browser's error goes on with a log of what was tried.
      this.#check(`the scene went on to its end: ${error.message.split('\n')[0]}`, false)
      console.log(`  the page said: ${await this.#page.evaluate(() => document.querySelector('main').innerText.slice(0, 600)).catch(() => 'nothing')}`)
    }
    const failed = this.#checks.filter(({ held }) => !held)
    console.log(failed.length === 0
      ? `\nCOMPLETE: all ${this.#checks.length} checks held`
      : `\nWRONG: ${failed.length} of ${this.#checks.length} checks did not hold`)
    for (const [at, { what, held }] of this.#checks.entries()) console.log(`  ${held ? 'held    ' : 'NOT HELD'}  ${at + 1}. ${what}`)
    return failed.length === 0
  }

  get #page() {
    return this.#stage.page
  }

  async #provenAtFirst() {
    const { length: entries } = this.#node.watch
    console.log(`  waiting until ${entries} addresses and their slots are proven`)
    await this.#until('all values to be proven', (values) => values.length === entries && all(values, 'proven'))
    const values = await this.#values()
    this.#check(`${read(values).length} of ${read(values).length} values are proven, at block ${number(blockOf(values))}`, all(values, 'proven'))
    await this.#same(values)
    return blockOf(values)
  }

  async #followed(first) {
    const blocks = this.#node.local ? BLOCKS.local : BLOCKS.other
    console.log(`  following ${blocks} ${blocks === 1 ? 'block' : 'blocks'}`)
    await this.#until(`${blocks} more blocks`, (values) => all(values, 'proven') && blockOf(values) >= first + blocks)
    if (this.#node.local) await this.#until('a change', (_, { changes }) => changes > 0)
    const values = await this.#values()
    const { changes } = await this.#look()
    this.#check(`all values are proven at block ${number(blockOf(values))}, ${number(blockOf(values) - first)} after the first, and ${changes} ${changes === 1 ? 'shows' : 'show'} what a block changed`, all(values, 'proven'))
    await this.#same(values)
  }

  async #lieNamed() {
    console.log('  making the provider lie')
    await this.#press('#lying')
    await this.#until('the lie to be named', (_, { lies }) => lies.length > 0)
    await this.#until('the lie to be shown', (_, { liesShown }) => liesShown.includes('Claimed'))
    const { lies: [{ address, field, claimed, proven }], liesShown, values } = await this.#look()
    const [{ entry }] = values
    const added = BigInt(claimed) - BigInt(proven)
    this.#check(`the provider's lie is named: it claims ${added / 10n ** 18n} ETH more than it proves of “${entry.label}”, field ${field}`,
      address === entry.address && field === 'balance' && added === LIE && liesShown.includes(entry.label))
    const now = await this.#values()
    this.#check('the values stay proven while the provider lies', all(now, 'proven'))
    await this.#same(now)
    await this.#press('#lying')
  }

  async #unplugged() {
    console.log('  pulling the plug')
    await this.#press('#plug')
    await this.#until('everything to turn stale', (values) => all(values, 'stale'))
    const { calls } = this.#between.status()
    const before = await this.#values()
    const peers = await this.#page.evaluate(() => window.wallet.db.peers.length)
    const following = await this.#page.evaluate(() => window.wallet.db.following !== null)
    this.#check(`with the plug pulled no provider is left, and ${read(before).length} of ${read(before).length} values stay, stale`, peers === 0 && !following && all(before, 'stale'))
    await this.#add({ address: this.#node.unused, label: 'Added without a network' })
    await this.#until('the added address to be pending', (values) => standingOf(values, this.#node.unused) === 'pending')
    const file = join(TARGET, UNPLUGGED_PICTURE)
    await this.#page.screenshot({ path: file, fullPage: true })
    console.log(`screenshot: ${file}`)
    this.#check('an address that is added now is pending, and not zero', standingOf(await this.#values(), this.#node.unused) === 'pending')
    return { values: before, calls }
  }

  async #reloaded({ values, calls }) {
    console.log('  reloading the page without a network')
    await this.#page.reload()
    await this.#until('the values after a reload', (now) => read(now).some(({ state }) => state === 'stale'))
    const { number: head } = await this.#newest()
    if (this.#node.local) while ((await this.#newest()).number < head + UNHEARD) await pause(LOOK_EVERY_MS)
    const again = (await this.#values()).filter(({ address }) => address !== this.#node.unused)
    const [before, after] = [values, again].map((list) => JSON.stringify(list.map(({ address, account, slots }) => [address, account.text, slots.map(({ text }) => text)])))
    const aged = all(again, 'stale') && read(again).every(({ age }) => age !== null)
    this.#check(`reloaded without a network, the page answers the same, with its age (${Math.max(...read(again).map(({ age }) => age))} s)`, before === after && aged)
    const { number: now } = await this.#newest()
    this.#check(`no provider was asked anything meanwhile, and the page stays at block ${number(blockOf(again))} while the chain is at ${number(now)}`,
      this.#between.status().calls === calls)
  }

  async #pluggedInAgain(before) {
    console.log('  plugging in again, and taking an address out')
    await this.#press('#plug')
    await this.#until('everything to be proven at a newer block', (values) => all(values, 'proven') && blockOf(values) > before)
    const values = await this.#values()
    this.#check(`plugged in again, all values are proven, at block ${number(blockOf(values))}, and the added address is among them`,
      standingOf(values, this.#node.unused) === 'proven')
    await this.#same(values)
  }

  async #untracked() {
    const { unused } = this.#node
    const item = this.#page.locator('#list > li').filter({ hasText: 'Added without a network' })
    await item.getByRole('button', { name: 'Stop tracking' }).click()
    await this.#until('the address to be untracked', (values) => standingOf(values, unused) === 'untracked')
    const code = await this.#page.evaluate((address) => window.wallet.db.getAccount(address).then(() => 'an answer', (error) => error.code), unused)
    this.#check('an address that is no longer tracked says so, and is not read any more', code === 'NOT_TRACKED')
    await item.getByRole('button', { name: 'Remove' }).click()
    await this.#until('the address to be removed', (values) => standingOf(values, unused) === undefined)
    this.#check('a removed address leaves the list, and the others stay', all(await this.#values(), 'proven'))
  }

  /** Leaves the page for the picture: proven, with a lie, and something that is not tracked. */
  async #setForThePicture() {
    const { address } = this.#node.watch.at(-1)
    await this.#page.locator('#list > li').last().getByRole('button', { name: 'Stop tracking' }).click()
    await this.#press('#lying')
    await this.#until('the lie to be named again', (values, { lies }) => lies.length > 0 && standingOf(values, address) === 'untracked')
    await this.#until('the lie to be shown', (_, { liesShown }) => liesShown.includes('Claimed'))
  }

  /** Compares with what the node itself proves of the same block. */
  async #same(values) {
    const wrong = []
    for (const { address, account, slots } of values) {
      const proof = await this.#node.call('eth_getProof', [address, slots.map(({ slot }) => slot), { blockHash: account.hash }])
      const pairs = [
        ['balance', account.balance, BigInt(proof.balance)], ['nonce', account.nonce, BigInt(proof.nonce)],
        ...slots.map(({ slot, value }, at) => [`slot ${slot}`, value, BigInt(proof.storageProof[at].value)]),
      ]
      for (const [what, shown, truth] of pairs) if (shown !== truth) wrong.push(`${what} of ${address} is ${truth}, and the page says ${shown}`)
    }
    for (const line of wrong) console.log(`  WRONG: ${line}`)
    this.#check(`all of them are what the node itself says of block ${number(blockOf(values))}`, wrong.length === 0)
  }

  async #newest() {
    const block = await this.#node.call('eth_getBlockByNumber', ['latest', false])
    return { number: Number(block.number) }
  }

  async #add({ address, label }) {
    await this.#page.fill('#add [name=address]', address)
    await this.#page.fill('#add [name=label]', label)
    await this.#press('#add button')
  }

  #press(selector) {
    return this.#page.click(selector, { timeout: this.#left() })
  }

  async #until(what, isReached) {
    for (;;) {
      const seen = await this.#look()
      if (isReached(seen.values, seen)) return
      if (Date.now() > this.#end) throw new Error(`waited in vain for ${what}`)
      await pause(LOOK_EVERY_MS)
    }
  }

  async #values() {
    return (await this.#look()).values
  }

  #look() {
    return look(this.#page)
  }

  #left() {
    return Math.max(1, this.#end - Date.now())
  }

  #check(what, held) {
    this.#checks.push({ what, held })
    if (!held) console.log(`  NOT HELD: ${what}`)
  }
}

/** What the page shows, and what it shows it from. */
export function look(page) {
  return page.evaluate(() => {
    const { values = [], lies = [] } = window.wallet ?? {}
    const rows = [...document.querySelectorAll('#list > li')].map((item) => [...item.querySelectorAll('dl > div')])
    const shown = (row) => ({ text: row?.querySelector('.value b').textContent, badge: row?.querySelector('.badge').textContent })
    const one = ({ value, standing }, row) => ({ ...shown(row), state: standing.state, age: standing.age, block: standing.block?.number, hash: standing.block?.hash, balance: value?.balance, nonce: value?.nonce, value: value?.value })
    return {
      values: values.map(({ entry, account, slots }, at) => ({
        entry, address: entry.address, account: one(account, rows[at]?.[0]), slots: slots.map((each, place) => ({ slot: each.slot, ...one(each, rows[at]?.[place + 1]) })),
      })),
      lies,
      liesShown: document.querySelector('#lies').innerText,
      changes: [...document.querySelectorAll('#list .value small')].filter(({ textContent }) => / block /.test(textContent)).length,
    }
  })
}

function read(values) {
  return values.flatMap(({ account, slots }) => [account, ...slots])
}

export function all(values, state) {
  return values.length > 0 && read(values).every((each) => each.state === state)
}

/** The block of which all values are. */
function blockOf(values) {
  return Math.max(...read(values).map(({ block }) => block ?? 0))
}

function standingOf(values, address) {
  return values.find((each) => each.address === address)?.account.state
}
