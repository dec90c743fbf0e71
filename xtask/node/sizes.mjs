/** Prints how large the package is, raw and compressed with brotli, as servers send it. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { brotliCompressSync, constants } from 'node:zlib'
import { ROOT } from './serve.mjs'

/** @returns {{file: string, raw: number, brotli: number}} sizes in bytes */
export function sizeOf(file) {
  const bytes = readFileSync(join(ROOT, 'pkg', file))
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length }
  return { file, raw: bytes.length, brotli: brotliCompressSync(bytes, { params }).length }
}

export const SHIPPED = ['wasm/snaplight_bg.wasm', 'wasm/snaplight.js', 'snaplight.js', 'worker.js']

if (import.meta.filename === process.argv[1]) {
  console.log('\n  pkg/                            raw      brotli')
  for (const { file, raw, brotli } of SHIPPED.map(sizeOf)) {
    console.log(`  ${file.padEnd(24)} ${number(raw)} ${number(brotli)}`)
  }
}

function number(bytes) {
  return bytes.toLocaleString('en').padStart(11)
}
