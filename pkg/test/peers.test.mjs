// Real peers over real sockets in Node: a pause is nobody's fault, and a peer that was restarted is
// the same peer.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { startPeer } from '../../xtask/node/peers.mjs'
import { open } from '../snaplight.js'
import { WebSocket } from './support/ws.mjs'

/** Longer than the shortest time limit of a request. */
const PAUSE_MS = 7_000
/** A peer whose answers come late enough that requests queue up. */
const STATE = ['--accounts', '5000', '--contracts', '0.2']
const UNHURRIED = ['--accounts', '30000', '--contracts', '0.3', '--vice', 'slow=40']

const network = ({ networkId, genesisHash }) => ({ id: networkId, genesisHash })

/** Waits in this process while another one stands still. The wait is what is tested. */
const pause = () => new Promise((resolve) => setTimeout(resolve, PAUSE_MS))

/**
 * Syncs in a process of its own, and calls `onBusy(peer, child)` when six requests are open at the
 * only peer. Nobody may be blamed for what happens then, nor lost.
 */
async function undisturbed(t, blockMs, onBusy) {
  const peer = await startPeer(UNHURRIED)
  t.after(() => peer.stop())
  const program = fileURLToPath(new URL('programs/pause.mjs', import.meta.url))
  const { url, root, networkId, genesisHash } = peer
  const child = spawn(process.execPath, [program, url, root, networkId, genesisHash, blockMs], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => child.kill('SIGKILL'))
  let last
  for await (const line of createInterface({ input: child.stdout })) {
    last = line
    if (line === 'busy') await onBusy?.(peer, child)
  }
  const told = JSON.parse(last)
  assert.deepEqual(told, { accounts: peer.accounts, wasBusy: true, faults: 0, lastFault: null, events: ['ready'], connections: 1 })
}

describe('with six requests open at the only peer, nobody is blamed and nothing is lost when', { concurrency: true }, () => {
  test('the thread is blocked for seven seconds', (t) => undisturbed(t, PAUSE_MS))

  test('the process is stopped for seven seconds', (t) =>
    undisturbed(t, 0, async (peer, child) => {
      child.kill('SIGSTOP')
      await pause()
      child.kill('SIGCONT')
    }))

  test('the peer is stopped for seven seconds', (t) =>
    undisturbed(t, 0, async ({ pid }) => {
      process.kill(pid, 'SIGSTOP')
      await pause()
      process.kill(pid, 'SIGCONT')
    }))
})

test('the clock jumps an hour while requests are open, and nobody is blamed', async (t) => {
  globalThis.WebSocket = WebSocket
  const peer = await startPeer(UNHURRIED)
  t.after(() => peer.stop())
  const events = []
  const db = await open({ network: network(peer), memory: true, onEvent: ({ type, state }) => type === 'peer' && events.push(state) })
  const clock = performance.now
  t.after(async () => {
    performance.now = clock
    await db.close()
  })
  const { id } = db.addPeer(peer.url)
  const jump = ({ peers }) => {
    if (peers[0].requestsInFlight > 0) performance.now = () => clock.call(performance) + 3_600_000
  }
  const { accounts } = await db.sync(peer.root, { onProgress: jump })
  assert.notEqual(performance.now, clock)
  const { faults } = db.progress().peers.find((row) => row.id === id)
  assert.deepEqual([accounts, faults, events], [peer.accounts, 0, ['ready']])
})

test('a peer that shuts down says so, and is the same peer when it is back', async (t) => {
  globalThis.WebSocket = WebSocket
  const first = await startPeer(STATE)
  const states = []
  let back
  const onEvent = async ({ type, peer, state, closed }) => {
    if (type !== 'peer') return
    states.push([peer.id, state, closed?.code ?? null, closed?.disconnect ?? null])
    if (state === 'waiting') back ??= startPeer([...STATE, '--listen', new URL(first.url).host])
  }
  const db = await open({ network: network(first), memory: true, onEvent })
  t.after(async () => {
    await db.close()
    await (await back)?.stop()
  })
  const peer = db.addPeer(first.url)
  await db.sync({ blockHash: first.block.hash })
  await first.stop()
  const sync = db.sync(`0x${'ab'.repeat(32)}`)
  sync.catch(() => {})
  // Only a peer that is there can refuse.
  for await (const { needNewRoot } of sync) if (needNewRoot && states.length > 2) break
  const { root } = await sync.retarget(first.root)
  assert.equal(root, first.root)
  assert.equal(db.peers[0], peer)
  assert.deepEqual(states.slice(0, 2), [[1, 'ready', null, null], [1, 'waiting', 4008, 8]])
  assert.deepEqual(states.at(-1), [1, 'ready', null, null])
})
