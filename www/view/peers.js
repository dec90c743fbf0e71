/** The table of peers: the name of each, what it delivered, and its faults. */

import { blockName, bytes, count, duration } from './format.js'
import { write } from './say.js'

/** How a peer is asked: in the cell, and what it means. */
const ASKED = {
  snap: ['by snap', 'for ranges with proofs, for trie nodes by path, and for codes (eth/69 with snap/1)'],
  hash: ['by hash', 'for trie nodes and codes by their hashes, and for nothing else (eth/66)'],
}
const STATES = { connecting: 'connecting', greeting: 'greeting', ready: 'ready', waiting: 'lost', closed: 'left' }

export function createPeers(body) {
  const rows = new Map()
  /** Why peers were lost, by id. It is shown until they are ready again. */
  const lost = new Map()

  /**
   * Returns the row of a peer. A row is made once and its cells are rewritten, because text in a
   * table that is rebuilt ten times a second cannot be selected.
   */
  function rowOf(peer) {
    let row = rows.get(peer.id)
    if (!row) {
      row = document.createElement('tr')
      row.innerHTML = '<td></td><td></td><td><i class="dot"></i><span></span></td>' + '<td class="number"></td>'.repeat(6) + '<td></td>'
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
        const [name, asked, state, head, items, size, answers, flying, latency, faults] = row.cells
        row.dataset.state = peer.state
        // A peer chooses its own name, so it is only ever set as text.
        write(name, peer.client ? `${peer.name} · ${peer.client}` : peer.name)
        name.title = name.textContent
        const [words, meaning] = ASKED[peer.by]
        write(asked, words)
        asked.title = meaning
        state.firstChild.dataset.state = peer.state
        write(state.lastChild, STATES[peer.state] ?? peer.state)
        write(head, peer.head ? blockName(peer.head) : '')
        head.title = peer.head?.hash ?? ''
        write(items, count(peer.accounts + peer.slots + peer.codes))
        write(size, bytes(peer.bytes))
        write(answers, count(peer.answers))
        write(flying, count(peer.requestsInFlight))
        write(latency, peer.latencyMs > 0 ? duration(peer.latencyMs) : '')
        if (peer.state === 'ready') lost.delete(peer.id)
        const why = lost.get(peer.id)
        write(faults, why ?? (peer.faults > 0 ? `${count(peer.faults)}: ${peer.lastFault ?? ''}` : 'none'))
        faults.className = peer.faults > 0 || why ? 'fault' : ''
      }
    },

    /** To be called when a peer left or could not be connected to. `why` is the text to show. */
    lost(id, why) {
      lost.set(id, why)
      const row = rows.get(id)
      if (!row) return
      write(row.lastElementChild, why)
      row.lastElementChild.className = 'fault'
    },

    clear() {
      rows.clear()
      lost.clear()
      body.innerHTML = '<tr class="nobody"><td colspan="10"><small>No peers. Looking up works without them.</small></td></tr>'
    },
  }
}
