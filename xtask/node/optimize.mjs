/** wasm-opt (npm's binaryen). As a program: optimizes the built module, and keeps that if it is smaller to send. */

import { execFileSync } from 'node:child_process'
import { renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ROOT } from './serve.mjs'
import { sizeOf } from './sizes.mjs'

const MODULE = 'wasm/snaplight_bg.wasm'
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

/** Writes to `output` what wasm-opt makes of the module `input`. */
export function optimize(input, output) {
  execFileSync(process.execPath, [WASM_OPT, input, '-O3', '--strip-debug', '--strip-producers', ...FEATURES, '-o', output], {
    stdio: 'inherit',
  })
}

if (import.meta.filename === process.argv[1]) {
  const before = sizeOf(MODULE)
  const input = join(ROOT, 'pkg', MODULE)
  const output = `${input}.opt`
  optimize(input, output)
  const after = sizeOf(`${MODULE}.opt`)
  if (after.brotli < before.brotli) {
    renameSync(output, input)
    console.log(`wasm-opt: ${before.brotli} -> ${after.brotli} bytes (brotli)`)
  } else {
    rmSync(output)
    console.log(`wasm-opt made it no smaller: ${before.brotli} -> ${after.brotli} bytes (brotli)`)
  }
}
