/** wasm-opt (npm's binaryen). As a program: optimizes the built module. */

import { execFileSync } from 'node:child_process'
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { inSource, withoutHashes } from './rename.mjs'
import { withoutCustom } from './sections.mjs'
import { ROOT } from './serve.mjs'
import { sizeOf } from './sizes.mjs'

const MODULE = 'wasm/snaplight_bg.wasm'
/** Where the names stand by which the module and its JavaScript call each other. */
const SOURCES = ['wasm/snaplight.js', 'wasm/snaplight.d.ts', 'wasm/snaplight_bg.wasm.d.ts']
/** The package's module, but with the names of its functions. */
export const NAMED = join(process.env.SNAPLIGHT_TARGET ?? join(ROOT, 'target'), 'snaplight_named.wasm')
const WASM_OPT = fileURLToPath(new URL('node_modules/binaryen/bin/wasm-opt', import.meta.url))

/** What rustc emits for wasm32-unknown-unknown today, plus the SIMD that the crate asks for. */
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

/** Writes to `output` what wasm-opt makes of the module `input`, and to `named` the same before it loses its names. */
export function optimize(input, output, named = `${output}.named`) {
  // In the order of names, in which brotli finds more alike next to each other.
  const passes = ['-Os', '--reorder-functions-by-name']
  execFileSync(process.execPath, [WASM_OPT, input, ...FEATURES, ...passes, '--debuginfo', '--output', named], { stdio: 'inherit' })
  writeFileSync(output, withoutCustom(readFileSync(named)))
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
