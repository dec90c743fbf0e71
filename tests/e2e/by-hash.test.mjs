/**
 * Trie nodes and codes come by their hashes, from peers that answer in no other way: alone, beside
 * peers by snap, and after them.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GENESIS } from '../../xtask/node/peers.mjs'
import { chain, load, setUp } from './lib/harness.mjs'
import { countsOf, mixedState, stateFile } from './lib/states.mjs'

const RICH = '0x5abfec25f74cd88437631a7731906932776356f9'
const RICH_BALANCE = 11901484239480000000000000n
/** Accounts of a state whose sync by hash is far from its end when its first batch is stored. */
const MANY = 40_000
/** Bytes per second of a peer that is still busy when a test has seen that it is. */
const UNHURRIED = '2000000'

const world = setUp()

/** What the page's functions need to know of a peer that is asked by hash. */
const byHash = (peer) => ({ ...chain(peer), by: 'hash' })

/**
 * Opens `name`, as `window.db` of the page, with these peers. Returns the page.
 *
 * @param {...object} peers of `chain` or `byHash`
 */
async function opened(name, ...peers) {
  const page = await world.page()
  await open(page, name, ...peers)
  return page
}

async function open(page, name, ...peers) {
  await page.evaluate(
    async ({ name, peers }) => {
      window.db = await snaplight.open({ name, network: peers[0].network })
      for (const { url, by } of peers) db.addPeer(url, { by })
    },
    { name, peers },
  )
}

/** Syncs the page's database to a root, and returns the report with the rows of all peers. */
async function synced(page, root) {
  return page.evaluate(async (root) => {
    const report = await db.sync(root)
    return { ...report, peers: db.progress().peers.map((row) => ({ ...row })) }
  }, root)
}

/** Nothing came in ranges, and nobody did anything wrong. */
function assertByHashAlone({ ranges, healing, peers }) {
  assert.equal(ranges.answers, 0)
  assert.ok(healing.nodes > 0)
  for (const { by, faults, lastFault } of peers) assert.deepEqual([by, faults, lastFault], ['hash', 0, null])
}

test("mainnet's genesis state comes by hash alone, and its accounts read back", async () => {
  const peer = await world.peer('--genesis', GENESIS, '--by', 'hash')
  const page = await opened('genesis by hash', byHash(peer))
  const report = await synced(page, peer.root)
  assertByHashAlone(report)
  assert.deepEqual([report.root, report.accounts], [peer.root, 8893])
  // Its Status has a hash and no number.
  assert.deepEqual(report.peers[0].head, { number: null, hash: peer.block.hash })
  const { balance, absent } = await page.evaluate(async (address) => {
    const [{ balance }, { exists }] = await Promise.all([db.getAccount(address), db.getAccount('0x' + '12'.repeat(20))])
    return { balance, absent: !exists }
  }, RICH)
  assert.deepEqual([balance, absent], [RICH_BALANCE, true])
  assert.deepEqual(page.uncaught, [])
})

test('a state after a block comes by hash, with storages and codes', async () => {
  const state = mixedState(1_500, 'by hash')
  const { file, remove } = stateFile(state)
  const peer = await world.peer('--genesis', file, '--by', 'hash').finally(remove)
  const page = await opened('mixed by hash', byHash(peer))
  const report = await synced(page, { blockHash: peer.block.hash })
  assertByHashAlone(report)
  const { accounts, slots, codes } = report
  assert.deepEqual({ accounts, slots, codes }, countsOf(state))
  const contracts = Object.entries(state).filter(([, { code }]) => code !== '0x').slice(0, 50)
  const wanted = contracts.map(([address, { code, storage }]) => ({ address, code, slot: Object.entries(storage).at(-1) ?? ['0x7', '0x0'] }))
  const wrong = await page.evaluate(async (wanted) => {
    const hex = (bytes) => '0x' + Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
    const wrong = []
    for (const { address, code, slot: [number, value] } of wanted) {
      const [found, { value: held }] = await Promise.all([db.getCode(address), db.getStorage(address, number)])
      if (hex(found.code) !== code || held !== BigInt(value)) wrong.push(address)
    }
    return wrong
  }, wanted)
  assert.deepEqual([wanted.length, wrong], [50, []])
})

test('peers by hash and by snap serve one sync side by side', async () => {
  const peer = await world.peer('--accounts', String(MANY), '--contracts', '0.1', '--by', 'both')
  const page = await opened('side by side', chain(peer), byHash(peer))
  const report = await synced(page, peer.root)
  assert.equal(report.accounts, peer.accounts)
  assert.ok(report.ranges.answers > 0, 'ranges are the cheaper way')
  assert.deepEqual(report.peers.map(({ by, state, faults }) => [by, state, faults]), [['snap', 'ready', 0], ['hash', 'ready', 0]])
})

test('a root that the peer by snap never had is synced by hash, and only what differs is fetched', async () => {
  // The same seed makes the same chain: one peer is a block ahead of the other.
  const options = ['--accounts', '5000', '--contracts', '0.1', '--seed', '78', '--chain']
  const [behind, ahead] = await Promise.all([world.peer(...options, '--by', 'snap'), world.peer(...options, '--by', 'hash')])
  const { stateRoot } = await ahead.advance(0.01)
  const page = await opened('never had', chain(behind))
  const first = await synced(page, behind.root)
  await page.evaluate(({ url }) => db.addPeer(url, { by: 'hash' }), chain(ahead))
  const report = await synced(page, stateRoot)
  assert.equal(report.root, stateRoot)
  assert.ok(report.healing.nodes > 0)
  assert.ok(report.healing.bytes < first.received.bytes / 2, `${report.healing.bytes} bytes, of ${first.received.bytes}`)
  const [snap, hash] = report.peers
  assert.deepEqual([snap.answers, snap.faults, hash.faults], [first.peers[0].answers, 0, 0])
  assert.ok(hash.answers > 0)
})

test('a root that the peer by snap gave up in mid-sync is finished by hash', async () => {
  const options = ['--accounts', String(MANY), '--seed', '79', '--chain']
  const [snap, archive] = await Promise.all([
    world.peer(...options, '--by', 'snap', '--keep', '1', '--throttle', UNHURRIED), world.peer(...options, '--by', 'hash'),
  ])
  assert.equal(snap.root, archive.root)
  const page = await opened('given up', chain(snap))
  await page.evaluate(async (root) => {
    window.running = db.sync(root)
    for await (const { received } of running) if (received.accounts > 0) break
  }, snap.root)
  await snap.advance(0.01)
  const refused = await page.evaluate(async () => {
    for await (const { needNewRoot } of running) if (needNewRoot) return needNewRoot.root
  })
  assert.equal(refused, snap.root)
  const report = await page.evaluate(async ({ url }) => {
    window.archive = db.addPeer(url, { by: 'hash' })
    const report = await running
    return { ...report, snap: { ...db.peers[0].stats }, archive: { ...archive.stats } }
  }, chain(archive))
  assert.deepEqual([report.root, report.accounts], [archive.root, archive.accounts])
  assert.ok(report.ranges.answers > 0 && report.healing.nodes > 0)
  assert.ok(report.archive.answers > 0)
  assert.deepEqual([report.snap.state, report.snap.faults, report.archive.faults], ['ready', 0, 0])
})

test('a reload in the middle of a sync by hash goes on with what is stored', async () => {
  const peer = await world.peer('--accounts', String(MANY), '--by', 'hash', '--throttle', UNHURRIED)
  const page = await opened('reloaded', byHash(peer))
  await page.evaluate(async ({ root, enough }) => {
    for await (const { pagesStored, accounts } of db.sync(root)) if (pagesStored > 0 && accounts > enough) break
  }, { root: peer.root, enough: MANY / 4 })
  await page.reload()
  await load(page)
  await open(page, 'reloaded', byHash(peer))
  const report = await synced(page, peer.root)
  assertByHashAlone(report)
  assert.equal(report.accounts, peer.accounts)
  const [{ bytes }] = report.peers
  assert.ok(report.received.bytes > bytes, 'the report counts both sessions')
  const whole = await synced(await opened('not reloaded', byHash(peer)), peer.root)
  assert.ok(bytes < whole.received.bytes, `${bytes} bytes again, of ${whole.received.bytes}`)
})

test('a database in a worker asks by hash', async () => {
  const peer = await world.peer('--genesis', GENESIS, '--by', 'hash')
  const page = await world.page()
  const { report, by, balance } = await page.evaluate(async ({ url, root, network, address }) => {
    const { openInWorker } = await import('snaplight/worker')
    const db = await openInWorker(undefined, { name: 'worker by hash', network })
    const { by } = db.addPeer(url, { by: 'hash' })
    const report = await db.sync(root)
    const peers = db.progress().peers.map((row) => ({ ...row }))
    const { balance } = await db.getAccount(address)
    await db.close()
    return { report: { ...report, peers }, by, balance }
  }, { ...chain(peer), address: RICH })
  assertByHashAlone(report)
  assert.deepEqual([by, report.accounts, balance], ['hash', 8893, RICH_BALANCE])
})

test('a follower that becomes the writer asks by hash whom it was told to', async () => {
  const peer = await world.peer('--genesis', GENESIS, '--by', 'hash')
  const page = await world.page()
  const report = await page.evaluate(async ({ url, root, network }) => {
    const first = await snaplight.open({ name: 'taken over', network })
    const second = await snaplight.open({ name: 'taken over', network })
    second.addPeer(url, { by: 'hash' })
    const sync = second.sync(root)
    await first.close()
    const report = await sync
    const peers = second.progress().peers.map((row) => ({ ...row }))
    await second.close()
    return { ...report, peers }
  }, chain(peer))
  assertByHashAlone(report)
  assert.equal(report.accounts, 8893)
})

test('the demo page asks by hash whom its address says so of', async () => {
  const peer = await world.peer('--genesis', GENESIS, '--network-id', '1990', '--by', 'hash')
  const { url, root, networkId, genesisHash } = peer
  const page = await world.open(`${world.origin}/?hash-peers=${url}&network=${networkId}&genesis=${genesisHash}&root=${root}&start`)
  await page.waitForSelector('#phase[data-phase=done]')
  assert.match(await page.textContent('#headline'), /8,893 accounts/)
  assert.equal(await page.textContent('#peers td:nth-child(2)'), 'by hash')
  assert.notEqual(await page.textContent('[data-count=nodes]'), '0')
  assert.equal(await page.inputValue('#setup [name=hashPeers]'), url)
  assert.deepEqual(page.uncaught, [])
})

test('the demo page asks by hash whom its forms say so of', async () => {
  const peer = await world.peer('--genesis', GENESIS, '--network-id', '1991', '--by', 'hash')
  const { url, root, networkId, genesisHash } = peer
  const page = await world.open(`${world.origin}/?network=${networkId}&genesis=${genesisHash}&root=${root}&start`)
  await page.waitForFunction(() => document.getElementById('headline').textContent.startsWith('Waiting'))
  await page.fill('#add-peer input', url)
  await page.selectOption('#add-peer select', 'hash')
  await page.click('#add-peer button')
  await page.waitForSelector('#phase[data-phase=done]')
  assert.equal(await page.textContent('#peers td:nth-child(2)'), 'by hash')

  await page.evaluate(() => { document.getElementById('connection').open = true })
  await page.fill('#setup [name=hashPeers]', 'http://127.0.0.1:1')
  await page.click('#setup button')
  assert.match(await page.textContent('#hashPeers-problem'), /is a web page’s URL/)
  await page.fill('#setup [name=hashPeers]', url)
  await page.click('#setup button')
  await page.waitForURL((address) => address.searchParams.get('hash-peers') === url)
  await page.waitForSelector('#phase[data-phase=done]')
  assert.deepEqual(page.uncaught, [])
})
