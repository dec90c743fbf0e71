/**
 * Shows what a kill cost: what was under way, what was held after opening, and what had to be
 * fetched again.
 */

import { blockName, bytes, count, duration, shortHash } from './format.js'

/**
 * In these phases, progress counts what is held of the target. Before them the stored pages are
 * still being read.
 */
const COUNTED = ['ranges', 'healing', 'finishing', 'done']

export function createKills({ card, story }) {
  /** Every kill since the page was opened. */
  const list = []
  /** The last one, until its block is complete. */
  let open

  function say(at, text) {
    const line = story.children[at] ?? story.appendChild(document.createElement('li'))
    if (line.textContent !== text) line.textContent = text
  }

  return {
    list,

    /**
     * @param complete the last complete state
     * @param progress of the sync that is killed, or nothing
     * @param standing the follower's
     */
    killed(complete, progress, standing) {
      open = { at: performance.now(), complete: complete?.block?.number, before: progress && held(progress), bytesBefore: progress?.received.bytes ?? 0 }
      list.push(open)
      story.replaceChildren()
      card.hidden = false
      const target = standing?.target
      const begun = progress ? `with ${bytes(open.bytesBefore)} received for it` : 'whose sync had just begun'
      say(0, target
        ? `Killed on the way to block ${blockName(target)}, ${begun}.`
        : `Killed between two blocks${complete?.block ? `, ${count(complete.block.number)} and the next` : ''}.`)
      say(1, 'Opening again …')
    },

    /** @param complete what is complete right after opening again */
    reopened(complete) {
      open.reopenedMs = performance.now() - open.at
      const took = `Open again after ${duration(open.reopenedMs)}`
      say(1, complete?.block
        ? `${took}: block ${count(complete.block.number)} (${shortHash(complete.block.hash)}) was readable at once, without a peer.`
        : `${took}: no block was complete yet.`)
      say(2, 'What is missing is being fetched …')
    },

    progress(progress) {
      if (!open?.reopenedMs || open.found) return
      const { received, requests } = progress
      // The sync goes on counting where its last batch was made.
      open.kept ??= progress.phase === 'idle' || progress.phase === 'locating' ? undefined : { bytes: received.bytes, requests }
      if (!COUNTED.includes(progress.phase)) return
      open.found = held(progress)
      if (!open.before || open.complete !== undefined) return
      const lost = Math.max(open.before.items - open.found.items, 0)
      open.lost = lost
      const kept = Math.min(open.found.items, open.before.items)
      say(2, `Of ${count(open.before.items)} accounts, slots and codes that were proven, ${count(kept)} were stored and are used; ` +
        `${count(lost)} have to be fetched again …`)
    },

    /** Shows what the first block after a kill cost. Returns the remark for its row. */
    blockDone(report) {
      if (!open) return undefined
      const { lost } = open
      const kept = open.kept ?? { bytes: 0, requests: 0 }
      open.bytesAfter = report.received.bytes - kept.bytes
      open.block = report.block.number
      open.afterMs = performance.now() - open.at
      const again = lost === undefined ? '' : `, ${count(lost)} accounts, slots and codes of it for the second time`
      say(2, `${bytes(open.bytesAfter)} had to be fetched in ${count(report.requests - kept.requests)} requests${again}, and block ` +
        `${count(report.block.number)} was complete ${duration(open.afterMs)} after the kill.`)
      open = undefined
      return 'after the kill'
    },
  }
}

function held({ accounts, slots, codes }) {
  return { accounts, slots, codes, items: accounts + slots + codes }
}
