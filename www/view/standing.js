/**
 * Shows this tab's position on the chain: the peers' head, how far the tab is behind that head, and
 * what the last block cost.
 */

import { blockName, bytes, count, duration } from './format.js'
import { write } from './say.js'

const ROLES = { writer: 'syncs', follower: 'reads along' }

export function createStanding(root) {
  const find = (id) => root.querySelector(`#${id}`)
  const standing = {
    latest: undefined,

    /**
     * @param now what the follower saw last
     * @param last the last block's row, if there is one
     */
    show(now, last) {
      standing.latest = now
      const { head, behind, behindMs, role } = now
      write(find('head'), head ? blockName(head) : '–')
      write(find('role'), ROLES[role])
      write(find('last'), last && !last.elsewhere ? `${bytes(last.received.bytes)} · ${duration(last.elapsedMs)}` : '–')
      const lag = find('behind')
      if (behind === undefined) write(lag, '–')
      else if (behind === 0) write(lag, 'in step')
      // A time below a second is not shown, because it would only flicker.
      else write(lag, `${count(behind)} ${behind === 1 ? 'block' : 'blocks'}${behindMs >= 1000 ? ` · ${duration(behindMs)}` : ''}`)
      lag.dataset.far = behind === undefined || behind < 2 ? '' : behind < 10 ? 'some' : 'much'
    },
  }
  return standing
}
