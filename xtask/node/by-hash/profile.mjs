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
  ['tries: nodes, folds, pages', /^snaplight_trie\b/],
  ['database', /^snaplight::store|^JavaScript: idb|IDB/],
  ['tree of what is missing', /^snaplight::state/],
  ['messages', /^snaplight::wire/],
  ['engine', /^snaplight::sync/],
  ['bindings', /^snaplight\b|^JavaScript|^wasm_bindgen|^js_sys|^web_sys|calls from JavaScript/],
  ['memory: allocating and copying', /^dlmalloc|^alloc|^compiler_builtins|^std|^core|^hashbrown/],
]

/**
 * Runs `what` in the page and says where the page's thread was meanwhile. The page must not have
 * loaded the package yet: it gets the same module with the names of its functions.
 *
 * @param {import('playwright-core').Page} page
 * @param {Function} what a function that runs in the page
 * @param {object} setting its argument
 * @returns {Promise<{seconds: number, kinds: Record<string, number>, groups: Record<string,
 *   number>}>} shares of the time, by what it is for and by the file of the function
 */
export async function profiled(page, what, setting) {
  await page.route('**/snaplight_bg.wasm', (route) => route.fulfill({ body: readFileSync(NAMED), contentType: 'application/wasm' }))
  const session = await page.context().newCDPSession(page)
  await session.send('Profiler.enable')
  await session.send('Profiler.setSamplingInterval', { interval: EVERY_US })
  await session.send('Profiler.start')
  const value = await page.evaluate(what, setting)
  const { profile } = await session.send('Profiler.stop')
  await session.detach()
  return { value, ...sharesOf(profile) }
}

function sharesOf({ nodes, samples, timeDeltas }) {
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, groupOfFrame(callFrame)]))
  const [groups, kinds] = [new Map(), new Map()]
  let total = 0
  samples.forEach((id, at) => {
    // A delta says how long before this sample the one before was taken.
    const time = Math.max(0, timeDeltas[at + 1] ?? 0)
    const group = frames.get(id)
    const kind = Object.values(OUTSIDE).includes(group) ? group : (KINDS.find(([, sign]) => sign.test(group))?.[0] ?? 'others')
    groups.set(group, (groups.get(group) ?? 0) + time)
    kinds.set(kind, (kinds.get(kind) ?? 0) + time)
    total += time
  })
  const shares = (sums) => Object.fromEntries([...sums].sort(([, a], [, b]) => b - a).map(([name, time]) => [name, time / total]))
  return { seconds: total / 1e6, kinds: shares(kinds), groups: shares(groups) }
}

function groupOfFrame({ functionName, url }) {
  if (OUTSIDE[functionName]) return OUTSIDE[functionName]
  if (url.includes('.wasm') || url.startsWith('wasm:')) return groupOf(functionName)
  return `JavaScript: ${functionName || '(anonymous)'}`
}
