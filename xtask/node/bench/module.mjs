/** What makes the module large: its functions by crate, read from the module as the compiler left it, with names. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../serve.mjs'

const TARGET = process.env.SNAPLIGHT_TARGET ?? join(ROOT, 'target')
const MODULE = join(TARGET, 'wasm32-unknown-unknown/release/snaplight.wasm')
const [CUSTOM, IMPORT, CODE, DATA] = [0, 2, 10, 11]

/**
 * The largest groups of functions: a room of this crate (`snaplight::sync`), or another crate (`alloy_rlp`).
 *
 * @returns {{name: string, bytes: number, share: number}[]} before wasm-opt and compression; shares of the whole file
 */
export function contributors(most = 15) {
  const file = readFileSync(MODULE)
  const { sizes, names, imported, data } = read(file)
  const groups = new Map([['(data)', data]])
  sizes.forEach((size, at) => {
    const group = groupOf(names.get(imported + at) ?? '(unnamed)')
    groups.set(group, (groups.get(group) ?? 0) + size)
  })
  return [...groups]
    .map(([name, bytes]) => ({ name, bytes, share: bytes / file.length }))
    .sort((a, b) => b.bytes - a.bytes)
    .slice(0, most)
}

/** `<snaplight::sync::engine::Engine as …>::poll` belongs to `snaplight::sync`, `alloc::vec::…` to `alloc`. */
function groupOf(name) {
  const path = name.replace(/^_R/, '').match(/[a-z_][a-z0-9_]*(?:\[[0-9a-f]+\])?(?:::[a-z_][a-z0-9_]*)*/)?.[0] ?? name
  const [crate, room] = path.replace(/\[[0-9a-f]+\]/g, '').split('::')
  return crate === 'snaplight' && room ? `${crate}::${room}` : crate
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
