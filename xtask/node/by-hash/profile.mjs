/** What a sync's time is spent on: Chromium's own profiler, on the thread that syncs. */

import { readFileSync } from 'node:fs'
import { groupOf } from '../bench/module.mjs'
import { NAMED } from '../optimize.mjs'

/** Microseconds between two looks at what is running. */
const EVERY_US = 500
/** Frames that are no functions: what V8 calls them, and what they are. */
const OUTSIDE = {
  '(idle)': 'idle',
  '(program)': 'browser',
  '(garbage collector)': 'garbage collector',
  '(root)': 'browser',
}
/** What a group of functions is for. The first match counts. */
const KINDS = [
  ['hashing', /^snaplight_trie::keccak/],
  ['tries: nodes, paths, folds, pages', /^snaplight_trie\b/],
  ['tree of what is held and missing', /^snaplight::(state|flat_map)/],
  ['engine and messages', /^snaplight::(sync|wire)|^alloy_rlp/],
  ['database', /^snaplight::store|^JavaScript: (add|put|delete|get|getAll|openCursor|transaction|objectStore|commit)$/],
  ['sending', /^JavaScript: send$/],
  ['the driver, and what crosses to JavaScript', /^snaplight\b|^JavaScript|^wasm_bindgen|^js_sys|^web_sys|^serde|calls from JavaScript/],
  ['memory: allocating, copying, comparing', /^dlmalloc|^alloc|^compiler_builtins|^std|^core|^hashbrown|^__rustc|^\(others\)/],
]

/**
 * Runs `what`, which makes the page do something, and says where the page's thread was meanwhile.
 *
 * @template T
 * @param {import('playwright-core').Page} page where the module has the names of its functions
 * @param {() => Promise<T>} what
 * @returns {Promise<{value: T, seconds: number, kinds: Record<string, number>, groups:
 *   Record<string, number>, functions: Record<string, number>}>} shares of the time: by what it is
 *   for, by the file of the function, and by function
 */
export async function profiled(page, what) {
  const session = await page.context().newCDPSession(page)
  await session.send('Profiler.enable')
  await session.send('Profiler.setSamplingInterval', { interval: EVERY_US })
  await session.send('Profiler.start')
  const value = await what()
  const { profile } = await session.send('Profiler.stop')
  await session.detach()
  return { value, ...sharesOf(profile) }
}

/** From now on the page loads the package's module with the names of its functions. */
export function withNames(page) {
  return page.route('**/snaplight_bg.wasm', (route) => route.fulfill({ body: readFileSync(NAMED), contentType: 'application/wasm' }))
}

function sharesOf({ nodes, samples, timeDeltas }) {
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]))
  const sums = { kinds: new Map(), groups: new Map(), functions: new Map() }
  let total = 0
  samples.forEach((id, at) => {
    // A delta is the time since the sample before, so the next one says how long this one lasted.
    const time = Math.max(0, timeDeltas[at + 1] ?? 0)
    const frame = frames.get(id)
    const group = groupOfFrame(frame)
    const add = (sum, name) => sum.set(name, (sum.get(name) ?? 0) + time)
    add(sums.kinds, kindOf(group))
    add(sums.groups, group)
    add(sums.functions, frame.functionName)
    total += time
  })
  const shares = (sum) => Object.fromEntries([...sum].sort(([, a], [, b]) => b - a).map(([name, time]) => [name, time / total]))
  return { seconds: total / 1e6, kinds: shares(sums.kinds), groups: shares(sums.groups), functions: shares(sums.functions) }
}

function kindOf(group) {
  if (Object.values(OUTSIDE).includes(group)) return group
  return KINDS.find(([, sign]) => sign.test(group))?.[0] ?? 'others'
}

function groupOfFrame({ functionName, url }) {
  if (OUTSIDE[functionName]) return OUTSIDE[functionName]
  if (url.includes('.wasm') || url.startsWith('wasm:')) return groupOf(functionName)
  return `JavaScript: ${functionName || '(anonymous)'}`
}
