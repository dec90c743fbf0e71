/**
 * Processor time of a browser by the kinds of its processes, as Linux reports it in /proc.
 *
 * Chromium keeps IndexedDB in its main process (`browser` here). Its storage process holds other
 * things. A tab's workers run in the tab's renderer. Firefox's processes count as `browser`.
 */

import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { withAllBelow } from '../processes.mjs'

/** Linux always reports times in hundredths of a second (USER_HZ). */
const TICKS_PER_SECOND = 100

/**
 * How to recognise a process by its command line. The first match counts. A browser's main process
 * has no type.
 */
const MARKS = [
  ['renderer', /--type=renderer\b/],
  ['network', /--utility-sub-type=network\.mojom\.NetworkService\b/],
  ['storage', /--utility-sub-type=storage\.mojom\.StorageService\b/],
  ['others', /--type=/],
  ['browser', /./],
]
/** The kind of processes that ended between two looks, since their command line is not known. */
const UNKNOWN = 'others'

/** Whether this system has /proc. */
export const KNOWS_CPU = existsSync('/proc/self/stat')

/**
 * Follows the processes below `parent` whose command line contains `mark`, and all processes below
 * these.
 *
 * A process that has ended keeps the time that it had when it was last seen. Its parent has
 * collected the rest, and all the time of a process that was never seen (`cutime`, `cstime`). The
 * part of this that no known process explains is counted as `others`. So nothing is lost, and
 * nothing is counted twice.
 *
 * @param {string} mark for example the profile's folder
 * @param {number} [parent] this process by default
 * @returns {{look: () => Record<'renderer' | 'network' | 'storage' | 'browser' | 'others' | 'all',
 *   number>}} `look` returns seconds since the processes began. Subtract two looks to get the time
 *   between them.
 */
export function watchCpu(mark, parent = process.pid) {
  const seen = new Map()
  const look = () => {
    update(seen, mark, parent)
    return summed(seen)
  }
  look()
  if (seen.size === 0) throw new Error(`no process that was started here has ${mark} in its command line`)
  return { look }
}

/** The time between two results of `look`. */
export function between(before, after) {
  return Object.fromEntries(Object.entries(after).map(([kind, seconds]) => [kind, seconds - before[kind]]))
}

/** Notes how much time the processes of the tree have used so far. */
function update(seen, mark, parent) {
  const all = processes()
  const isOurs = (one) => seen.has(one.key) || (one.parent === parent && lineOf(one.id).includes(mark))
  const tree = withAllBelow(all.filter(isOurs), all)
  const keys = new Map(tree.map(({ id, key }) => [id, key]))
  for (const known of seen.values()) known.ended = true
  for (const { id, key, parent, own, collected } of tree) {
    const known = seen.get(key)
    // Read again each time: a process that was just forked still has its parent's command line.
    const line = lineOf(id)
    const kind = line ? MARKS.find(([, sign]) => sign.test(line))[0] : (known?.kind ?? UNKNOWN)
    // A process that loses its parent gets another one. The first one started it.
    seen.set(key, { key, kind, own, collected, parent: known?.parent ?? keys.get(parent), ended: false })
  }
}

/** Seconds by kind, of running processes and of those that have ended. */
function summed(seen) {
  const ticks = { renderer: 0, network: 0, storage: 0, browser: 0, others: 0 }
  const children = new Map()
  for (const one of seen.values()) children.set(one.parent, [...(children.get(one.parent) ?? []), one])
  /** Adds a process and all below it. Returns the part of its time that is known. */
  const add = ({ key, kind, own, collected }) => {
    let explained = 0
    for (const child of children.get(key) ?? []) {
      const known = add(child)
      if (child.ended) explained += known
    }
    const unseen = Math.max(0, collected - explained)
    ticks[kind] += own
    ticks[UNKNOWN] += unseen
    return own + explained + unseen
  }
  for (const root of children.get(undefined) ?? []) add(root)
  const seconds = Object.entries(ticks).map(([kind, count]) => [kind, count / TICKS_PER_SECOND])
  return { ...Object.fromEntries(seconds), all: seconds.reduce((sum, [, count]) => sum + count, 0) }
}

/** All processes of this machine that can be read. */
function processes() {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).flatMap((name) => {
    const text = read(name, 'stat')
    if (!text) return []
    // "17 (a name, with any characters) S 1 ...": the fields begin behind the name. They are
    // numbered as in proc(5), less three.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    const [used, collected] = [[11, 12], [13, 14]].map(([user, system]) => Number(fields[user]) + Number(fields[system]))
    // A process id is used again, with another start time.
    return [{ id: Number(name), key: `${name} ${fields[19]}`, parent: Number(fields[1]), own: used, collected }]
  })
}

/** Empty if the process has ended. */
function lineOf(id) {
  return read(id, 'cmdline').replaceAll('\0', ' ').trim()
}

function read(id, file) {
  try {
    return readFileSync(`/proc/${id}/${file}`, 'latin1')
  } catch {
    // It has ended since it was listed.
    return ''
  }
}
