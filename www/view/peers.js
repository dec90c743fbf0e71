/** The table of peers: who they are, what each delivered, and what each did wrong. */

import { bytes, count, duration } from './format.js'

const STATES = { connecting: 'connecting', greeting: 'greeting', ready: 'ready', closed: 'left' }

export function createPeers(body) {
  const rows = new Map()

  /** A row is made once and its cells rewritten: a table rebuilt ten times a second cannot be read or selected. */
  function rowOf(peer) {
    let row = rows.get(peer.id)
    if (!row) {
      row = document.createElement('tr')
      row.innerHTML = '<td></td><td><i class="dot"></i><span></span></td>' + '<td class="number"></td>'.repeat(5) + '<td></td>'
      rows.set(peer.id, row)
      body.append(row)
    }
    return row
  }

  return {
    show(peers) {
      if (peers.length > 0) body.querySelector('.nobody')?.remove()
      for (const peer of peers) {
        const row = rowOf(peer)
        const [name, state, items, size, answers, flying, latency, faults] = row.cells
        row.dataset.state = peer.state
        write(name, peer.client ? `${peer.name} · ${peer.client}` : peer.name)
        state.firstChild.dataset.state = peer.state
        write(state.lastChild, STATES[peer.state] ?? peer.state)
        write(items, count(peer.accounts + peer.slots + peer.codes))
        write(size, bytes(peer.bytes))
        write(answers, count(peer.answers))
        write(flying, count(peer.requestsInFlight))
        write(latency, peer.latencyMs > 0 ? duration(peer.latencyMs) : '')
        write(faults, peer.faults > 0 ? `${count(peer.faults)}: ${peer.lastFault ?? ''}` : 'none')
        faults.className = peer.faults > 0 ? 'fault' : ''
      }
    },

    clear() {
      rows.clear()
      body.innerHTML = '<tr class="nobody"><td colspan="8"><small>No peers. Looking up works without them.</small></td></tr>'
    },
  }
}

/** A peer chooses its own name, so it is only ever set as text. */
function write(element, text) {
  if (element.textContent !== text) element.textContent = text
}
