/** wasm-opt (npm's binaryen). Run as a program, it optimizes the built module. */

import { execFileSync } from 'node:child_process'
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { functionsOf, withNames } from './functions.mjs'
import { alignments } from './instructions.mjs'
import { byLikeness } from './likeness.mjs'
import { inSource, withoutHashes } from './rename.mjs'
import { withoutCustom } from './sections.mjs'
import { ROOT } from './serve.mjs'
import { sizeOf } from './sizes.mjs'

const MODULE = 'wasm/snaplight_bg.wasm'
/** Where the names are by which the module and its JavaScript call each other. */
const SOURCES = ['wasm/snaplight.js', 'wasm/snaplight.d.ts', 'wasm/snaplight_bg.wasm.d.ts']
/** The package's module, with the names of its functions. */
export const NAMED = join(process.env.SNAPLIGHT_TARGET ?? join(ROOT, 'target'), 'snaplight_named.wasm')
const WASM_OPT = fileURLToPath(new URL('node_modules/binaryen/bin/wasm-opt', import.meta.url))

/**
 * The features that rustc uses for wasm32-unknown-unknown today, and the SIMD that the crate needs.
 */
const FEATURES = [
  '--enable-simd',
  '--enable-bulk-memory',
  '--enable-bulk-memory-opt',
  '--enable-nontrapping-float-to-int',
  '--enable-sign-ext',
  '--enable-mutable-globals',
  '--enable-reference-types',
  '--enable-multivalue',
]

/**
 * Brotli compresses similar code best where it is not inlined nor shared, and side by side. Inlining
 * whatever has one caller, and common subexpressions, made the module 2 % smaller, and what is sent
 * 4 % larger. Moving what is assigned to where it is used makes alike code different, too.
 */
const PASSES = [
  '-Os',
  '--one-caller-inline-max-function-size',
  '15',
  '--skip-pass=local-cse',
  '--skip-pass=simplify-locals',
  '--reorder-functions-by-name',
]
/** Digits before a function's name that say where it belongs. */
const DIGITS = 5

/**
 * Writes what wasm-opt makes of the module `input` to `output`, and the same before its names are
 * removed to `named`.
 *
 * wasm-opt runs twice: which functions are alike is seen once they are optimized, and it can sort
 * them by name only.
 */
export function optimize(input, output, named = `${output}.named`) {
  wasmOpt(input, named)
  const { bodies, names, imported } = functionsOf(readFileSync(named))
  const places = new Map(byLikeness(bodies).map((at, place) => [names.get(imported + at), place]))
  const placed = (name) => `${places.get(name) ?? ''}`.padStart(DIGITS, '0') + name
  const renamed = `${output}.renamed`
  writeFileSync(renamed, withNames(readFileSync(input), placed))
  wasmOpt(renamed, named)
  rmSync(renamed)
  const sorted = withNames(readFileSync(named), (name) => name.slice(DIGITS))
  writeFileSync(named, withoutHints(sorted))
  writeFileSync(output, withoutCustom(readFileSync(named)))
}

/**
 * The module in which no access to memory promises an alignment. Processors of today need none, and
 * nothing but these bytes differed in much of the code.
 */
function withoutHints(file) {
  const changed = Buffer.from(file)
  for (const body of functionsOf(changed).bodies) {
    // The bodies are views into the file.
    for (const at of alignments(body)) body[at] = 0
  }
  return changed
}

function wasmOpt(input, output) {
  execFileSync(process.execPath, [WASM_OPT, input, ...FEATURES, ...PASSES, '--debuginfo', '--output', output], { stdio: 'inherit' })
}

if (import.meta.filename === process.argv[1]) {
  const before = sizeOf(MODULE)
  const input = join(ROOT, 'pkg', MODULE)
  optimize(input, `${input}.opt`, NAMED)
  renameSync(`${input}.opt`, input)
  const { names } = withoutHashes(readFileSync(input))
  for (const module of [input, NAMED]) writeFileSync(module, withoutHashes(readFileSync(module)).file)
  for (const source of SOURCES.map((name) => join(ROOT, 'pkg', name))) {
    writeFileSync(source, inSource(readFileSync(source, 'utf8'), names))
  }
  console.log(`wasm-opt: ${before.brotli} -> ${sizeOf(MODULE).brotli} bytes (brotli)`)
}
