/** What a campaign prints: a line for each life, a summary, and the bars. */

const MIB = 1024 * 1024
/** The most bytes that a kill may cost at full speed: in flight, and verified but not committed. */
const FULL_SPEED_BAR = 8 * MIB
/** With a throttle, a kill may cost what arrives in this time. */
const THROTTLED_BAR_S = 2
/**
 * What a moving target may cost at most: a share of a sync from nothing, and the nodes that differ.
 */
const AFRESH = 1.1
const CHANGED = 1.2

export function headline({ backend, kills, accounts, seed, throttle, blockMs, share }) {
  const speed = throttle ? `two peers with ${count(throttle)} bytes a second each` : 'two peers at full speed'
  return `\n${kills} kills with ${backend}: ${count(accounts)} accounts from ${speed}, a block every ${blockMs / 1000} s that changes ${share * 100} %, seed ${seed}\n` +
    row('life', 'lived ms', 'batches', 'disk kB: start', 'end', 'received kB', 'again kB', 'of it on its way', 'block', 'moves', 'phase')
}

export function line({ number, killed, lived, batches, before, after, received, lost, onItsWay, last, events }) {
  const cells = [number, count(lived), batches ?? '', kB(before.bytes), after ? kB(after.bytes) : '', kB(received),
    killed ? kB(lost + onItsWay) : '', killed ? kB(onItsWay) : '', last?.block ?? '', last?.moves ?? '', killed ? (last?.phase ?? 'opening') : 'complete']
  return row(...cells) + (events.length > 0 ? `  ${events.join(', ')}` : '')
}

export function summary({ throttle }, { lives, report, afresh, total, changed, blocks, backend }) {
  const again = lives.map(({ lost, onItsWay }) => lost + onItsWay)
  const all = again.reduce((sum, bytes) => sum + bytes, 0)
  const lived = lives.reduce((sum, life) => sum + life.lived, 0)
  return `
  complete: block ${report.block.number} of ${blocks}, ${count(report.accounts)} accounts and ${count(report.slots)} slots, after ${count(lived / 1000)} s of ${lives.length} lives
  again: worst ${kB(Math.max(...again))} kB (bar ${kB(barOf(throttle))}), median ${kB(median(again))} kB, all together ${kB(all)} kB
  received: ${kB(total)} kB in all lives; a sync of the last state from nothing takes ${kB(afresh.received.bytes)} kB, the blocks changed ${kB(changed)} kB of nodes and codes
  on the disk: ${backend.join(', ')}`
}

/** The bars that were missed, in words. */
export function bars({ throttle }, { lives, afresh, total, changed }) {
  const problems = []
  const bar = barOf(throttle)
  lives.forEach(({ lost, onItsWay }, at) => {
    if (lost + onItsWay > bar) problems.push(`the kill of life ${at + 1} cost ${kB(lost + onItsWay)} kB, more than ${kB(bar)} kB`)
  })
  // Where syncs follow one another, there is no single sync to compare with.
  const kept = total - lives.reduce((sum, { lost }) => sum + lost, 0)
  const most = AFRESH * afresh.received.bytes + CHANGED * changed
  if (throttle && kept > most) problems.push(`${kB(kept)} kB were received and not lost, more than ${kB(most)} kB: something was fetched twice that was not lost`)
  return problems
}

function barOf(throttle) {
  return throttle ? THROTTLED_BAR_S * 2 * throttle : FULL_SPEED_BAR
}

function row(life, ...cells) {
  const widths = [9, 8, 15, 8, 12, 10, 17, 6, 6]
  return `  ${String(life).padStart(4)}${cells.map((cell, at) => (at < widths.length ? String(cell).padStart(widths[at] + 1) : `  ${cell}`)).join('')}`
}

function median(values) {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0
}

function count(value) {
  return Math.round(value).toLocaleString('en')
}

function kB(bytes) {
  return count(bytes / 1000)
}
