/** What makes the module large: its functions by crate, read from the module as the compiler left it, with names. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../serve.mjs'

const TARGET = process.env.SNAPLIGHT_TARGET ?? join(ROOT, 'target')
const MODULE = join(TARGET, 'wasm32-unknown-unknown/release/snaplight.wasm')
const [CUSTOM, IMPORT, CODE, DATA] = [0, 2, 10, 11]

/** Functions that only tell wasm-bindgen what to write; it removes them. */
const DESCRIPTION = /^__wbindgen_describe/

/**
 * The largest groups of functions: a file of this crate (`snaplight::sync::engine`), or another crate (`alloc`).
 *
 * @returns {{name: string, bytes: number, share: number}[]} before wasm-opt and compression; shares of code and data
 */
export function contributors(most = 20) {
  const { sizes, names, imported, data } = read(readFileSync(MODULE))
  const groups = new Map([['(constants)', data]])
  sizes.forEach((size, at) => {
    const name = names.get(imported + at) ?? '(unnamed)'
    if (DESCRIPTION.test(name)) return
    const group = groupOf(name)
    groups.set(group, (groups.get(group) ?? 0) + size)
  })
  const total = [...groups.values()].reduce((sum, bytes) => sum + bytes, 0)
  return [...groups]
    .map(([name, bytes]) => ({ name, bytes, share: bytes / total }))
    .sort((a, b) => b.bytes - a.bytes)
    .slice(0, most)
}

/**
 * Whom a function is there for. Generic code of another crate counts for the type of ours that it is compiled for:
 * `core::ptr::drop_in_place<snaplight::web::driver::Driver>` belongs to `snaplight::web::driver`.
 */
function groupOf(name) {
  // Only the standard library, which comes compiled, is mangled the newer way.
  if (name.startsWith('_R')) return 'std'
  const path = segments(name)
  const ours = path.indexOf('snaplight')
  if (ours < 0) return path[0] ?? name
  // Modules are in lower case; what follows them is a type or a function.
  const [room, file] = path.slice(ours + 1, ours + 3)
  const modules = [room, file].filter((part) => /^[a-z][a-z0-9_]*$/.test(part ?? ''))
  return ['snaplight', ...(path.length > ours + 2 || modules.length < 2 ? modules : [room])].join('::')
}

/** The identifiers of a mangled name, in order: `_ZN9snaplight4sync4push17h…E`, and within `_$LT$snaplight..sync..Engine…`. */
function segments(name) {
  const found = []
  let rest = /^_ZN/.test(name) ? name.slice(3) : ''
  for (let length; (length = /^\d+/.exec(rest)); ) {
    const start = length[0].length
    found.push(rest.slice(start, start + Number(length[0])))
    rest = rest.slice(start + Number(length[0]))
  }
  return found.flatMap((part) => part.split(/\$[A-Za-z0-9]+\$|\.\./)).filter((part) => part && !/^(_|h[0-9a-f]{16})$/.test(part))
}

/** Sizes of the function bodies in order, names by function index, how many functions are imported, bytes of data. */
function read(file) {
  const reader = { file, at: 8 }
  const found = { sizes: [], names: new Map(), imported: 0, data: 0 }
  while (reader.at < file.length) {
    const id = file[reader.at++]
    const size = leb(reader)
    const end = reader.at + size
    if (id === IMPORT) found.imported = importedFunctions(reader)
    if (id === CODE) found.sizes = bodySizes(reader)
    if (id === DATA) found.data = size
    if (id === CUSTOM && text(reader) === 'name') readNames(reader, end, found.names)
    reader.at = end
  }
  return found
}

function importedFunctions(reader) {
  let functions = 0
  for (let left = leb(reader); left > 0; left--) {
    text(reader)
    text(reader)
    const kind = reader.file[reader.at++]
    if (kind === 0) {
      functions++
      leb(reader)
    } else if (kind === 3) {
      reader.at += 2
    } else {
      if (kind === 1) reader.at++
      const limited = reader.file[reader.at++] & 1
      leb(reader)
      if (limited) leb(reader)
    }
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

function text(reader) {
  const length = leb(reader)
  reader.at += length
  return reader.file.toString('utf8', reader.at - length, reader.at)
}

function leb(reader) {
  let value = 0
  for (let shift = 1; ; shift *= 128) {
    const byte = reader.file[reader.at++]
    value += (byte & 127) * shift
    if (byte < 128) return value
  }
}
