/**
 * Damages what is stored between two openings. No answer is false, the damage is reported, and it
 * is healed or rebuilt.
 */

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { GENESIS } from '../../xtask/node/peers.mjs'
import { forgedRecord } from '../../xtask/node/record.mjs'
import { chain, setUp, syncedPage } from './lib/harness.mjs'
import { mixedState, stateFile } from './lib/states.mjs'

const world = setUp()
const genesis = JSON.parse(readFileSync(GENESIS, 'utf8'))

/** Syncs `name`, closes it, and hands its raw database to `tamper`, which runs in the page. */
async function tampered(name, peer, tamper) {
  const page = await world.page()
  await syncedPage(page, name, peer)
  await page.evaluate(() => db.close())
  await tamperWith(page, name, tamper)
  return page
}

/**
 * Runs `tamper` in the page on the raw database, with `input` if there is any. Returns what
 * `tamper` returns.
 */
async function tamperWith(page, name, tamper, input) {
  return page.evaluate(
    async ([name, tamper, input]) => {
      const settled = (request) => new Promise((resolve, reject) => {
        request.onsuccess = () => resolve(request.result)
        request.onerror = () => reject(request.error)
      })
      const raw = await settled(indexedDB.open(name))
      const stores = raw.transaction(['pages', 'codes', 'meta'], 'readwrite')
      const [pages, codes, meta] = ['pages', 'codes', 'meta'].map((store) => stores.objectStore(store))
      const result = await new Function('tools', `return (${tamper})(tools)`)({ settled, pages, codes, meta, input })
      await new Promise((resolve) => (stores.oncomplete = resolve))
      raw.close()
      return result
    },
    [name, tamper.toString(), input],
  )
}

/**
 * Reads every account of the genesis state. Returns the reads that were refused as damaged, the
 * number of wrong answers, and other errors.
 */
async function readAll(page) {
  const answers = await page.evaluate(async (addresses) => {
    const answers = await Promise.allSettled(addresses.map((address) => db.getAccount(address)))
    return answers.map(({ value, reason }) => (reason ? { code: reason.code, message: reason.message } : { balance: value.balance }))
  }, Object.keys(genesis))
  const refused = answers.filter(({ code }) => code === 'DAMAGED')
  const wrong = Object.values(genesis).filter(({ balance }, at) => !answers[at].code && answers[at].balance !== BigInt(balance))
  const others = answers.filter(({ code }) => code && code !== 'DAMAGED')
  return { refused, wrong: wrong.length, others }
}

/** Opens `name` as `window.db`, with a peer and its events. */
async function open(page, name, peer, options = {}) {
  await page.evaluate(
    async ({ name, options, url, network }) => {
      window.events = listen()
      window.repaired = events.next('repaired')
      window.db = await snaplight.open({ name, network, onEvent: events.onEvent, ...options })
      db.addPeer(url)
    },
    { name, options, ...chain(peer) },
  )
}

const PAGE_DAMAGE = {
  'a page with a changed byte': async ({ settled, pages }) => {
    const [key] = await settled(pages.getAllKeys())
    const bytes = await settled(pages.get(key))
    bytes[bytes.length >> 1] ^= 1
    pages.put(bytes, key)
  },
  'a missing page': async ({ settled, pages }) => {
    pages.delete((await settled(pages.getAllKeys()))[0])
  },
  'a page that is cut short': async ({ settled, pages }) => {
    const [key] = await settled(pages.getAllKeys())
    pages.put((await settled(pages.get(key))).slice(0, 100), key)
  },
  'another page in a page’s place': async ({ settled, pages }) => {
    const [first, second] = await settled(pages.getAllKeys())
    pages.put(await settled(pages.get(second)), first)
  },
  'something else in a page’s place': async ({ settled, pages }) => {
    pages.put('nonsense', (await settled(pages.getAllKeys()))[0])
  },
  'a missing root page': async ({ settled, pages }) => {
    pages.delete((await settled(pages.getAllKeys())).at(-1))
  },
  'no page at all': async ({ pages }) => {
    pages.clear()
  },
}

for (const [what, tamper] of Object.entries(PAGE_DAMAGE)) {
  test(`${what}: refused, reported and healed`, async () => {
    const peer = await world.peer('--genesis', GENESIS)
    const page = await tampered(what, peer, tamper)
    await open(page, what, peer)
    const hurt = await readAll(page)
    assert.ok(hurt.refused.length > 0, 'some account was under it')
    assert.deepEqual([hurt.wrong, hurt.others], [0, []])
    assert.match(hurt.refused[0].message, /page \d+.*healed from the peers/)
    const heard = await page.evaluate(async () => {
      await repaired
      return events.heard.filter(({ type }) => type !== 'complete' && type !== 'peer')
    })
    const [{ type, what: kind, message }, ...rest] = heard
    assert.deepEqual([type, kind], ['damaged', 'page'])
    assert.match(message, /page \d+/)
    assert.ok(rest.some(({ type }) => type === 'repaired'))
    // Reads find damage below other damage only when that is healed.
    for (let left = 1; left > 0; ) {
      const { refused, wrong, others } = await readAll(page)
      assert.deepEqual([wrong, others], [0, []])
      left = refused.length
      if (left > 0) await page.evaluate(() => (db.progress().damaged > 0 ? events.next('repaired') : undefined))
    }
    assert.equal(await page.evaluate(() => db.progress().damaged), 0)
    await page.evaluate(() => db.close())
    // The healed pages are stored.
    await page.evaluate(async ({ name, network }) => { window.db = await snaplight.open({ name, network }) }, { name: what, ...chain(peer) })
    assert.equal((await readAll(page)).refused.length, 0)
    assert.deepEqual(page.uncaught, [])
  })
}

test('codes that are changed or missing: refused, reported and fetched again', async (t) => {
  const state = mixedState(200)
  const { file, remove } = stateFile(state)
  t.after(remove)
  const peer = await world.peer('--genesis', file)
  const page = await tampered('codes', peer, async ({ settled, codes }) => {
    const [first, second] = await settled(codes.getAllKeys())
    const bytes = await settled(codes.get(first))
    bytes[0] ^= 1
    codes.put(bytes, first)
    codes.delete(second)
  })
  await open(page, 'codes', peer)
  const read = () => page.evaluate(async (entries) => {
    const hexOf = (bytes) => '0x' + Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
    const [refused, wrong] = [[], []]
    for (const [address, { code }] of entries) {
      try {
        if (hexOf((await db.getCode(address)).code) !== code) wrong.push(address)
      } catch (error) {
        refused.push(error.code)
      }
    }
    return { refused, wrong }
  }, Object.entries(state))
  const hurt = await read()
  assert.ok(hurt.refused.length >= 2 && hurt.refused.every((code) => code === 'DAMAGED'), hurt.refused.join())
  assert.deepEqual(hurt.wrong, [])
  await page.evaluate(() => repaired)
  // Damage that was found while the first was being fetched may take another round.
  for (let left = 1; left > 0; ) {
    const { refused, wrong } = await read()
    assert.deepEqual(wrong, [])
    left = refused.length
    if (left > 0) await page.evaluate(() => (db.progress().damaged > 0 ? events.next('repaired') : undefined))
  }
})

const RECORD_DAMAGE = {
  'a record that is cut short': async ({ settled, meta }) => {
    const value = await settled(meta.get('root'))
    meta.put({ ...value, record: value.record.slice(0, 40) }, 'root')
  },
  'a record with a changed byte': async ({ settled, meta }) => {
    const value = await settled(meta.get('root'))
    value.record[50] ^= 1
    meta.put(value, 'root')
  },
  'a missing record': async ({ meta }) => {
    meta.clear()
  },
}

for (const [what, tamper] of Object.entries(RECORD_DAMAGE)) {
  test(`${what}: reported, and the database starts over`, async () => {
    const peer = await world.peer('--genesis', GENESIS)
    const page = await tampered(what, peer, tamper)
    await open(page, what, peer)
    const { complete, heard, error } = await page.evaluate(async () => {
      const error = await failure(() => db.getAccount('0x' + '12'.repeat(20)))
      return { complete: db.complete, heard: events.heard, error }
    })
    assert.equal(complete, null)
    assert.equal(error.code, 'NO_STATE')
    const damage = heard.filter(({ type }) => type !== 'peer')
    assert.deepEqual(damage.map(({ type, what: kind }) => [type, kind]), [['damaged', 'record']])
    assert.match(heard[0].message, /root record/)
    const report = await page.evaluate((root) => db.sync(root), peer.root)
    assert.equal(report.accounts, 8893)
    assert.deepEqual(await readAll(page), { refused: [], wrong: 0, others: [] })
  })
}

const FORGERIES = {
  'the trusted root over the pages of another state': { page: true },
  'the trusted root over no page': { page: false },
}

for (const [what, forgery] of Object.entries(FORGERIES)) {
  test(`${what}, with a checksum that is right: nothing is answered under it`, async () => {
    const peer = await world.peer('--genesis', GENESIS)
    const page = await tampered(what, peer, () => {})
    const record = await tamperWith(page, what, async ({ settled, meta }) => [...(await settled(meta.get('root'))).record])
    const bytes = await forgedRecord(record, peer.root, `0x${'77'.repeat(32)}`, forgery)
    await tamperWith(page, what, async ({ settled, meta, input }) => {
      meta.put({ ...(await settled(meta.get('root'))), record: new Uint8Array(input) }, 'root')
    }, bytes)
    await open(page, what, peer)
    const { complete, error, heard } = await page.evaluate(async () => ({
      complete: db.complete,
      error: await failure(() => db.getAccount('0x5abfec25f74cd88437631a7731906932776356f9')),
      heard: events.heard,
    }))
    assert.equal(complete, null)
    assert.equal(error.code, 'NO_STATE')
    const damage = heard.filter(({ type }) => type !== 'peer')
    assert.deepEqual(damage.map(({ type, what: kind }) => [type, kind]), [['damaged', 'record']])
    const report = await page.evaluate((root) => db.sync(root), peer.root)
    assert.equal(report.accounts, 8893)
    assert.deepEqual(await readAll(page), { refused: [], wrong: 0, others: [] })
  })
}

test('an emptied database counts as new', async () => {
  const peer = await world.peer('--genesis', GENESIS)
  const page = await tampered('emptied', peer, async ({ pages, codes, meta }) => {
    for (const store of [pages, codes, meta]) store.clear()
  })
  await open(page, 'emptied', peer)
  assert.equal(await page.evaluate(() => db.complete), null)
  assert.equal((await page.evaluate((root) => db.sync(root), peer.root)).accounts, 8893)
  assert.deepEqual(await readAll(page), { refused: [], wrong: 0, others: [] })
})

test('a newer format is refused with both versions named, and left as it is', async () => {
  const peer = await world.peer('--accounts', '100')
  const page = await tampered('newer', peer, async ({ settled, meta }) => {
    const value = await settled(meta.get('root'))
    value.record[0] = 77
    meta.put(value, 'root')
  })
  const { error, record } = await page.evaluate(async (network) => {
    const error = await failure(() => snaplight.open({ name: 'newer', network }))
    const raw = await new Promise((resolve) => (indexedDB.open('newer').onsuccess = ({ target }) => resolve(target.result)))
    const { record } = await new Promise((resolve) => {
      raw.transaction('meta').objectStore('meta').get('root').onsuccess = ({ target }) => resolve(target.result)
    })
    raw.close()
    return { error, record: record[0] }
  }, chain(peer).network)
  assert.deepEqual([error.code, error.classes], ['STORE_NEWER', ['StoreError']])
  assert.match(error.message, /format 77.*knows \d+/)
  assert.equal(record, 77)
})

test('damage that a follower finds is healed by the writer', async () => {
  const peer = await world.peer('--genesis', GENESIS)
  const writer = await tampered('healed for another', peer, PAGE_DAMAGE['a page with a changed byte'])
  await open(writer, 'healed for another', peer)
  const follower = await world.page()
  await open(follower, 'healed for another', peer)
  assert.equal(await follower.evaluate(() => db.role), 'follower')
  const hurt = await readAll(follower)
  assert.ok(hurt.refused.length > 0)
  assert.deepEqual([hurt.wrong, hurt.others], [0, []])
  assert.match(hurt.refused[0].message, /tab that writes/)
  await follower.evaluate(() => repaired)
  assert.deepEqual(await readAll(follower), { refused: [], wrong: 0, others: [] })
})
