// Runs programs in Node processes of their own, whose exit codes show whether they crashed.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Runs a program of `programs/` to its end. It must end by itself and without an error. */
export async function succeeds(name, ...options) {
  const file = fileURLToPath(new URL(`../programs/${name}`, import.meta.url))
  try {
    return (await run(process.execPath, ['--expose-gc', file, ...options])).stdout
  } catch ({ code, signal, stderr }) {
    return assert.fail(`${name} ${options.join(' ')} ended with ${signal ?? code}:\n${stderr}`)
  }
}
