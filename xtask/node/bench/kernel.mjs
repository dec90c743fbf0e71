/** The benchmarks of hashing and verifying, which are beside the crate that they measure. */

import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ROOT } from '../serve.mjs'

const PROGRAM = join(ROOT, 'benches/run.mjs')

/**
 * Runs them with their output on this terminal. Returns what they wrote as JSON. `options` as in
 * `benches/run.mjs`.
 */
export async function kernel(...options) {
  if (!existsSync(PROGRAM)) throw new Error(`${PROGRAM} is missing`)
  const folder = mkdtempSync(join(tmpdir(), 'snaplight-bench-'))
  const file = join(folder, 'kernel.json')
  try {
    const child = spawn(process.execPath, [PROGRAM, '--json', file, ...options], { stdio: 'inherit' })
    const code = await new Promise((resolve, reject) => {
      child.once('error', reject)
      child.once('close', resolve)
    })
    // The exit code is 1 if a bar is missed. That is a result, too. Without results, the run has
    // failed.
    if (!existsSync(file)) throw new Error(`benches/run.mjs ended with ${code} and measured nothing`)
    return JSON.parse(readFileSync(file, 'utf8'))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
