/**
 * Shortens the names by which the module and its JavaScript call each other. wasm-bindgen puts a
 * hash into most of them. Hashes cannot be compressed, and together they are more than a kilobyte
 * of the module as it is sent.
 */

import { skipImport } from './functions.mjs'
import { leb, sections, text, toLeb, withSection } from './sections.mjs'

const [IMPORT, EXPORT] = [2, 7]
const HASH = /_?[0-9a-f]{16}(?![0-9a-f])/g
/** The beginning of all imports' names. */
const PREFIX = /^__wbg_(__wbindgen_)?/
/** The functions that call a closure are named by all types of its arguments. */
const CLOSURE = /^wasm_bindgen_+convert_+closures_+(invoke).*/

/**
 * @param {Buffer} file a module
 * @returns {{file: Buffer, names: Map<string, string>}} the module with shorter names, and the new
 *   name of each old one
 */
export function withoutHashes(file) {
  const taken = new Set(fields(file).map(({ name }) => name))
  const names = new Map()
  for (const { name } of fields(file)) {
    if (name.search(HASH) < 0 || names.has(name)) continue
    const short = name.replace(HASH, '').replace(PREFIX, '').replace(CLOSURE, '$1')
    let free = short
    for (let next = 2; taken.has(free); next++) free = `${short}_${next}`
    taken.add(free)
    names.set(name, free)
  }
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
