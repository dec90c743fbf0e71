/** The table of blocks and what each cost, the newest first. */

import { median } from './chain.js'
import { bytes, count, duration, shortHash } from './format.js'

const SHOWN = 10
/** The most rows kept: of a page that follows for a day, the last half hour or so. */
const KEPT = 200

const COLUMNS = [
  (row) => bytes(row.received.bytes),
  (row) => orNothing(row.ranges.bytes, bytes),
  (row) => orNothing(row.healing.bytes, bytes),
  (row) => orNothing(row.healing.nodes, count),
  (row) => count(row.requests),
  (row) => count(row.roundTrips),
  (row) => orNothing(row.reused, count),
  (row) => duration(row.elapsedMs),
]
/**
 * The figures of which medians are shown. The first sync and the syncs after a kill do not count.
 */
const FIGURES = [
  ['received', 'bytes'], ['ranges', 'bytes'], ['healing', 'bytes'], ['healing', 'nodes'], ['requests'], ['roundTrips'], ['reused'], ['elapsedMs'],
]

export function createBlocks({ body, median: foot, all }) {
  const rows = []
  let whole = false
  body.innerHTML = '<tr class="nobody"><td colspan="10"><small>No block yet.</small></td></tr>'
  all.addEventListener('click', () => {
    whole = !whole
    trim()
  })

  function add(row) {
    body.querySelector('.nobody')?.remove()
    rows.push(row)
    if (rows.length > KEPT) rows.shift()
    body.prepend(written(row))
    trim()
    summarize()
  }

  function trim() {
    while (body.children.length > KEPT) body.lastChild.remove()
    Array.from(body.children).forEach((line, at) => (line.hidden = !whole && at >= SHOWN))
    all.hidden = rows.length <= SHOWN
    all.textContent = whole ? `Show the last ${SHOWN}` : `Show all ${count(rows.length)}`
  }

  function summarize() {
    const usual = rows.filter((row) => !row.elsewhere && !row.after && row.since > 0)
    if (usual.length < 2) return
    const middle = { received: {}, ranges: {}, healing: {} }
    for (const [of, part] of FIGURES) {
      const value = median(usual.map((row) => (part ? row[of][part] : row[of])))
      if (part) middle[of][part] = value
      else middle[of] = value
    }
    const line = document.createElement('tr')
    line.append(cell('th', `Median of ${count(usual.length)}`, ''), cell('td', '', ''), ...COLUMNS.map((column) => cell('td', column(middle))))
    line.firstChild.scope = 'row'
    line.firstChild.colSpan = 2
    line.children[1].remove()
    foot.replaceChildren(line)
  }

  return {
    /** Oldest first. */
    rows,

    /**
     * @param report a SyncReport of a block; `after`: what it followed, if that was no ordinary
     *   block
     */
    add(report, after) {
      // A target that was complete already costs nothing, and its block has a row.
      if (rows.at(-1)?.hash === report.block.hash) return
      const since = rows.length > 0 ? report.block.number - rows.at(-1).number : 0
      add({ ...report, ...report.block, since, after })
    },

    /** Notes a block that another tab completed. Only that tab knows its cost. */
    addElsewhere(block) {
      if (rows.at(-1)?.hash === block.hash) return
      add({ ...block, elsewhere: true, since: 0, received: { bytes: 0 }, ranges: { bytes: 0 }, healing: { bytes: 0 } })
    },
  }
}

function written(row) {
  const line = document.createElement('tr')
  const number = cell('th', count(row.number))
  number.scope = 'row'
  const remark = row.after ?? (row.since > 1 ? `${row.since} blocks at once` : row.since === 0 && !row.elsewhere ? 'from nothing' : '')
  const hash = cell('td', '', 'hash')
  hash.append(cell('span', shortHash(row.hash), ''))
  hash.title = row.hash
  if (remark) {
    const small = document.createElement('small')
    small.textContent = remark
    hash.append(small)
  }
  line.append(number, hash)
  if (row.elsewhere) {
    const note = cell('td', 'synced by another tab', 'quiet')
    note.colSpan = COLUMNS.length
    line.append(note)
  } else line.append(...COLUMNS.map((column) => cell('td', column(row))))
  return line
}

function cell(kind, text, className = 'number') {
  const element = document.createElement(kind)
  element.textContent = text
  element.className = className
  return element
}

function orNothing(value, form) {
  return value > 0 ? form(value) : '–'
}
