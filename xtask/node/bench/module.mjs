/** What makes the module large: its functions, grouped by the file or crate that they belong to. */

import { readFileSync } from 'node:fs'
import { functionsOf } from '../functions.mjs'
import { NAMED } from '../optimize.mjs'
import { sections } from '../sections.mjs'

const DATA = 11

/**
 * The largest groups of functions: a file of ours (`snaplight::sync::engine`), or another crate
 * (`alloc`).
 *
 * @returns {{name: string, bytes: number, share: number}[]} of the published module before
 * compression
 */
export function contributors(most = 25) {
  const file = readFileSync(NAMED)
  const { bodies, names, imported } = functionsOf(file)
  const data = [...sections(file)].find(({ id }) => id === DATA)
  const groups = new Map([['(constants)', data.end - data.from]])
  bodies.forEach(({ length }, at) => {
    const group = groupOf(names.get(imported + at) ?? '(unnamed)')
    groups.set(group, (groups.get(group) ?? 0) + length)
  })
  const total = [...groups.values()].reduce((sum, bytes) => sum + bytes, 0)
  return [...groups]
    .map(([name, bytes]) => ({ name, bytes, share: bytes / total }))
    .sort((a, b) => b.bytes - a.bytes)
    .slice(0, most)
}

/**
 * What a function belongs to. Generic code of another crate belongs to the first type of ours that
 * it is compiled for: `drop_in_place::<snaplight::web::driver::Driver>` belongs to
 * `snaplight::web::driver`.
 */
export function groupOf(name) {
  if (/ shim$/.test(name)) return '(calls from JavaScript)'
  const ours = /\b(snaplight(?:_trie)?)\[[0-9a-f]+\]((?:::\w+)+)/.exec(name)
  if (!ours) return /\b(\w+)\[[0-9a-f]+\]::/.exec(name)?.[1] ?? '(others)'
  const [, crate, path] = ours
  const parts = path.split('::').slice(1)
  // The names of a file, or of a top-level module if its mod.rs defines the item. Modules are in
  // lower case; what follows them is a type or a function.
  const modules = parts.slice(0, crate === 'snaplight' && parts.length > 2 ? 2 : 1)
  return [crate, ...modules.filter((part) => /^[a-z][a-z0-9_]*$/.test(part))].join('::')
}
