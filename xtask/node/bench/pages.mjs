/**
 * What a page's size costs, measured by `benches/page_budgets.rs`: the engine in virtual time with
 * a disk in memory.
 */

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { ROOT } from '../serve.mjs'

const run = promisify(execFile)
/** Compiling takes a minute or two the first time. */
const WITHIN_MS = 600_000

/** @returns {Promise<object[]>} for each page size, the first sync and one block of each kind */
export async function measurePages() {
  const { stdout } = await run('cargo', ['bench', '--quiet', '--profile', 'sim', '--bench', 'page_budgets'], { cwd: ROOT, timeout: WITHIN_MS })
  return stdout.trim().split('\n').map((line) => JSON.parse(line))
}
