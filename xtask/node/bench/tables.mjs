/**
 * Prints tables with a realistic state's measurements first and plain accounts' beside them, at
 * most 160 characters wide.
 */

/** Wide enough for the longest label. */
const LABEL = 26
/** For lines outside of tables. */
const WIDE_LABEL = 76
const VALUE = 22
const MIB = 1024 * 1024

/** What a browser's row cost, in every table: wasm memory, and seconds of processor time. */
const COST = [
  { head: 'peak', width: 6, text: ({ memory }) => memory && (memory.peak / MIB).toFixed(1) },
  { head: 'end', width: 6, text: ({ memory }) => memory && (memory.end / MIB).toFixed(1) },
  { head: 'CPU', width: 6, text: ({ cpu }) => short(cpu?.all) },
  { head: 'rend', width: 6, text: ({ cpu }) => short(cpu?.renderer) },
  { head: 'net', width: 5, text: ({ cpu }) => short(cpu?.network) },
  { head: 'stor', width: 5, text: ({ cpu }) => short(cpu?.storage) },
  { head: 'rest', width: 5, text: ({ cpu }) => short(cpu && cpu.browser + cpu.others) },
]

/** Printed once before the first table. */
export const LEGEND = `
How to read the tables
  items       accounts and storage slots. Of a healed block: those that it changed
  MB          what peers sent, in millions of bytes: to the tab whole messages, to go-ethereum answers
              without their framing
  peak, end   MiB of wasm memory: the most while it ran, and after close(). Wasm memory never
              shrinks, so both are the same unless closing takes some. A page that has healed before
              begins a row with the memory that it had
  CPU         seconds of processor time of the browser, without the peers' processes. go-ethereum's
              peers answer in its own process, so a part of its time is serving
  rend net stor rest
              the tab's renderer; the network's process; the storage's process, which does not hold
              IndexedDB; and the rest: Chromium's main process, which holds it, and its helpers.
              CPU includes opening and closing the database, and what the browser does after a row.
              The seconds begin with the call of sync()
  go-ethereum its own snap syncer on the same state: native, with peers in its process (no socket),
              Pebble on disk, and GOMAXPROCS as printed. A tab that heals opens its database,
              connects, and reads its pages from the disk. go-ethereum's syncer has just synced the
              state before and has all of it in memory
  Each figure is the median of its runs. The sides take turns in each run.`

export function title(text) {
  console.log(`\n${text}`)
}

/** Says what is being measured. It takes minutes, and tables come at the end of each group. */
export function progress(text) {
  console.log(`  … ${text}`)
}

export function row(what, value, bar = '') {
  console.log(`  ${what.padEnd(WIDE_LABEL)} ${String(value).padStart(14)}   ${bar && `bar: ${bar}`}`)
}

/** One measurement of both states. A bar is meant for plain accounts. */
export function pair(what, [realistic, plain], bar = '') {
  const cells = [realistic, plain].map((value) => String(value ?? '–').padStart(VALUE))
  console.log(`  ${what.padEnd(WIDE_LABEL)} ${cells.join(' ')}   ${bar && `bar: ${bar}`}`)
}

/**
 * @param {object[]} states the two states, as `states.mjs` describes them
 * @param {{head: string, width: number, text: (figures: object) => string}[]} columns
 * @param {{label: string, cells: (object | undefined)[]}[]} rows `cells`: measurements of each
 * state, or nothing
 */
export function table(states, columns, rows) {
  const line = (label, groups) => console.log([label.padEnd(LABEL), ...groups].join(' │ ').trimEnd())
  const width = columns.reduce((sum, column) => sum + column.width, 0)
  line('', states.map(({ heading }) => heading.padEnd(width)))
  line('', states.map(() => columns.map(({ head, width }) => head.padStart(width)).join('')))
  for (const { label, cells } of rows) {
    const texts = cells.map((figures) =>
      columns.map(({ width, text }) => ((figures && text(figures)) ?? '–').padStart(width)).join(''))
    line(label, texts)
  }
}

/** The same, with three columns of the group's own before the costs. */
export function costs(states, [first, second, third], rows) {
  table(states, [{ width: 7, ...first }, { width: 9, ...second }, { width: 8, ...third }, ...COST], rows)
}

/** Rounded to three significant digits, with thousands separators. */
export function short(value) {
  if (value === undefined || !Number.isFinite(value)) return undefined
  const digits = value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits })
}

/** Seconds. A block takes few of them. */
export function seconds(value) {
  return value < 1 ? value.toFixed(3) : short(value)
}

export function count(value) {
  return Math.round(value).toLocaleString('en')
}

export function mega(bytes) {
  return bytes === undefined ? undefined : short(bytes / 1e6)
}

export function percent(share) {
  return `${(share * 100).toFixed(1)} %`
}

/**
 * Combines objects of one form: the median of each number by itself, and everything else as in the
 * first one.
 */
export function medians(all) {
  const [first] = all
  if (typeof first === 'number') return median(all)
  if (first === null || typeof first !== 'object') return first
  if (Array.isArray(first)) return first
  return Object.fromEntries(Object.keys(first).map((key) => [key, medians(all.map((one) => one[key]))]))
}

/** The median of figures, and from where to where they go. */
export function spread(figures, digits = 2) {
  const of = (figure) => figure.toFixed(digits)
  return `${of(median(figures))} (${of(Math.min(...figures))} to ${of(Math.max(...figures))})`
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b)
  const half = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2
}
