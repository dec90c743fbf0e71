/** Sets the target of a sync: a root or a block, and another one while the sync runs. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chain, setUp, syncedPage } from './lib/harness.mjs'

const world = setUp()

test('a block is synced to by its hash, and the report, the state and all answers name it', async () => {
  const peer = await world.peer('--accounts', '5000', '--contracts', '0.1')
  const page = await world.page()
  const { report, phases, complete, account, slot, code, head, offline } = await page.evaluate(async ({ url, block, network }) => {
    window.db = await snaplight.open({ name: 'by block', network })
    const { id } = db.addPeer(url)
    const sync = db.sync({ blockHash: block.hash })
    const phases = []
    for await (const { phase } of sync) phases.push(phase)
    const report = await sync
    const nobody = '0x' + '12'.repeat(20)
    const [account, slot, code] = [await db.getAccount(nobody), await db.getStorage(nobody, 0), await db.getCode(nobody)]
    const { head } = db.progress().peers.find((row) => row.id === id)
    for (const each of db.peers) each.close()
    // Its header was proven before, so no peer is asked for it.
    const offline = await db.sync({ blockHash: block.hash })
    return { report, phases, complete: db.complete, account, slot, code, head, offline }
  }, chain(peer))
  const { number, hash, timestamp } = peer.block
  const block = { hash, number, timestamp }
  assert.equal(report.root, peer.root)
  for (const [what, { block: named, root }] of Object.entries({ report, complete, account, slot, code, offline })) {
    assert.deepEqual([named, root], [block, peer.root], what)
  }
  assert.equal(phases.at(-1), 'done')
  assert.deepEqual(head, { number, hash })

  await page.evaluate(() => db.close())
  const kept = await page.evaluate(async (network) => {
    const db = await snaplight.open({ name: 'by block', network })
    const { complete } = db
    await db.close()
    return complete
  }, chain(peer).network)
  assert.deepEqual(kept, complete)
})

test('of two blocks with one root, the state and all answers name the one asked for last', async () => {
  const peer = await world.peer('--accounts', '1000', '--contracts', '0.1', '--chain')
  const first = peer.block
  const second = await peer.advance(0)
  assert.equal(second.stateRoot, peer.root)
  const page = await world.page()
  const { named, heard, empty } = await page.evaluate(async ({ url, network, root, blocks }) => {
    const heard = []
    const onEvent = ({ type, complete }) => type === 'complete' && heard.push(complete.block?.number ?? null)
    window.db = await snaplight.open({ name: 'two blocks', network, onEvent })
    db.addPeer(url)
    const named = []
    for (const target of [root, ...blocks.map((blockHash) => ({ blockHash })), root]) {
      const report = await db.sync(target)
      const { block } = await db.getAccount('0x' + '12'.repeat(20))
      named.push([report, db.complete, { block }].map(({ block }) => block?.hash ?? null))
    }
    const { codes: before } = db.complete
    const { codes } = await db.sync('0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421')
    const empty = { before, report: codes, complete: db.complete.codes }
    await db.close()
    return { named, heard, empty }
  }, { ...chain(peer), root: peer.root, blocks: [first.hash, second.hash] })
  const expected = [null, first.hash, second.hash, second.hash]
  assert.deepEqual(named, expected.map((hash) => [hash, hash, hash]))
  assert.deepEqual(heard, [null, first.number, second.number, null])
  assert.ok(empty.before > 0)
  assert.deepEqual([empty.report, empty.complete], [0, 0])
})

test('a header that is not the block’s is its peer’s fault', async () => {
  const [liar, honest] = await Promise.all([
    world.peer('--accounts', '100', '--vice', 'wrong-header'),
    world.peer('--accounts', '100'),
  ])
  const page = await world.page()
  const { fault, root } = await page.evaluate(async ([liar, honest]) => {
    const db = await snaplight.open({ name: 'wrong header', network: honest.network })
    const bad = db.addPeer(liar.url)
    const sync = db.sync({ blockHash: honest.block.hash })
    const { reason } = await bad.closed
    db.addPeer(honest.url)
    const { root } = await sync
    await db.close()
    return { fault: reason, root }
  }, [chain(liar), chain(honest)])
  assert.match(fault, /header/)
  assert.equal(root, honest.root)
})

test('a sync is moved while it runs, and its promise is that of the last target', async () => {
  const peer = await world.peer('--accounts', '200000', '--chain')
  const next = await peer.advance(0.01)
  const page = await world.page()
  const { report, complete } = await page.evaluate(async ({ from, to, url, network }) => {
    window.db = await snaplight.open({ name: 'moved', network })
    db.addPeer(url)
    const sync = db.sync(from)
    for await (const { pagesStored } of sync) if (pagesStored > 0) break
    const report = await sync.retarget({ blockHash: to })
    return { report, complete: db.complete }
  }, { ...chain(peer), from: peer.root, to: next.hash })
  assert.equal(report.root, next.stateRoot)
  assert.equal(report.block.number, next.number)
  assert.equal(complete.root, next.stateRoot)
  assert.deepEqual(page.uncaught, [])
})

test('a second sync takes over from the first, whose error says that nothing is lost', async () => {
  const peer = await world.peer('--accounts', '200000', '--chain')
  const next = await peer.advance(0.01)
  const page = await world.page()
  const { first, report } = await page.evaluate(async ({ from, to, url, network }) => {
    window.db = await snaplight.open({ name: 'taken over', network })
    db.addPeer(url)
    const sync = db.sync(from)
    const first = failure(() => sync)
    for await (const { pagesStored } of sync) if (pagesStored > 0) break
    const report = await db.sync({ root: to })
    return { first: await first, report }
  }, { ...chain(peer), from: peer.root, to: next.stateRoot })
  assert.equal(first.code, 'CANCELLED')
  assert.match(first.message, new RegExp(`${next.stateRoot}.*nothing .* lost`))
  assert.equal(report.root, next.stateRoot)
})

test('close() ends after any calls that start, overtake and cancel syncs', async () => {
  const peer = await world.peer('--accounts', '3000', '--chain')
  const next = await peer.advance(0.1)
  const page = await world.page()
  const ends = await page.evaluate(async ({ from, to, url, network }) => {
    const ends = []
    // The first sync takes some tens of milliseconds, so the calls fall into each of its phases.
    for (let turns = 0; turns < 40; turns++) {
      const db = await snaplight.open({ name: `overtaken ${turns}`, network })
      db.addPeer(url)
      const first = db.sync(from)
      for (let at = 0; at < turns; at++) await turn()
      const second = db.sync(to)
      second.cancel()
      const both = Promise.allSettled([first, second])
      await db.close()
      ends.push((await both).map(({ reason }) => reason?.code ?? 'done').join())
      await snaplight.deleteDatabase(db.name)
    }
    return ends
  }, { ...chain(peer), from: peer.root, to: next.stateRoot })
  const possible = ['CANCELLED,CANCELLED', 'CANCELLED,CLOSED', 'CANCELLED,done', 'done,CANCELLED', 'done,CLOSED', 'done,done']
  assert.equal(ends.length, 40)
  for (const end of ends) assert.ok(possible.includes(end), end)
  assert.deepEqual(page.uncaught, [])
})

test('a block that is asked for before its peer has it is complete after the peer has announced it', async () => {
  // The same seed makes the same chain: one peer is a block ahead of the other.
  const options = ['--accounts', '3000', '--contracts', '0.1', '--seed', '77', '--chain']
  const [ahead, peer] = await Promise.all([world.peer(...options), world.peer(...options)])
  const block = await ahead.advance(0.01)
  const page = await world.page()
  await syncedPage(page, 'early', peer)
  const waited = await page.evaluate(async (blockHash) => {
    window.early = db.sync({ blockHash })
    for await (const { waitingFor } of early) if (waitingFor === 'block') return true
  }, block.hash)
  assert.ok(waited)
  const same = await peer.advance(0.01)
  assert.equal(same.hash, block.hash)
  const report = await page.evaluate(() => early)
  assert.deepEqual([report.root, report.block.hash], [block.stateRoot, block.hash])
  assert.deepEqual(page.uncaught, [])
})

test('the old state answers until the new one is complete', async () => {
  const peer = await world.peer('--accounts', '20000', '--chain')
  const page = await world.page()
  await syncedPage(page, 'old and new', peer)
  const next = await peer.advance(0.5)
  const { roots, states } = await page.evaluate(async ({ to }) => {
    const [roots, states] = [new Set(), new Set()]
    let over = false
    const sync = db.sync({ root: to }).finally(() => (over = true))
    const read = async () => {
      while (!over) {
        const { root } = await db.getAccount('0x' + Math.trunc(Math.random() * 2 ** 32).toString(16).padStart(40, '0'))
        roots.add(root)
        states.add(db.complete.root)
        await turn()
      }
    }
    await Promise.all([sync, read(), read()])
    roots.add((await db.getAccount('0x' + '12'.repeat(20))).root)
    return { roots: [...roots], states: [...states] }
  }, { to: next.stateRoot })
  assert.deepEqual(roots, [peer.root, next.stateRoot])
  assert.ok(states.every((root) => roots.includes(root)))
})

test('a root that no peer has is reported with the peers that refused it, and another target ends the wait', async () => {
  const peer = await world.peer('--accounts', '1000')
  const page = await world.page()
  const { need, calls, seen, report } = await page.evaluate(async ({ url, root, network }) => {
    window.db = await snaplight.open({ name: 'no such root', network })
    db.addPeer(url, { name: 'the only one' })
    let calls = 0
    let sync
    const need = await new Promise((resolve) => {
      sync = db.sync('0x' + 'ab'.repeat(32), {
        onNeedNewRoot: (need) => {
          calls += 1
          resolve(need)
        },
      })
    })
    const { waiting, waitingFor, needNewRoot } = db.progress()
    const report = await sync.retarget(root)
    return { need, calls, seen: { waiting, waitingFor, needNewRoot }, report }
  }, chain(peer))
  assert.deepEqual(need, { root: `0x${'ab'.repeat(32)}`, peers: [{ id: 1, name: 'the only one' }] })
  assert.equal(calls, 1)
  assert.deepEqual([seen.waitingFor, seen.needNewRoot], ['root', need])
  assert.match(seen.waiting, /the only peer does not have/)
  assert.equal(report.root, peer.root)
})

test('waiting for a block that no peer has is reported', async () => {
  const peer = await world.peer('--accounts', '1000')
  const page = await world.page()
  const seen = await page.evaluate(async ({ url, network }) => {
    const db = await snaplight.open({ name: 'no such block', network })
    db.addPeer(url)
    const sync = db.sync({ blockHash: '0x' + 'cd'.repeat(32) })
    sync.catch(() => {})
    let seen
    for await (seen of sync) if (seen.waitingFor === 'block') break
    await db.close()
    return seen
  }, chain(peer))
  assert.equal(seen.phase, 'locating')
  assert.equal(seen.root, null)
  assert.match(seen.waiting, /cdcdcd/)
})
