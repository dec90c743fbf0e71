/**
 * Shorter names for what the module and its JavaScript call each other by. wasm-bindgen puts a hash into most of them, which
 * cannot be compressed: together more than a kilobyte of the module as it is sent.
 */

import { leb, sections, text, toLeb, withSection } from './sections.mjs'

const [IMPORT, EXPORT] = [2, 7]
/** Kinds of imports. */
const [FUNCTION, TABLE, MEMORY, GLOBAL] = [0, 1, 2, 3]
const HASH = /_?[0-9a-f]{16}(?![0-9a-f])/g
/** What all imports begin with. */
const PREFIX = /^__wbg_(__wbindgen_)?/
/** What calls a closure is named by all the types of its arguments. */
const CLOSURE = /^wasm_bindgen_+convert_+closures_+(invoke).*/

/**
 * @param {Buffer} file a module
 * @returns {{file: Buffer, names: Map<string, string>}} the module with shorter names, and what was renamed to what
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

/** Source code with the same names. Each has a hash in it, so nothing else is called like that. */
export function inSource(source, names) {
  return source.replace(/[\w$]+/g, (word) => names.get(word) ?? word)
}

function fields(file) {
  return [...fieldsOf(file, IMPORT), ...fieldsOf(file, EXPORT)]
}

/** Where in the file the names of imports or exports are: of the length before it, and of its end. */
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

/** Passes over what an import says of its kind. */
export function skipImport(reader) {
  const kind = reader.file[reader.at++]
  if (kind === FUNCTION) leb(reader)
  else if (kind === GLOBAL) reader.at += 2
  else if (kind === TABLE || kind === MEMORY) {
    if (kind === TABLE) reader.at++
    const isLimited = reader.file[reader.at++] & 1
    leb(reader)
    if (isLimited) leb(reader)
  } else throw new Error(`an import of kind ${kind} is not known here`)
  return kind
}
