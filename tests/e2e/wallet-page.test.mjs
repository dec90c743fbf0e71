/** The watch list's page: its badges, a lie, the plug, and a reload without a network. */

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { LIE, startGoBetween } from '../../xtask/node/demo/go-between.mjs'
import { addressOf, all, look } from '../../xtask/node/demo/wallet.mjs'
import { testChain } from '../../xtask/node/demo/wallet-node.mjs'
import { setUp } from './lib/harness.mjs'

const WITHIN_MS = 60_000
const LOOK_EVERY_MS = 100

const world = setUp()
let node, between
before(async () => {
  node = await testChain({ everyMs: 0 })
  between = await startGoBetween({ upstream: node.upstream, origin: world.origin })
})
after(async () => {
  await between?.close()
  await node?.stop()
})

/** Waits for what the page shows. Fails with what it showed last. */
async function until(page, what, isReached) {
  const end = Date.now() + WITHIN_MS
  for (;;) {
    const seen = await look(page)
    if (isReached(seen)) return seen
    if (Date.now() > end) assert.fail(`waited in vain for ${what}; the page shows:\n${await page.innerText('main')}`)
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))
  }
}

const at = (block) => ({ values }) => all(values, 'proven') && values.every(({ account }) => account.hash === block.hash)
const open = () => world.open(addressOf(world.origin, { ...node, provider: between.url, control: between.control }))

/** What the page shows of each value is what the chain has. */
async function assertTrue({ values }, block) {
  assert.equal(values.length, node.watch.length)
  for (const { address, account, slots } of values) {
    const proof = await node.call('eth_getProof', [address, slots.map(({ slot }) => slot), { blockHash: block.hash }])
    assert.deepEqual([account.balance, account.nonce, ...slots.map(({ value }) => value)],
      [BigInt(proof.balance), BigInt(proof.nonce), ...proof.storageProof.map(({ value }) => BigInt(value))], address)
  }
}

test('the watch list is proven at each block, names a lie and what is true, and answers after a reload without a network', async () => {
  const page = await open()
  const block = await node.makeBlock()
  await assertTrue(await until(page, 'all values of a block', at(block)), block)

  const next = await node.makeBlock()
  const seen = await until(page, 'a change of the next block', (now) => at(next)(now) && now.changes > 0)
  await assertTrue(seen, next)
  assert.ok(seen.values.every(({ account }) => account.badge === 'Proven'))

  await page.click('#lying')
  await page.waitForSelector('#lying[aria-checked=true]')
  const third = await node.makeBlock()
  const lied = await until(page, 'the lie', (now) => at(third)(now) && now.lies.length > 0 && now.liesShown.includes('Claimed'))
  const [{ address, field, claimed, proven }] = lied.lies
  assert.deepEqual([address, field, BigInt(claimed) - BigInt(proven)], [node.watch[0].address, 'balance', LIE])
  assert.match(lied.liesShown, /Savings: the balance/)
  await assertTrue(lied, third)

  await page.click('#plug')
  const unplugged = await until(page, 'everything to be stale', ({ values }) => all(values, 'stale'))
  assert.ok(unplugged.values.every(({ account }) => account.badge === 'Stale'))
  const { calls } = between.status()
  await node.makeBlock()
  await page.reload()
  await assertTrue(await until(page, 'the values after the reload', ({ values }) => all(values, 'stale')), third)
  assert.equal(between.status().calls, calls, 'nobody was asked')
  between.lieAbout(null)

  await page.click('#plug')
  const last = await node.makeBlock()
  await assertTrue(await until(page, 'the newest block after the plug is in', at(last)), last)
  assert.deepEqual(page.uncaught, [])
  await page.evaluate(() => window.wallet.db.close())
})

test('an address is added, is not tracked any more, and is removed; what is no address is said in words', async () => {
  const page = await open()
  await until(page, 'all values', at(await node.makeBlock()))
  await page.fill('#add [name=address]', '0x12')
  await page.click('#add button')
  assert.match(await page.textContent('#address-problem'), /40 hexadecimal digits; this has 2/)

  await page.fill('#add [name=address]', node.unused)
  await page.fill('#add [name=label]', 'New')
  await page.fill('#add [name=slots]', '3')
  await page.click('#add button')
  const block = await node.makeBlock()
  const added = await until(page, 'the added one', (now) => now.values.length === node.watch.length + 1 && at(block)(now))
  const { account, slots } = added.values.at(-1)
  assert.deepEqual([account.text, slots[0].text], ['0 ETH', '0'], 'an account that does not exist is proven so')

  const item = page.locator('#list > li').last()
  await item.getByRole('button', { name: 'Stop tracking' }).click()
  const gone = await until(page, 'it to be not tracked', ({ values }) => values.at(-1).account.state === 'untracked')
  assert.deepEqual([gone.values.at(-1).account.text, gone.values.at(-1).account.badge], ['–', 'Not tracked'])
  await item.getByRole('button', { name: 'Remove' }).click()
  await until(page, 'it to leave the list', ({ values }) => values.length === node.watch.length && all(values, 'proven'))
  assert.deepEqual(page.uncaught, [])
})

test('a page without a provider asks for one, and says what is wrong with its URL', async () => {
  const page = await world.open(`${world.origin}/wallet.html`)
  await page.fill('#connect [name=url]', 'rpc.example')
  await page.click('#connect button')
  assert.match(await page.textContent('#connect-problem'), /is no URL/)
  await page.fill('#connect [name=url]', between.url)
  await page.click('#connect button')
  await page.waitForSelector('#network:not(:empty)')
  assert.match(await page.textContent('#network'), new RegExp(`Network ${node.network.id}`))
  assert.deepEqual(page.uncaught, [])
})
