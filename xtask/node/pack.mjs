/** Packs the npm package, as `npm publish` would. */

import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { ROOT } from './serve.mjs'

/**
 * @param {string} [folder] where the tarball is written; without it, none is
 * @returns {{tarball: string, size: number, files: string[]}} its path, its bytes, and what is in it
 */
export function pack(folder) {
  const where = folder === undefined ? ['--dry-run'] : ['--pack-destination', folder]
  const words = ['pack', '--json', '--loglevel=error', '--ignore-scripts', ...where]
  const output = execFileSync('npm', words, { cwd: join(ROOT, 'pkg'), encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
  // npm 11 and 12 disagree on whether the answer is a list.
  const [{ filename, size, files }] = Object.values(JSON.parse(output))
  return { tarball: join(folder ?? '', filename), size, files: files.map(({ path }) => path) }
}
