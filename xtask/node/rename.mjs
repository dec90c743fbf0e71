/**
 * Shortens the names by which the module and its JavaScript call each other. wasm-bindgen puts a
 * hash into most of them. Hashes cannot be compressed, and nobody else uses these names, so they
 * become numbers. That makes the module nearly two kilobytes smaller as it is sent.
 */

import { skipImport } from './functions.mjs'
import { leb, sections, text, toLeb, withSection } from './sections.mjs'

const [IMPORT, EXPORT] = [2, 7]
const HASH = /[0-9a-f]{16}(?![0-9a-f])/

/**
 * @param {Buffer} file a module
 * @returns {{file: Buffer, names: Map<string, string>}} the module with shorter names, and the new
 *   name of each old one
 */
export function withoutHashes(file) {
  const hashed = new Set(fields(file).map(({ name }) => name).filter((name) => HASH.test(name)))
  // wasm-bindgen writes no `$`, so nothing else has such a name.
  const names = new Map([...hashed].map((name, index) => [name, `$${index}`]))
  for (const id of [IMPORT, EXPORT]) file = withSection(file, id, (section) => renamed(section, fieldsOf(file, id), names))
  return { file, names }
}

/**
 * Replaces the same names in source code. Each old name contains a hash, so nothing else has this
 * name.
 */
export function inSource(source, names) {
  return source.replace(/[\w$]+/g, (word) => names.get(word) ?? word)
}

function fields(file) {
  return [...fieldsOf(file, IMPORT), ...fieldsOf(file, EXPORT)]
}

/**
 * Finds the names of imports or exports in the file: where the length before each name is, and
 * where the name ends.
 */
function fieldsOf(file, wanted) {
  const section = [...sections(file)].find(({ id }) => id === wanted)
  if (!section) return []
  const reader = { file, at: section.from }
  return Array.from({ length: leb(reader) }, () => {
    if (wanted === IMPORT) text(reader)
    const start = reader.at
    const name = text(reader)
    const end = reader.at
    if (wanted === IMPORT) skipImport(reader)
    else {
      reader.at++
      leb(reader)
    }
    return { name, start, end }
  })
}

function renamed({ file, from, end }, found, names) {
  const parts = []
  let at = from
  for (const { name, start, end } of found) {
    const bytes = Buffer.from(names.get(name) ?? name)
    parts.push(file.subarray(at, start), toLeb(bytes.length), bytes)
    at = end
  }
  return Buffer.concat([...parts, file.subarray(at, end)])
}
