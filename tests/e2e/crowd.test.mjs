/** 64 connections, half of them to peers that misbehave, each in another way. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chain, setUp } from './lib/harness.mjs'

const world = setUp()
const STATE = ['--accounts', '6000', '--contracts', '0.2']

/** One connection to a peer of each. Vices that only time shows are left to `liars.test.mjs`. */
const VICES = [
  'drop-first-proof', 'drop-last-proof', 'drop-item', 'swap-values', 'unsorted', 'modify-value', 'modify-value@storage',
  'modify-value@codes', 'lie', 'short@accounts', 'replay', 'twice', 'unasked', 'wrong-id', 'wrong-code', 'more@accounts',
  'more@storage', 'more@codes', 'truncated', 'garbage', 'oversized', 'text', 'no-proof@accounts', 'many-proof-nodes',
  'codes-as-hashes', 'wrong-network', 'wrong-genesis', 'no-snap', 'cut', 'too-many-peers', 'no-hello', 'no-pong',
]
const MOST_PEERS = 64

test('64 real connections, half of them misbehaving: the sync completes, and no honest peer is blamed or lost', async () => {
  // An honest process takes many connections, since it answers all of them alike.
  const [honest, another, ...bad] = await Promise.all([[], [], ...VICES.map((vice) => ['--vice', vice])].map((vices) => world.peer(...STATE, ...vices)))
  const page = await world.page()
  const each = (MOST_PEERS - bad.length) / 2
  const good = [honest, another].flatMap(({ url }) => Array(each).fill(url))
  const told = await page.evaluate(async ({ good, bad, root, network }) => {
    let joined = 0
    let settle
    const settled = new Promise((resolve) => (settle = resolve))
    const events = []
    const onEvent = ({ type, peer, state, closed }) => {
      if (type !== 'peer') return
      if (peer.name === 'honest') events.push(closed ? `${state}: ${closed.reason}` : state)
      joined += peer.name === 'honest' && state === 'ready'
      if (joined === good.length) settle()
    }
    const db = await snaplight.open({ name: 'a crowd', network, memory: true, onEvent })
    // The first requests go to those that came first.
    for (const url of bad) db.addPeer(url, { name: 'bad', reconnect: false })
    for (const url of good) db.addPeer(url, { name: 'honest' })
    await settled
    const { accounts } = await db.sync(root)
    const rows = db.progress().peers
    const honest = rows.filter(({ name }) => name === 'honest')
    const told = {
      accounts,
      events: [...new Set(events)],
      states: [...new Set(honest.map(({ state }) => state))],
      blamed: honest.filter(({ faults }) => faults > 0).map(({ lastFault }) => lastFault),
      caught: rows.filter(({ name, faults, closed }) => name === 'bad' && (faults > 0 || closed)).length,
      all: rows.length,
    }
    await db.close()
    return told
  }, { ...chain(honest), good, bad: bad.map(({ url }) => url) })
  assert.equal(VICES.length, MOST_PEERS / 2)
  const { caught, ...rest } = told;
  assert.deepEqual(rest, { accounts: honest.accounts, events: ['ready'], states: ['ready'], blamed: [], all: MOST_PEERS })
  // Those that cannot even shake hands, and some of those that are asked first. Who is asked later is
  // a matter of speed.
  assert.ok(caught >= 8, `${caught} were caught`)
  assert.deepEqual(page.uncaught, [])
})
