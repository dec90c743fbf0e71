/**
 * Syncs whole states in a real page, and compares what is stored with the states' sources.
 */

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { GENESIS } from '../../xtask/node/peers.mjs'
import { chain, setUp, syncedPage } from './lib/harness.mjs'
import { countsOf, mixedState, stateFile } from './lib/states.mjs'

const world = setUp()

test('mainnet’s genesis state is synced whole, and every account of it reads back', async () => {
  const peers = [await world.peer('--genesis', GENESIS), await world.peer('--genesis', GENESIS)]
  const page = await world.page()
  const report = await syncedPage(page, 'genesis', ...peers)

  assert.equal(report.root, '0xd7f8974fb5ac78d9ac099b9ad5018bedc2ce0a72dad1827a1709da30580f0544')
  assert.equal(report.accounts, 8893)
  assert.equal(report.slots, 0)
  assert.equal(report.codes, 0)
  assert.equal(report.healing.nodes, 0)

  const genesis = JSON.parse(readFileSync(GENESIS, 'utf8'))
  const read = await page.evaluate(async (addresses) => {
    const accounts = await Promise.all(addresses.map((address) => db.getAccount(address)))
    return accounts.map(({ address, exists, nonce, balance, root }) => ({ address, exists, nonce, balance, root }))
  }, Object.keys(genesis))
  for (const { address, exists, nonce, balance, root } of read) {
    assert.deepEqual(
      { exists, nonce, balance, root },
      { exists: true, nonce: 0n, balance: BigInt(genesis[address].balance), root: report.root },
      address,
    )
  }
})

test('a state with contracts reads back key by key as it was made', async (t) => {
  const state = mixedState(3_000)
  const { file, remove } = stateFile(state)
  t.after(remove)
  const peers = [await world.peer('--genesis', file), await world.peer('--genesis', file)]
  const page = await world.page()
  const report = await syncedPage(page, 'mixed', ...peers)

  const { accounts, slots, codes } = report
  assert.deepEqual({ accounts, slots, codes }, countsOf(state))
  assert.equal(report.healing.nodes, 0, 'on a root that does not move nothing is left to heal')

  const differences = await page.evaluate(async (entries) => {
    const found = []
    const hexOf = (bytes) => '0x' + Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
    const compare = (what, got, wanted) => {
      if (got !== wanted) found.push(`${what}: ${got} instead of ${wanted}`)
    }
    for (const [address, wanted] of entries) {
      const account = await db.getAccount(address)
      compare(`${address} exists`, account.exists, true)
      compare(`${address} balance`, account.balance, BigInt(wanted.balance))
      compare(`${address} nonce`, account.nonce, BigInt(wanted.nonce))
      compare(`${address} code`, hexOf((await db.getCode(address)).code), wanted.code)
      const slots = Object.entries(wanted.storage)
      // Many calls at once, as a wallet would make them. All 30,000 of the largest contract at once
      // would be slow.
      for (let at = 0; at < slots.length; at += 500) {
        await Promise.all(slots.slice(at, at + 500).map(async ([slot, value]) => {
          compare(`${address} slot ${slot}`, (await db.getStorage(address, slot)).value, BigInt(value))
        }))
      }
    }
    return found.slice(0, 10)
  }, Object.entries(state))
  assert.deepEqual(differences, [])
})

test('what is not in the state is proven absent, never guessed', async () => {
  const peer = await world.peer('--genesis', GENESIS)
  const page = await world.page()
  await syncedPage(page, 'absent', peer)
  const [account, slot, code, held] = await page.evaluate(async () => {
    const nobody = '0x' + '12'.repeat(20)
    const { exists, balance, nonce, codeHash, storageRoot } = await db.getAccount(nobody)
    const empty = (await db.getCode(nobody)).code.length
    const unknown = await failure(() => db.getCode('0x' + '34'.repeat(32)))
    return [{ exists, balance, nonce, codeHash, storageRoot }, (await db.getStorage(nobody, 0)).value, empty, unknown]
  })
  assert.deepEqual(account, {
    exists: false,
    balance: 0n,
    nonce: 0n,
    codeHash: '0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470',
    storageRoot: '0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421',
  })
  assert.equal(slot, 0n)
  assert.equal(code, 0)
  assert.equal(held.code, 'NOT_TRACKED')
})

test('progress is an async iterator whose counts only grow and which ends with the sync', async () => {
  const peer = await world.peer('--accounts', '60000')
  const page = await world.page()
  const { seen, calls, report } = await page.evaluate(async ({ url, root, network }) => {
    const db = await snaplight.open({ name: 'progress', network })
    db.addPeer(url)
    let calls = 0
    const sync = db.sync(root, { onProgress: () => calls++ })
    const seen = []
    for await (const { phase, accounts, slots, received, keySpace, peers } of sync) {
      const filled = keySpace.reduce((sum, level) => sum + level, 0)
      seen.push({ phase, accounts, slots, bytes: received.bytes, filled, cells: keySpace.length, peers: peers.length })
    }
    const report = await sync
    await db.close()
    return { seen, calls, report }
  }, chain(peer))

  assert.ok(seen.length > 0 && calls > 0)
  for (const [at, progress] of seen.entries()) {
    assert.equal(progress.cells, 256)
    assert.equal(progress.peers, 1)
    if (at === 0) continue
    for (const count of ['accounts', 'slots', 'bytes', 'filled']) {
      assert.ok(progress[count] >= seen[at - 1][count], `${count} fell from ${seen[at - 1][count]} to ${progress[count]}`)
    }
  }
  assert.equal(report.accounts, peer.accounts)
})

test('a root that is complete already resolves at once, without a peer', async () => {
  const peer = await world.peer('--genesis', GENESIS)
  const page = await world.page()
  await syncedPage(page, 'again', peer)
  const report = await page.evaluate(async (root) => {
    for (const peer of db.peers) peer.close()
    return db.sync(root)
  }, peer.root)
  assert.equal(report.root, peer.root)
  assert.equal(report.accounts, 8893)
})

test('the empty state needs no peer at all', async () => {
  const page = await world.page()
  const { report, exists } = await page.evaluate(async () => {
    const network = { id: 7, genesisHash: '0x' + '07'.repeat(32) }
    const db = await snaplight.open({ name: 'empty', network })
    const report = await db.sync('0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421')
    const { exists } = await db.getAccount('0x' + '12'.repeat(20))
    await db.close()
    return { report, exists }
  })
  assert.equal(report.accounts, 0)
  assert.equal(exists, false)
})

test('a database in memory does the same and leaves nothing on disk', async () => {
  const peer = await world.peer('--genesis', GENESIS)
  const page = await world.page()
  const { accounts, balance, databases } = await page.evaluate(async ({ url, root, network }) => {
    const db = await snaplight.open({ name: 'memory only', network, memory: true })
    db.addPeer(url)
    const { accounts } = await db.sync(root)
    const { balance } = await db.getAccount('0x5abfec25f74cd88437631a7731906932776356f9')
    await db.close()
    const databases = (await indexedDB.databases()).map(({ name }) => name)
    return { accounts, balance, databases }
  }, chain(peer))
  assert.equal(accounts, 8893)
  assert.equal(balance, 11901484239480000000000000n)
  assert.ok(!databases.some((name) => name.includes('memory only')), databases.join())
})
