/** The instructions of a WebAssembly module (the core specification, chapter "Binary Format"). */

import { leb } from './sections.mjs'

const [BLOCK, LOOP, IF, BR, BR_IF, BR_TABLE, CALL, CALL_INDIRECT] = [0x02, 0x03, 0x04, 0x0c, 0x0d, 0x0e, 0x10, 0x11]
const [SELECT_TYPED, LOCAL_GET, TABLE_SET, I32_LOAD, I64_STORE32, MEMORY_SIZE, MEMORY_GROW] = [0x1c, 0x20, 0x26, 0x28, 0x3e, 0x3f, 0x40]
const [I32_CONST, I64_CONST, F32_CONST, F64_CONST, REF_NULL, REF_IS_NULL, REF_FUNC] = [0x41, 0x42, 0x43, 0x44, 0xd0, 0xd1, 0xd2]
/** What follows these is a number that names the instruction. */
const [BULK, VECTOR] = [0xfc, 0xfd]
/** The last instruction of one byte that may stand without anything behind it. */
const I64_EXTEND32 = 0xc4

/**
 * Where the alignment is that each access to memory in a function promises, as a power of two. It
 * is a hint, which changes nothing about what is read or written.
 *
 * @param {Buffer} body as `functionsOf` finds it
 * @returns {Iterable<number>} positions in the body
 */
export function* alignments(body) {
  const reader = { file: body, at: 0 }
  // The locals: how many there are of a type.
  for (let left = leb(reader); left > 0; left--) {
    leb(reader)
    reader.at++
  }
  while (reader.at < body.length) {
    const hint = skipInstruction(reader)
    if (hint !== null) yield hint
  }
}

/** Moves behind an instruction. Returns where its alignment is, or `null`. */
function skipInstruction(reader) {
  const code = reader.file[reader.at++]
  if (code >= I32_LOAD && code <= I64_STORE32) return skipAccess(reader)
  if (code === VECTOR) return skipVector(reader)
  if (code === BULK) skipNumbers(reader, bulkNumbers(leb(reader)))
  else if (code === F32_CONST) reader.at += 4
  else if (code === F64_CONST) reader.at += 8
  else if (code === BR_TABLE) skipNumbers(reader, leb(reader) + 1)
  else if (code === SELECT_TYPED) skipNumbers(reader, leb(reader))
  else if (code === CALL_INDIRECT) skipNumbers(reader, 2)
  else if ([BLOCK, LOOP, IF, BR, BR_IF, CALL, MEMORY_SIZE, MEMORY_GROW, I32_CONST, I64_CONST, REF_NULL, REF_FUNC].includes(code)) skipNumbers(reader, 1)
  else if (code >= LOCAL_GET && code <= TABLE_SET) skipNumbers(reader, 1)
  else if (code > I64_EXTEND32 && code !== REF_IS_NULL) throw new Error(`the instruction ${code.toString(16)} is unknown`)
  return null
}

/** Skips the alignment and the offset of an access. Returns where the alignment is. */
function skipAccess(reader) {
  const at = reader.at
  skipNumbers(reader, 2)
  return at
}

function skipVector(reader) {
  const code = leb(reader)
  if (code <= 11 || (code >= 92 && code <= 93)) return skipAccess(reader)
  if (code >= 84 && code <= 91) {
    const at = skipAccess(reader)
    reader.at++
    return at
  }
  if (code === 12 || code === 13) reader.at += 16
  else if (code >= 21 && code <= 34) reader.at++
  return null
}

/** How many numbers follow: conversions have none; copying and filling name memories or tables. */
function bulkNumbers(code) {
  if (code <= 7) return 0
  return [8, 10, 12, 14].includes(code) ? 2 : 1
}

/** Skips numbers of variable length, with a sign or without. */
function skipNumbers(reader, count) {
  for (let left = count; left > 0; left--) while (reader.file[reader.at++] & 128);
}
