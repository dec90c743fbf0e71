/** The sections of a WebAssembly module. */

const HEADER = 8
/** The kind of section that does not change what the module does: names, producers, features. */
export const CUSTOM = 0

/**
 * A module's sections in order.
 *
 * @param {Buffer} file
 * @returns {Iterable<{id: number, start: number, from: number, end: number}>} `start` is where the
 *   section begins, and `from` where its content begins
 */
export function* sections(file) {
  for (let start = HEADER; start < file.length; ) {
    const reader = { file, at: start + 1 }
    const size = leb(reader)
    const end = reader.at + size
    yield { id: file[start], start, from: reader.at, end }
    start = end
  }
}

/**
 * The module without the sections that are not needed to run it. wasm-opt would write the code anew
 * for this, and make it half a kilobyte larger.
 */
export function withoutCustom(file) {
  const kept = [...sections(file)].filter(({ id }) => id !== CUSTOM)
  return Buffer.concat([file.subarray(0, HEADER), ...kept.map(({ start, end }) => file.subarray(start, end))])
}

/** The module with another content of one section. */
export function withSection(file, wanted, change) {
  return Buffer.concat([file.subarray(0, HEADER), ...[...sections(file)].flatMap(({ id, start, from, end }) => {
    if (id !== wanted) return [file.subarray(start, end)]
    const content = change({ file, from, end })
    return [file.subarray(start, start + 1), toLeb(content.length), content]
  })])
}

/** Reads a number of variable length and moves on. */
export function leb(reader) {
  let value = 0
  for (let shift = 1; ; shift *= 128) {
    const byte = reader.file[reader.at++]
    value += (byte & 127) * shift
    if (byte < 128) return value
  }
}

/** A number of variable length. */
export function toLeb(value) {
  const bytes = []
  for (; value > 127; value = Math.floor(value / 128)) bytes.push((value % 128) | 128)
  return Buffer.from([...bytes, value])
}

/** Reads a length and a text of this length, and moves on. */
export function text(reader) {
  const length = leb(reader)
  reader.at += length
  return reader.file.toString('utf8', reader.at - length, reader.at)
}
