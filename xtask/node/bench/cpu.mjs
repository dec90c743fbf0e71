/**
 * Processor time of a browser, by what its processes are there for, as Linux tells it in /proc.
 *
 * Chromium keeps IndexedDB in its main process (`browser` here); its storage process holds other things. A tab's workers run
 * in its renderer.
 */

import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { withAllBelow } from '../processes.mjs'

/** Linux tells times in hundredths of a second, whatever its own clock does (USER_HZ). */
const TICKS_PER_SECOND = 100

/** What a command line says of a process. The first that fits; a browser's main process has no type. */
const MARKS = [
  ['renderer', /--type=renderer\b/],
  ['network', /--utility-sub-type=network\.mojom\.NetworkService\b/],
  ['storage', /--utility-sub-type=storage\.mojom\.StorageService\b/],
  ['others', /--type=/],
  ['browser', /./],
]
/** Of processes that ended between two looks, it is not known what they were. */
const UNKNOWN = 'others'

/** Whether this system tells it. */
export const KNOWS_CPU = existsSync('/proc/self/stat')

/**
 * Follows the processes below `parent` whose command line has `mark` in it, with everything below them.
 *
 * A process that has ended keeps what it had when it was last seen. What it used after that, and all of a process that
 * nobody saw, its parent has collected (`cutime`, `cstime`): the part of that which no known process explains is counted as
 * `others`. So nothing is lost, and nothing is counted twice.
 *
 * @param {string} mark e.g. `--user-data-dir=FOLDER`
 * @param {number} [parent] this process, unless told
 * @returns {{look: () => Record<'renderer' | 'network' | 'storage' | 'browser' | 'others' | 'all', number>}} `look` answers
 *   seconds since the processes began; what lies between two looks is their difference
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

/** Of two answers of `look`, what lies between them. */
export function between(before, after) {
  return Object.fromEntries(Object.entries(after).map(([kind, seconds]) => [kind, seconds - before[kind]]))
}

/** Notes what the processes of the tree have used by now. */
function update(seen, mark, parent) {
  const all = processes()
  const isOurs = (one) => seen.has(one.key) || (one.parent === parent && lineOf(one.id).includes(mark))
  const tree = withAllBelow(all.filter(isOurs), all)
  const keys = new Map(tree.map(({ id, key }) => [id, key]))
  for (const known of seen.values()) known.ended = true
  for (const { id, key, parent, own, collected } of tree) {
    const known = seen.get(key)
    // Asked again each time: one that was just forked still has its parent's command line.
    const line = lineOf(id)
    const kind = line ? MARKS.find(([, sign]) => sign.test(line))[0] : (known?.kind ?? UNKNOWN)
    // Who loses its parent gets another one, but it is the first that it was started by.
    seen.set(key, { key, kind, own, collected, parent: known?.parent ?? keys.get(parent), ended: false })
  }
}

/** Seconds by kind, of those that are there and of those that were. */
function summed(seen) {
  const ticks = { renderer: 0, network: 0, storage: 0, browser: 0, others: 0 }
  const children = new Map()
  for (const one of seen.values()) children.set(one.parent, [...(children.get(one.parent) ?? []), one])
  /** Adds one and all below it; answers what of it is known. */
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

/** Every process of this machine that can be read. */
function processes() {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).flatMap((name) => {
    const text = read(name, 'stat')
    if (!text) return []
    // "17 (a name, with any signs) S 1 ...": the fields begin behind the name; numbers as in proc(5), less three.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    const [used, collected] = [[11, 12], [13, 14]].map(([user, system]) => Number(fields[user]) + Number(fields[system]))
    // Numbers of processes are used again, with another start.
    return [{ id: Number(name), key: `${name} ${fields[19]}`, parent: Number(fields[1]), own: used, collected }]
  })
}

/** Empty for one that has ended. */
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
