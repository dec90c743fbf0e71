/** Summarizes what the blocks of a run cost. */

import { number } from './page.mjs'

const FIGURES = [
  ['kB received', (row) => row.received.bytes / 1000],
  ['  of ranges', (row) => row.ranges.bytes / 1000],
  ['  of nodes', (row) => row.healing.bytes / 1000],
  ['nodes', (row) => row.healing.nodes],
  ['requests', (row) => row.requests],
  ['round trips', (row) => row.roundTrips],
  ['pages written', (row) => row.pagesStored],
  ['kB written', (row) => row.bytesStored / 1000],
  ['milliseconds', (row) => row.elapsedMs],
]

/**
 * @param {object[]} rows reports of blocks, the first sync's first
 * @returns {string} a table of the ordinary blocks, and a line about the others
 */
export function costs([first, ...rows]) {
  const usual = rows.filter(({ since, after }) => since === 1 && !after)
  const unusual = rows.filter((row) => !usual.includes(row))
  const cells = (...texts) => texts.map((text, at) => (at === 0 ? text.padEnd(14) : text.padStart(10))).join('')
  const lines = FIGURES.map(([name, of]) => {
    const values = usual.map(of).sort((a, b) => a - b)
    const quantile = (share) => number(values[Math.min(values.length - 1, Math.floor(values.length * share))] ?? 0)
    return cells(name, quantile(0.5), quantile(0.9), quantile(1))
  })
  return [
    `\n  ${cells(`${usual.length} blocks`, 'median', 'p90', 'worst')}`,
    ...lines,
    `the first sync: ${number(first.received.bytes / 1000)} kB in ${number(first.requests)} requests, ${number(first.elapsedMs)} ms`,
    `not in the table: ${unusual.filter(({ after }) => after).length} blocks after kills, ${unusual.filter(({ after }) => !after).length} times several blocks at once`,
  ].join('\n  ')
}
