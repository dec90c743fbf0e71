/**
 * Checks the package as it would be published: the files that it names exist, and its types
 * describe what it exports.
 */

import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { pack } from '../../xtask/node/pack.mjs'
import ts from '../../xtask/node/node_modules/typescript/lib/typescript.js'
import { ROOT } from '../../xtask/node/serve.mjs'
import { setUp } from './lib/harness.mjs'

const PKG = join(ROOT, 'pkg')
const manifest = JSON.parse(readFileSync(join(PKG, 'package.json'), 'utf8'))
const world = setUp()

test('every file that package.json names is in the tarball, README and licences with it', () => {
  const { files } = pack()
  const named = [manifest.types, ...Object.values(manifest.exports).flatMap((entry) => (typeof entry === 'string' ? entry : Object.values(entry)))]
  for (const path of named) assert.ok(files.includes(path.replace('./', '')), `${path} is named but not packed`)
  for (const path of ['README.md', 'LICENSE-MIT', 'LICENSE-APACHE', 'THIRD-PARTY-LICENSES']) assert.ok(files.includes(path), `${path} is not packed`)
  const strange = files.filter((path) => /test|\.new$|\.opt$|node_modules|\.tgz$/.test(path))
  assert.deepEqual(strange, [], 'only files that users need are packed')
})

test('every relative import inside the package leads to a file', () => {
  const pending = ['snaplight.js', 'worker.js', 'worker-entry.js', 'provider.js']
  const seen = new Set()
  for (const file of pending) {
    if (seen.has(file)) continue
    seen.add(file)
    assert.ok(existsSync(join(PKG, file)), `${file} is imported but does not exist`)
    const text = readFileSync(join(PKG, file), 'utf8')
    for (const [, path] of text.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)) pending.push(join(file, '..', path))
  }
})

test('the declared values are exactly the exported ones', async () => {
  const page = await world.page()
  for (const [file, specifier] of [['snaplight.d.ts', 'snaplight'], ['worker.d.ts', 'snaplight/worker'], ['provider.d.ts', 'snaplight/provider']]) {
    const exported = await page.evaluate(async (specifier) => Object.keys(await import(specifier)).sort(), specifier)
    assert.deepEqual(exported, declaredValues(join(PKG, file)), file)
  }
})

/**
 * Returns the names of the classes, functions and constants that a declaration file exports. Types
 * do not exist at run time.
 */
function declaredValues(file) {
  const program = ts.createProgram([file], { noEmit: true, target: ts.ScriptTarget.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler, module: ts.ModuleKind.ESNext })
  const checker = program.getTypeChecker()
  const symbols = checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(file)))
  return symbols
    .map((symbol) => (symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol))
    .filter((symbol) => symbol.flags & ts.SymbolFlags.Value)
    .map((symbol) => symbol.name)
    .sort()
}
