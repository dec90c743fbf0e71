/** The functions of a WebAssembly module: their bodies and names. */

import { CUSTOM, leb, sections, text, toLeb, withSection } from './sections.mjs'

const [IMPORT, CODE] = [2, 10]
/** The kinds of imports. */
const [FUNCTION, TABLE, MEMORY, GLOBAL] = [0, 1, 2, 3]
/** The part of the section of names that names functions. */
const FUNCTION_NAMES = 1

/**
 * The bodies in order, the names by function index, and the number of imported functions, which
 * have the first indices.
 *
 * @param {Buffer} file
 * @returns {{bodies: Buffer[], names: Map<number, string>, imported: number}}
 */
export function functionsOf(file) {
  const found = { bodies: [], names: new Map(), imported: 0 }
  for (const { id, from, end } of sections(file)) {
    const reader = { file, at: from }
    if (id === IMPORT) found.imported = importedFunctions(reader)
    if (id === CODE) found.bodies = bodies(reader)
    if (id === CUSTOM && text(reader) === 'name') readNames(reader, end, found.names)
  }
  return found
}

/**
 * The module with other names of its functions. The names of anything else are left out.
 *
 * @param {(name: string, index: number) => string} rename is given each name that there is
 */
export function withNames(file, rename) {
  const named = [...functionsOf(file).names].map(([index, name]) => [toLeb(index), ...toText(rename(name, index))])
  const list = Buffer.concat([toLeb(named.length), ...named.flat()])
  const content = Buffer.concat([...toText('name'), Buffer.from([FUNCTION_NAMES]), toLeb(list.length), list])
  return withSection(file, CUSTOM, (section) => (text({ ...section, at: section.from }) === 'name' ? content : section.file.subarray(section.from, section.end)))
}

function importedFunctions(reader) {
  let functions = 0
  for (let left = leb(reader); left > 0; left--) {
    text(reader)
    text(reader)
    if (skipImport(reader) === FUNCTION) functions++
  }
  return functions
}

/** Skips what an import says about its kind. */
export function skipImport(reader) {
  const kind = reader.file[reader.at++]
  if (kind === FUNCTION) leb(reader)
  else if (kind === GLOBAL) reader.at += 2
  else if (kind === TABLE || kind === MEMORY) {
    if (kind === TABLE) reader.at++
    const isLimited = reader.file[reader.at++] & 1
    leb(reader)
    if (isLimited) leb(reader)
  } else throw new Error(`an import has the unknown kind ${kind}`)
  return kind
}

function bodies(reader) {
  return Array.from({ length: leb(reader) }, () => {
    const size = leb(reader)
    reader.at += size
    return reader.file.subarray(reader.at - size, reader.at)
  })
}

function readNames(reader, end, names) {
  while (reader.at < end) {
    const id = reader.file[reader.at++]
    const next = leb(reader) + reader.at
    if (id === FUNCTION_NAMES) {
      for (let left = leb(reader); left > 0; left--) names.set(leb(reader), text(reader))
    }
    reader.at = next
  }
}

/** A text and its length before it. */
function toText(value) {
  const bytes = Buffer.from(value)
  return [toLeb(bytes.length), bytes]
}
