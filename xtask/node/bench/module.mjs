/** What makes the module large: its functions, grouped by the file or crate that they belong to. */

import { readFileSync } from 'node:fs'
import { NAMED } from '../optimize.mjs'
import { skipImport } from '../rename.mjs'
import { CUSTOM, leb, sections, text } from '../sections.mjs'

const [IMPORT, CODE, DATA] = [2, 10, 11]

/**
 * The largest groups of functions: a file of ours (`snaplight::sync::engine`), or another crate
 * (`alloc`).
 *
 * @returns {{name: string, bytes: number, share: number}[]} of the published module before
 * compression
 */
export function contributors(most = 25) {
  const { sizes, names, imported, data } = read(readFileSync(NAMED))
  const groups = new Map([['(constants)', data]])
  sizes.forEach((size, at) => {
    const group = groupOf(names.get(imported + at) ?? '(unnamed)')
    groups.set(group, (groups.get(group) ?? 0) + size)
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

/**
 * The sizes of the function bodies in order, the names by function index, the number of imported
 * functions, and the bytes of data.
 */
function read(file) {
  const found = { sizes: [], names: new Map(), imported: 0, data: 0 }
  for (const { id, from, end } of sections(file)) {
    const reader = { file, at: from }
    if (id === IMPORT) found.imported = importedFunctions(reader)
    if (id === CODE) found.sizes = bodySizes(reader)
    if (id === DATA) found.data = end - from
    if (id === CUSTOM && text(reader) === 'name') readNames(reader, end, found.names)
  }
  return found
}

function importedFunctions(reader) {
  const FUNCTION = 0
  let functions = 0
  for (let left = leb(reader); left > 0; left--) {
    text(reader)
    text(reader)
    if (skipImport(reader) === FUNCTION) functions++
  }
  return functions
}

function bodySizes(reader) {
  return Array.from({ length: leb(reader) }, () => {
    const size = leb(reader)
    reader.at += size
    return size
  })
}

function readNames(reader, end, names) {
  const FUNCTIONS = 1
  while (reader.at < end) {
    const id = reader.file[reader.at++]
    const next = leb(reader) + reader.at
    if (id === FUNCTIONS) {
      for (let left = leb(reader); left > 0; left--) names.set(leb(reader), text(reader))
    }
    reader.at = next
  }
}
