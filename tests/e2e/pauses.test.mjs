/** A page whose thread stands still for a while blames no peer for it, and loses none. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { chain, setUp } from './lib/harness.mjs'

const world = setUp({ sideBySide: true })
/** Longer than the shortest time limit of a request. */
const PAUSE_MS = 7_000

/**
 * Syncs from one peer whose requests queue up, and calls `pause(ms)` in the page when six of them
 * are open.
 */
async function undisturbed(pause) {
  const peer = await world.peer('--accounts', '30000', '--contracts', '0.3', '--vice', 'slow=40')
  const page = await world.page()
  page.on('dialog', (dialog) => setTimeout(() => dialog.accept(), PAUSE_MS))
  const told = await page.evaluate(
    async ({ url, root, network, pause, ms }) => {
      let connections = 0
      const { WebSocket } = window
      window.WebSocket = class extends WebSocket {
        constructor(...options) {
          super(...options)
          connections += 1
        }
      }
      const states = []
      const onEvent = ({ type, state }) => type === 'peer' && states.push(state)
      const db = await snaplight.open({ name: 'paused', network, memory: true, onEvent })
      const peer = db.addPeer(url)
      let paused = 0
      const { accounts } = await db.sync(root, {
        onProgress: ({ phase }) => {
          if (paused > 0 || phase === 'done' || peer.stats.requestsInFlight < 6) return
          const start = performance.now()
          new Function('ms', pause)(ms)
          paused = performance.now() - start
        },
      })
      const { faults, lastFault } = peer.stats
      const told = { accounts, faults, lastFault, states: [...states], connections, wasPaused: paused > ms / 2 }
      await db.close()
      return told
    },
    { ...chain(peer), pause, ms: PAUSE_MS },
  )
  const { accounts } = peer
  assert.deepEqual(told, { accounts, faults: 0, lastFault: null, states: ['ready'], connections: 1, wasPaused: true })
  assert.deepEqual(page.uncaught, [])
}

describe('with six requests open at the only peer, nobody is blamed and nothing is lost when', { concurrency: true }, () => {
  test('a loop blocks the thread for seven seconds', () => undisturbed('for (const end = performance.now() + ms; performance.now() < end;);'))

  test('a dialog is open for seven seconds', () => undisturbed('alert(ms)'))
})
