/** The demo page syncs one state. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GENESIS } from '../../xtask/node/peers.mjs'
import { setUp } from './lib/harness.mjs'

const world = setUp()

/** Another network is another database, so that no test meets what another one stored. */
let network = 1000

function peersOf(count) {
  network++
  return Promise.all(Array.from({ length: count }, () => world.peer('--genesis', GENESIS, '--network-id', String(network))))
}

function address(peers, more = {}) {
  const [{ root, networkId, genesisHash }] = peers
  const query = new URLSearchParams({ root, network: networkId, genesis: genesisHash, peers: peers.map(({ url }) => url).join(), ...more })
  return `${world.origin}/?${query}`
}

const settled = (page, phase) => page.waitForSelector(`#phase[data-phase=${phase}]`)

for (const thread of ['worker', 'main']) {
  test(`the page syncs in its ${thread} thread, looks accounts up, survives a reload without peers, and resets`, async () => {
    const peers = await peersOf(2)
    const page = await world.open(address(peers, { thread }))
    await settled(page, 'idle')
    await page.click('#start')
    await settled(page, 'done')
    assert.match(await page.textContent('#headline'), /8,893 accounts/)
    assert.equal(await page.locator('#peers tr:not(.nobody)').count(), 2)
    assert.equal(await page.getAttribute('#keyspace', 'aria-label'), 'The key space, 100 % proven')

    await page.goto(address(peers, { thread, peers: '' }))
    await settled(page, 'done')
    await page.fill('#lookup [name=address]', '0x5abfec25f74cd88437631a7731906932776356f9')
    await page.fill('#lookup [name=slot]', '0')
    await page.click('#lookup button')
    await page.waitForSelector('#answer dl')
    const answer = await page.textContent('#answer')
    assert.match(answer, /11,901,484\.23948 ETH/)
    assert.ok(answer.includes(peers[0].root), 'the answer names the root that proves it')

    await page.fill('#lookup [name=address]', 'nonsense')
    await page.click('#lookup button')
    await page.waitForSelector('#answer .error')

    await page.click('#reset')
    await settled(page, 'idle')
    assert.match(await page.textContent('#headline'), /Nothing is stored/)
    assert.deepEqual(page.uncaught, [])
    })
}

test('a second tab shows that another one syncs, and has what that one completes', async () => {
  const peers = await peersOf(1)
  const first = await world.open(address(peers))
  await settled(first, 'idle')
  const second = await world.open(address(peers))
  await second.waitForFunction(() => document.querySelector('#notice').textContent.startsWith('Another tab of this browser syncs'))
  await second.click('#start')
  await first.click('#start')
  await Promise.all([settled(first, 'done'), settled(second, 'done')])
  assert.match(await second.textContent('#headline'), /8,893 accounts/)
  await first.close()
  await second.waitForFunction(() => document.querySelector('#notice').hidden)
  assert.deepEqual(second.uncaught, [])
})

test('without a peer the page shows what it waits for, and goes on when one is added', async () => {
  const [peer] = await peersOf(1)
  const page = await world.open(address([{ ...peer, url: '' }]))
  await settled(page, 'idle')
  await page.click('#start')
  await page.waitForFunction(() => document.getElementById('headline').textContent.startsWith('Waiting'))
  await page.fill('#add-peer input', peer.url)
  await page.click('#add-peer button')
  await settled(page, 'done')
  assert.deepEqual(page.uncaught, [])
})
