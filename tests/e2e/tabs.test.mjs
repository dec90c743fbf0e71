/**
 * Many tabs open one database. One of them writes. The others read what it completes, and one of
 * them takes its place when it closes.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chain, setUp } from './lib/harness.mjs'

const world = setUp()
const NOBODY = `0x${'12'.repeat(20)}`
const ANOTHER = `0x${'34'.repeat(20)}`

/**
 * Opens `name` in a page as `window.db`, with its events in `window.events`, and adds the peer.
 * Returns the tab's role.
 */
async function open(page, name, peer, options = {}) {
  return page.evaluate(
    async ({ name, url, network, options }) => {
      window.events = listen()
      window.db = await snaplight.open({ name, network, onEvent: events.onEvent, ...options })
      window.peer = db.addPeer(url)
      return db.role
    },
    { name, options, ...chain(peer) },
  )
}

/** Syncs in a page, and answers the report's root. */
async function sync(page, target) {
  return page.evaluate(async (target) => (await db.sync(target)).root, target)
}

/** Runs `work` in a page, and returns the event of this type that comes. */
async function during(page, type, work) {
  await page.evaluate((type) => { window.awaited = events.next(type) }, type)
  await work()
  return page.evaluate(() => window.awaited)
}

test('a second tab follows: it gets an event for what the first completes, and reads it', async () => {
  const peer = await world.peer('--accounts', '3000', '--chain')
  const [writer, follower] = [await world.page(), await world.page()]
  assert.equal(await open(writer, 'followed', peer), 'writer')
  assert.equal(await open(follower, 'followed', peer), 'follower')
  const empty = await follower.evaluate(() => failure(() => db.getAccount('0x' + '12'.repeat(20))))
  assert.equal(empty.code, 'NO_STATE')

  const first = await during(follower, 'complete', () => sync(writer, peer.root))
  assert.equal(first.complete.root, peer.root)
  assert.equal(first.complete.accounts, 3000)
  const next = await peer.advance(0.2)
  const second = await during(follower, 'complete', () => sync(writer, { blockHash: next.hash }))
  assert.equal(second.complete.block.number, next.number)
  const { root, block } = await follower.evaluate((nobody) => db.getAccount(nobody), NOBODY)
  assert.deepEqual([root, block.hash], [next.stateRoot, next.hash])
  // A follower asks peers nothing, so it has not connected.
  assert.equal(await follower.evaluate(() => peer.state), 'waiting')
})

test('a follower tracks through the writer, reads the states that are kept, and goes on as the writer', async () => {
  const peer = await world.peer('--accounts', '3000', '--chain')
  const [writer, follower] = [await world.page(), await world.page()]
  assert.equal(await open(writer, 'a set', peer, { hold: 'set' }), 'writer')
  assert.equal(await open(follower, 'a set', peer), 'follower')
  /** What reading an account comes to, of a state that may be named. */
  const read = (page, address, at) =>
    page.evaluate(async ({ address, at }) => {
      try {
        return (await (at === undefined ? db : db.at(at)).getAccount(address)).exists ? 'there' : 'proven absent'
      } catch ({ code, pending }) {
        return pending ? `${code}, pending` : code
      }
    }, { address, at })

  const tracked = follower.evaluate(async (nobody) => (await db.track([nobody])).root, NOBODY)
  await sync(writer, peer.root)
  assert.equal(await tracked, peer.root)
  assert.deepEqual(await follower.evaluate(() => [db.holds, db.complete.root]), ['set', peer.root])
  assert.deepEqual(await writer.evaluate(() => db.tracked()), [{ address: NOBODY, slots: [], code: false }])
  assert.equal(await read(follower, NOBODY), 'proven absent')
  assert.equal(await read(follower, ANOTHER), 'NOT_TRACKED')

  const next = await peer.advance(0.2)
  await during(follower, 'complete', () => sync(writer, { blockHash: next.hash }))
  assert.deepEqual(await follower.evaluate(() => db.states.map(({ root }) => root)), [next.stateRoot, peer.root])
  for (const at of [peer.root, next.number]) assert.equal(await read(follower, NOBODY, at), 'proven absent')
  assert.equal(await follower.evaluate(async (another) => (await db.track([another])).root, ANOTHER), next.stateRoot)
  assert.equal(await read(follower, ANOTHER), 'proven absent')
  assert.equal(await read(follower, ANOTHER, peer.root), 'NOT_TRACKED, pending')
  await follower.evaluate((nobody) => db.untrack([nobody]), NOBODY)
  for (const page of [writer, follower]) assert.equal(await read(page, NOBODY), 'NOT_TRACKED')

  await during(follower, 'role', () => writer.evaluate(() => db.close()))
  assert.deepEqual(await follower.evaluate(() => db.tracked()), [{ address: ANOTHER, slots: [], code: false }])
  assert.equal(await follower.evaluate(async (nobody) => (await db.track([nobody])).root, NOBODY), next.stateRoot)
  assert.equal(await read(follower, NOBODY), 'proven absent')
  const { code: wrong } = await writer.evaluate((network) => failure(() => snaplight.open({ name: 'a set', network, hold: 'everything' })), chain(peer).network)
  assert.equal(wrong, 'WRONG_HOLD')
})

test('a tab that insists on writing is refused while another tab writes, and so is a deletion', async () => {
  const peer = await world.peer('--accounts', '100')
  const [writer, other] = [await world.page(), await world.page()]
  await open(writer, 'insisted', peer)
  const { network } = chain(peer)
  const insist = () => other.evaluate((network) => failure(async () => {
    window.db = await snaplight.open({ name: 'insisted', network, role: 'writer' })
  }), network)
  const refused = await insist()
  assert.deepEqual([refused.code, refused.classes], ['LOCKED', ['LockedError']])
  assert.equal((await other.evaluate(() => failure(() => snaplight.deleteDatabase('insisted')))).code, 'LOCKED')
  await writer.evaluate(() => db.close())
  assert.equal((await insist()).code, 'NO ERROR')
  await other.evaluate(() => db.close())
  assert.equal((await other.evaluate(() => failure(() => snaplight.deleteDatabase('insisted')))).code, 'NO ERROR')
})

test('when the writer closes, the next tab writes, with the peers it was given', async () => {
  const peer = await world.peer('--accounts', '3000', '--chain')
  const [first, second] = [await world.page(), await world.page()]
  await open(first, 'closed', peer)
  await open(second, 'closed', peer)
  await sync(first, peer.root)
  const { role } = await during(second, 'role', () => first.evaluate(() => db.close()))
  assert.equal(role, 'writer')
  assert.equal(await second.evaluate(() => db.role), 'writer')
  assert.equal(await second.evaluate(() => db.complete.root), peer.root)
  const next = await peer.advance(0.1)
  assert.equal(await sync(second, next.stateRoot), next.stateRoot)
})

test('when the writer’s tab dies during a sync, the waiting sync of the next tab goes on from there', async () => {
  const state = ['--accounts', '60000']
  const peer = await world.peer(...state)
  // So slow that the first tab is still busy when it dies, however fast the browser is.
  const slow = await world.peer(...state, '--throttle', '100000')
  const [first, second] = [await world.page(), await world.page()]
  await open(first, 'died', slow)
  await open(second, 'died', peer)
  await first.evaluate(async (root) => {
    for await (const { pagesStored } of db.sync(root)) if (pagesStored > 0) break
  }, peer.root)
  const waiting = await second.evaluate(async (root) => {
    window.sync = db.sync(root)
    for await (const progress of sync) if (progress.waiting) return progress
  }, peer.root)
  assert.equal(waiting.waitingFor, 'writer')
  assert.equal(waiting.root, peer.root)
  assert.match(waiting.waiting, /another tab/)
  await first.close()
  const report = await second.evaluate(() => sync)
  assert.equal(report.accounts, peer.accounts)
  const fetched = await second.evaluate(() => db.peers.reduce((sum, { stats }) => sum + stats.accounts, 0))
  assert.ok(fetched < peer.accounts, `${fetched} accounts were fetched again`)
  assert.ok(report.received.accounts > fetched, 'the report counts what the first tab received')
})

test('a follower’s sync ends when the writer completes that state; it can be cancelled before', async () => {
  const peer = await world.peer('--accounts', '3000')
  const [writer, follower] = [await world.page(), await world.page()]
  await open(writer, 'resolved', peer)
  await open(follower, 'resolved', peer)
  const cancelled = await follower.evaluate(async (root) => {
    const sync = db.sync(root)
    sync.cancel('enough')
    return failure(() => sync)
  }, peer.root)
  assert.deepEqual([cancelled.code, cancelled.cause], ['CANCELLED', 'enough'])
  await follower.evaluate((root) => { window.sync = db.sync({ blockHash: root }).retarget({ root }) }, peer.root)
  await sync(writer, peer.root)
  const report = await follower.evaluate(() => sync)
  assert.equal(report.root, peer.root)
  assert.equal(report.accounts, 3000)
  assert.equal(report.requests, 0)
  assert.equal(await follower.evaluate(() => db.progress().phase), 'done')
})

test('readers in every tab see one whole state or the next while states are replaced', async () => {
  const peer = await world.peer('--accounts', '2000', '--chain')
  const [writer, follower] = [await world.page(), await world.page()]
  await open(writer, 'switched', peer)
  await open(follower, 'switched', peer)
  const known = during(follower, 'complete', () => sync(writer, peer.root))
  await known
  const read = (page) => page.evaluate(async () => {
    window.over = false
    const [roots, problems] = [[], []]
    for (let at = 0; !over; at++) {
      const address = '0x' + (at * 2654435761 % 2 ** 32).toString(16).padStart(40, '0')
      try {
        const { root } = await db.getAccount(address)
        if (roots.at(-1) !== root) roots.push(root)
      } catch (error) {
        problems.push(`${error.code}: ${error.message}`)
      }
      if (at % 100 === 0) await turn()
    }
    return { roots, problems, heard: events.heard.map(({ type }) => type) }
  })
  const readers = [read(writer), read(follower)]
  const roots = [peer.root]
  for (let at = 0; at < 8; at++) {
    const { stateRoot } = await peer.advance(0.3)
    roots.push(await during(follower, 'complete', () => sync(writer, stateRoot)).then(({ complete }) => complete.root))
  }
  await Promise.all([writer, follower].map((page) => page.evaluate(() => { window.over = true })))
  for (const { roots: seen, problems, heard } of await Promise.all(readers)) {
    assert.deepEqual(problems, [])
    assert.ok(seen.length > 1 && seen.every((root) => roots.includes(root)))
    // It never goes back to an earlier state.
    assert.deepEqual(seen, roots.filter((root) => seen.includes(root)))
    assert.ok(!heard.includes('damaged'))
  }
})

test('a deletion closes a follower with a typed error', async () => {
  const peer = await world.peer('--accounts', '100')
  const [writer, follower] = [await world.page(), await world.page()]
  await open(writer, 'deleted elsewhere', peer)
  await sync(writer, peer.root)
  assert.equal(await open(follower, 'deleted elsewhere', peer, { role: 'follower' }), 'follower')
  await writer.evaluate(() => db.close())
  assert.equal(await follower.evaluate(async () => (await db.getAccount('0x' + '12'.repeat(20))).exists), false)
  const { message } = await during(follower, 'ended', () => writer.evaluate(() => snaplight.deleteDatabase('deleted elsewhere')))
  assert.match(message, /deleted/)
  const error = await follower.evaluate(() => failure(() => db.getAccount('0x' + '12'.repeat(20))))
  assert.deepEqual([error.code, error.classes], ['CLOSED', ['ClosedError']])
  assert.deepEqual(follower.uncaught, [])
})

test('the same in workers', async () => {
  const peer = await world.peer('--accounts', '3000')
  const page = await world.page()
  const { roles, root, role, report } = await page.evaluate(async ({ url, root, network }) => {
    const { openInWorker } = await import('snaplight/worker')
    const events = listen()
    const first = await openInWorker(undefined, { name: 'in workers', network })
    const second = await openInWorker(undefined, { name: 'in workers', network, onEvent: events.onEvent })
    const roles = [first.role, second.role]
    first.addPeer(url)
    const complete = events.next('complete')
    await first.sync(root)
    await complete
    const { root: read } = await second.getAccount('0x' + '12'.repeat(20))
    const role = events.next('role')
    await first.close()
    await role
    const report = await second.sync(root)
    await second.close()
    return { roles, root: read, role: second.role, report }
  }, chain(peer))
  assert.deepEqual(roles, ['writer', 'follower'])
  assert.deepEqual([root, role, report.accounts], [peer.root, 'writer', 3000])
})
