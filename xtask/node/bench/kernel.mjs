/** The benchmarks of hashing and verifying, which live beside the crate they measure. */

import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ROOT } from '../serve.mjs'

const PROGRAM = join(ROOT, 'benches/run.mjs')

/** Runs it with its output on this terminal, and answers what it wrote as JSON. */
export async function kernel() {
  if (!existsSync(PROGRAM)) throw new Error(`${PROGRAM} is missing`)
  const folder = mkdtempSync(join(tmpdir(), 'snaplight-bench-'))
  const file = join(folder, 'kernel.json')
  try {
    const child = spawn(process.execPath, [PROGRAM, '--json', file], { stdio: 'inherit' })
    const code = await new Promise((resolve, reject) => {
      child.once('error', reject)
      child.once('close', resolve)
    })
    if (code !== 0) throw new Error(`benches/run.mjs ended with ${code}`)
    return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
