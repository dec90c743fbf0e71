/**
 * Draws the last blocks of the chain as a row, the newest on the right. Each has a bar for its cost
 * and below it a square for its state.
 */

import { bytes, count } from './format.js'

const SLOTS = 48
/**
 * A bar above this many times the median is cut off. Otherwise the first sync would flatten all
 * others.
 */
const TALLEST = 4
const LABEL_EVERY = 10
/** A label closer than this many blocks to that of the newest block would touch it. */
const LABEL_APART = 4

export function createChain(list) {
  const cells = Array.from({ length: SLOTS }, () => {
    const cell = document.createElement('li')
    cell.innerHTML = '<span class="bar"><i data-kind="healing"></i><i data-kind="ranges"></i></span><i data-kind="block"></i><small></small>'
    list.append(cell)
    return cell
  })
  let shown = ''
  /** The first block that this page knows. Earlier blocks are not drawn. */
  let first

  return {
    /**
     * @param now the follower's standing
     * @param rows the blocks that were completed, oldest first
     */
    show({ held, head, target }, rows) {
      const newest = Math.max(held?.number ?? 0, head?.number ?? 0, target?.number ?? 0)
      first ??= held?.number ?? head?.number ?? undefined
      const state = first !== undefined ? `${newest} ${held?.number} ${head?.number} ${target?.number} ${rows.length} ${rows.at(-1)?.number}` : ''
      // This is called ten times a second, and mostly nothing has changed.
      if (state === shown) return
      shown = state
      const costs = new Map(rows.slice(-SLOTS).map((row) => [row.number, row]))
      const sizes = [...costs.values()].map((row) => row.received.bytes)
      const limit = TALLEST * median(sizes)
      const tallest = Math.max(...sizes.filter((size) => size <= limit), 1)
      cells.forEach((cell, at) => {
        const number = newest - SLOTS + 1 + at
        const row = costs.get(number)
        cell.dataset.state = first === undefined || number < first ? 'none' : standing(number, row, held, target)
        draw(cell, number, row, tallest, newest)
      })
      list.setAttribute('aria-label', held
        ? `The chain's last ${SLOTS} blocks. Block ${held.number} is proven; the peers' head is ${head?.number ?? 'unknown'}.`
        : 'No block is proven yet')
    },
  }
}

function standing(number, row, held, target) {
  if (row || number === held?.number) return 'proven'
  if (number === target?.number) return 'syncing'
  return !held || number > held.number ? 'announced' : 'skipped'
}

function draw(cell, number, row, tallest, newest) {
  const [bar, , label] = cell.children
  const total = row?.received.bytes ?? 0
  const cut = total > tallest
  const share = row ? row.ranges.bytes / Math.max(row.ranges.bytes + row.healing.bytes, 1) : 0
  bar.dataset.cut = cut ? 'yes' : ''
  bar.style.height = total > 0 ? `${Math.max(Math.min(total / tallest, 1) * 100, 3)}%` : '0'
  bar.lastChild.style.height = `${share * 100}%`
  bar.firstChild.style.height = `${(1 - share) * 100}%`
  cell.dataset.after = row?.after ?? ''
  cell.title = row ? `Block ${count(number)}: ${bytes(total)}${row.after ? ' (after a kill)' : ''}` : cell.dataset.state === 'none' ? '' : `Block ${count(number)}`
  label.textContent = cell.dataset.state !== 'none' && (number === newest || (number % LABEL_EVERY === 0 && newest - number >= LABEL_APART)) ? count(number) : ''
}

export function median(numbers) {
  const sorted = numbers.filter((number) => number > 0).sort((a, b) => a - b)
  return sorted[sorted.length >> 1] ?? 0
}
