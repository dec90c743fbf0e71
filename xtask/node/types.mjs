/**
 * Compiles consumers of the package (`tests/e2e/types/consumers`) with the oldest TypeScript that is
 * promised and the newest, as projects that have the package installed. The one in between compiles the
 * large consumer.
 */

import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ROOT } from './serve.mjs'

const PROJECT = join(process.env.SNAPLIGHT_TARGET ?? join(ROOT, 'target'), 'types')
const MODULES = fileURLToPath(new URL('node_modules', import.meta.url))
/** Without `ESNext.Disposable`, which many projects do not have. */
const PAGE = { lib: ['ES2022', 'DOM'], types: [] }
const NODE = { lib: ['ES2022'], types: ['node'] }

/** `[compiler, module, moduleResolution, file, options]`. TypeScript 7 does not take the Node types of our libraries. */
const RUNS = [
  ['typescript-5.4', 'ESNext', 'bundler', 'page.ts', PAGE],
  ['typescript-5.4', 'nodenext', 'nodenext', 'node.ts', NODE],
  ['typescript-7', 'ESNext', 'bundler', 'page.ts', PAGE],
  ['typescript-7', 'node16', 'node16', 'page.ts', PAGE],
]

rmSync(PROJECT, { recursive: true, force: true })
mkdirSync(join(PROJECT, 'node_modules/@types'), { recursive: true })
symlinkSync(join(ROOT, 'pkg'), join(PROJECT, 'node_modules/snaplight'))
for (const name of ['@types/node', 'undici-types']) symlinkSync(join(MODULES, name), join(PROJECT, 'node_modules', name))
cpSync(join(ROOT, 'tests/e2e/types/consumers'), PROJECT, { recursive: true })
writeFileSync(join(PROJECT, 'package.json'), JSON.stringify({ type: 'module' }))

for (const [compiler, module, moduleResolution, file, options] of RUNS) {
  const compilerOptions = { strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true, noEmit: true, skipLibCheck: false, target: 'ES2022', module, moduleResolution, ...options }
  writeFileSync(join(PROJECT, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: [file] }))
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(MODULES, compiler, 'bin/tsc'), '--project', PROJECT], { encoding: 'utf8' })
  if (status === 0) continue
  console.error(`${compiler}, ${moduleResolution}, ${file}:\n${stdout}${stderr}`)
  process.exitCode = 1
}
