/**
 * The demo page follows a chain block after block, is killed and opened again, and a second tab
 * reads what it completes.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { announcedHead } from '../../www/heads.js'
import { setUp } from './lib/harness.mjs'

const world = setUp()
const ACCOUNTS = ['--accounts', '3000', '--contracts', '0.1', '--chain']
/** Another network is another database, so that no test meets what another one stored. */
let network = 2000

async function peersOf(count) {
  network++
  return Promise.all(Array.from({ length: count }, () => world.peer(...ACCOUNTS, '--network-id', String(network))))
}

function address(peers, want = 'follow') {
  const [{ networkId, genesisHash }] = peers
  return `${world.origin}/?network=${networkId}&genesis=${genesisHash}&peers=${peers.map(({ url }) => url)}&${want}&start`
}

/** Adds a block to all peers at once. */
async function advance(peers, share) {
  const [block] = await Promise.all(peers.map((peer) => peer.advance(share)))
  return block
}

const holds = (page, { hash }) =>
  page.waitForFunction((hash) => window.demo.standing?.complete?.block?.hash === hash, hash, { timeout: 30_000 })

test('what one peer announces alone is not followed, be it 2^64-1 or another hash', () => {
  const announced = (...heads) => {
    const peers = heads.map(([number, hash]) => ({ stats: { state: 'ready', head: { number, hash } } }))
    return announcedHead({ peers: [{ stats: { state: 'greeting', head: null } }, ...peers] })
  }
  const [liar, honest, behind] = [[2 ** 64, 'x'], [100, 'a'], [99, 'b']]
  assert.equal(announced(), undefined)
  assert.deepEqual(announced(honest), { number: 100, hash: 'a' })
  assert.deepEqual(announced(liar, honest), { number: 100, hash: 'a' })
  assert.deepEqual(announced(liar, honest, honest), { number: 100, hash: 'a' })
  assert.deepEqual(announced(liar, honest, behind, [0, 'y'], honest), { number: 100, hash: 'a' })
  assert.deepEqual(announced([100, 'x'], honest, honest), { number: 100, hash: 'a' })
})

test('a head without a number has no vote, and is followed by its hash where no peer names a number', () => {
  const announced = (...heads) => announcedHead({ peers: heads.map(([number, hash]) => ({ stats: { state: 'ready', head: { number, hash } } })) })
  const [numbered, bare] = [[100, 'a'], [null, 'b']]
  assert.deepEqual(announced(bare), { number: null, hash: 'b' })
  assert.deepEqual(announced(bare, bare, bare, numbered), { number: 100, hash: 'a' })
  assert.deepEqual(announced([null, 'x'], bare, bare), { number: null, hash: 'b' })
})

test('the page follows a chain, shows what each block cost, and reads from the newest one', async () => {
  const peers = await peersOf(2)
  const page = await world.open(address(peers))
  await holds(page, peers[0].block)
  for (let at = 0; at < 3; at++) await holds(page, await advance(peers, 0.01))
  assert.match(await page.textContent('#headline'), /^Block 3$/)
  assert.equal(await page.locator('#blocks tr').count(), 4)
  assert.match(await page.textContent('#blocks tr:first-child'), /^3/)
  const rows = await page.evaluate(() => window.demo.blocks)
  for (const row of rows.slice(1)) {
    assert.ok(row.received.bytes < rows[0].received.bytes / 2, `block ${row.number} costs less than the whole state`)
    assert.ok(row.reused > 0 && row.healing.nodes > 0)
  }
  const { sample } = await peers[0].sample(40)
  const { address: changed } = sample.find(({ slim }) => slim)
  await page.fill('#lookup [name=address]', changed)
  await page.click('#lookup button')
  await page.waitForSelector('#answer dl')
  assert.match(await page.textContent('#answer'), /Proven byblock 3, 0x/)
  const newest = await advance(peers, 0.01)
  await page.waitForFunction((hash) => document.querySelector('#answer').textContent.includes(hash), newest.hash)
  assert.deepEqual(page.uncaught, [])
})

test('a page that is killed and opened again has its last block at once and goes on', async () => {
  const peers = await peersOf(1)
  const page = await world.open(address(peers))
  await holds(page, peers[0].block)
  await page.click('#kill')
  await page.waitForFunction(() => document.querySelector('#kill-story').textContent.includes('was readable at once'))
  await holds(page, await advance(peers, 0.01))
  await page.waitForFunction(() => document.querySelector('#kill-story').textContent.includes('had to be fetched'))
  assert.match(await page.textContent('#blocks tr:first-child'), /after the kill/)
  assert.deepEqual(page.uncaught, [])
})

test('a second tab shows that it reads along, follows, and takes over when the first closes', async () => {
  const peers = await peersOf(1)
  const first = await world.open(address(peers))
  await holds(first, peers[0].block)
  const second = await world.open(address(peers))
  await second.waitForFunction(() => document.querySelector('#role').textContent === 'reads along')
  const block = await advance(peers, 0.01)
  await Promise.all([holds(first, block), holds(second, block)])
  await first.close()
  await second.waitForFunction(() => document.querySelector('#role').textContent === 'syncs')
  await holds(second, await advance(peers, 0.01))
  assert.deepEqual(second.uncaught, [])
})

test('the form opens another chain, and shows what is wrong in a field or in the address', async () => {
  const peers = await peersOf(1)
  const page = await world.open(`${world.origin}/`)
  await page.fill('#setup [name=peers]', 'http://127.0.0.1:1')
  await page.fill('#setup [name=genesis]', '0x12')
  await page.click('#setup button')
  assert.match(await page.textContent('#peers-problem'), /is a web page’s URL/)
  assert.match(await page.textContent('#genesis-problem'), /this has 2 digits/)
  assert.equal(await page.getAttribute('#setup [name=peers]', 'aria-invalid'), 'true')

  await page.fill('#setup [name=peers]', peers[0].url)
  await page.fill('#setup [name=network]', String(peers[0].networkId))
  await page.fill('#setup [name=genesis]', peers[0].genesisHash)
  await page.check('#setup [value=block]')
  await page.fill('#setup [name=hash]', peers[0].block.hash)
  await page.click('#setup button')
  await page.waitForSelector('#phase[data-phase=done]')
  assert.match(await page.textContent('#headline'), /^Block 0$/)

  const nobody = await world.open(`${world.origin}/?peers=ws://127.0.0.1:1/&network=9&genesis=${peers[0].genesisHash}&follow&start`)
  await nobody.waitForFunction(() => document.querySelector('#notice').textContent.startsWith('Nobody answers at 127.0.0.1:1'))
  const wrong = await world.open(`${world.origin}/?peers=${peers[0].url}&network=10&genesis=${peers[0].genesisHash}&follow&start`)
  await wrong.waitForFunction(() => /is on network \d+, and not 10\./.test(document.querySelector('#notice').textContent))
  const address = await world.open(`${world.origin}/?peers=nonsense&root=0x1`)
  await address.waitForSelector('#phase[data-phase=problem]')
  assert.match(await address.textContent('#hash-problem'), /this has 1 digits/)
  for (const each of [page, nobody, wrong, address]) assert.deepEqual(each.uncaught, [])
})
