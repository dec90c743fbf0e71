/** What is said of the whole list in two lines. */

import { brief, count } from '../view/format.js'
import { ago } from './format.js'

/**
 * @returns {{state: 'proven' | 'stale' | 'pending' | 'waiting', title: string, words: string, notice:
 *   string}}
 */
export function summarize({ values, complete, plugged, standing, ended, role, offline, hasPeers }) {
  const all = values.flatMap(({ account, slots }) => [account, ...slots]).map((each) => each.standing)
  const of = (state) => all.filter((each) => each.state === state)
  const [proven, stale, pending] = [of('proven'), of('stale'), of('pending')]
  const held = [...proven, ...stale]
  const oldest = Math.max(0, ...held.map(({ age }) => age ?? 0))
  const block = complete?.block ? `block ${count(complete.block.number)}` : 'the last block'
  const notice = noticeOf({ plugged, standing, ended, role, hasPeers })

  if (all.length === 0) return { state: 'waiting', title: 'Nothing is watched yet', words: 'Add an address below.', notice }
  if (held.length === 0) {
    return pending.length > 0
      ? { state: 'pending', title: 'Waiting for the first proof', words: offline ? `Nothing is stored, and ${offline}.` : 'The provider is asked, and its answers are checked.', notice }
      : { state: 'waiting', title: 'Nothing is tracked', words: 'Track an address below to have it proven.', notice }
  }
  if (stale.length > 0) {
    const words = offline ? `They are read from this browser, since ${offline}.` : 'No newer block has come.'
    return { state: 'stale', title: `As of ${block}, ${ago(oldest)}`, words: `${count(stale.length)} ${stale.length === 1 ? 'value was' : 'values were'} proven then. ${words}`, notice }
  }
  const rest = pending.length > 0 ? ` ${count(pending.length)} more ${pending.length === 1 ? 'is' : 'are'} on the way.` : ''
  const behind = standing?.behind > 1 ? ` ${count(standing.behind)} blocks behind the newest one.` : ''
  return {
    state: pending.length > 0 ? 'pending' : 'proven',
    title: `Proven at ${block}`,
    words: `${proven.length === 1 ? 'The value is' : `All ${count(proven.length)} values are`} those of this block, ${ago(oldest)}.${rest}${behind}`,
    notice,
  }
}

/** What keeps new blocks away and what can be done, or an empty text. */
function noticeOf({ plugged, standing, ended, role, hasPeers }) {
  if (!plugged) return ''
  if (ended) return `New blocks are not followed any more: ${brief(ended)} “Connect again” goes on.`
  if (role === 'follower') return 'Another tab of this browser keeps the list proven. This one reads what that one completes, and takes over when it is closed.'
  if (!hasPeers) return 'Every provider has been dismissed; the table below says why. “Connect again” gives them another chance.'
  if (standing?.waiting) return `No news of the chain: ${brief(standing.waiting)}. It goes on by itself as soon as there is some.`
  return ''
}
