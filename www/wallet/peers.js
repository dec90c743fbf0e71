/** The providers: how each stands, and what it cost. */

import { brief, bytes, count, duration } from '../view/format.js'
import { write } from '../view/say.js'

const STATES = { connecting: 'connecting', greeting: 'connecting', ready: 'ready', waiting: 'lost, is tried again', closed: 'closed' }
/** Closed providers that stay in the table. */
const MOST_CLOSED = 3
/** How long it is shown that providers did not agree. */
const DISAGREED_FOR_MS = 20_000

/**
 * @param {HTMLElement} body of the table
 * @param {HTMLElement} cost where the cost of a block is said
 */
export function createPeers(body, cost) {
  /** By id: `{ stats, lies, row }`. Bound: the open ones, and a few closed ones. */
  const known = new Map()
  let [disagreement, disagreedAt] = ['', 0]
  let blocks = 0

  function takeIn(stats) {
    const before = known.get(stats.id) ?? { lies: 0, row: body.appendChild(newRow()) }
    known.set(stats.id, { ...before, stats })
  }

  function forgetClosed(open) {
    const closed = [...known.keys()].filter((id) => !open.has(id))
    for (const id of closed.slice(0, -MOST_CLOSED)) {
      known.get(id).row.remove()
      known.delete(id)
    }
  }

  function showOne({ stats, lies, row }, plugged) {
    const [name, state, answers, size, latency, lied, fault] = row.cells
    row.dataset.state = stats.state
    // A provider's name comes from a URL, so it is only ever set as text.
    write(name, stats.name)
    state.firstChild.dataset.state = stats.state
    write(state.lastChild, !plugged && stats.state === 'closed' ? 'unplugged' : STATES[stats.state])
    write(answers, count(stats.answers))
    write(size, bytes(stats.bytes))
    write(latency, stats.latencyMs > 0 ? duration(stats.latencyMs) : '–')
    write(lied, count(lies))
    lied.classList.toggle('fault', lies > 0)
    const why = stats.lastFault ?? (stats.closed && stats.closed.by !== 'user' ? stats.closed.reason : '')
    write(fault, why ? brief(why) : 'none')
    fault.classList.toggle('fault', Boolean(why))
  }

  return {
    /** A provider is gone for good. */
    left: ({ stats }) => takeIn(stats),

    /** A provider lied. */
    lied(id) {
      const peer = known.get(id)
      if (peer) peer.lies++
    },

    /** One more block was proven. */
    proved() {
      blocks++
    },

    /** The providers name different blocks. */
    disagreed({ agreed, blocks }) {
      const names = blocks.map(({ source }) => source).join(', ')
      disagreement = agreed
        ? `Another block ${count(agreed.number)} than the others name: ${names}`
        : `No block ${count(blocks[0]?.number ?? 0)} is named by enough of them: ${names}`
      disagreedAt = performance.now()
    },

    show(open, plugged) {
      for (const stats of open) takeIn(stats)
      forgetClosed(new Set(open.map(({ id }) => id)))
      for (const peer of known.values()) showOne(peer, plugged)
      const all = [...known.values()].map(({ stats }) => stats)
      const [answers, received] = ['answers', 'bytes'].map((name) => all.reduce((sum, stats) => sum + stats[name], 0))
      const each = blocks > 0 ? `${count(blocks)} ${blocks === 1 ? 'block' : 'blocks'} proven here, each for about ${count(answers / blocks)} answers and ${bytes(received / blocks)}` : ''
      write(cost, performance.now() - disagreedAt < DISAGREED_FOR_MS && disagreement ? disagreement : each)
    },
  }
}

function newRow() {
  const row = document.createElement('tr')
  row.innerHTML = '<td></td><td><i class="dot"></i><span></span></td>' + '<td class="number"></td>'.repeat(4) + '<td></td>'
  return row
}
