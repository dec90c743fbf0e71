// Programs in Node processes of their own: what a crash is shows in how the process ends.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Runs a program of `programs/` to its end, which must be its own and a good one. */
export async function succeeds(name, ...options) {
  const file = fileURLToPath(new URL(`../programs/${name}`, import.meta.url))
  try {
    return (await run(process.execPath, ['--expose-gc', file, ...options])).stdout
  } catch ({ code, signal, stderr }) {
    return assert.fail(`${name} ${options.join(' ')} ended with ${signal ?? code}:\n${stderr}`)
  }
}
