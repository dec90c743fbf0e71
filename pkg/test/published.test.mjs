// The tarball that npm publishes: what is in it, and what tools say that judge packages.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { pack } from '../../xtask/node/pack.mjs'

const run = promisify(execFile)
const here = (path) => fileURLToPath(new URL(path, import.meta.url))
const manifest = JSON.parse(readFileSync(here('../package.json'), 'utf8'))
const folder = mkdtempSync(join(tmpdir(), 'snaplight-published-'))
const { tarball, files } = pack(folder)
after(() => rmSync(folder, { recursive: true }))

/** Runs a program of the developer's tools on the tarball. */
async function judged(program, ...options) {
  const [bin] = Object.values(JSON.parse(readFileSync(here(`../../xtask/node/node_modules/${program}/package.json`), 'utf8')).bin)
  try {
    await run(process.execPath, [here(`../../xtask/node/node_modules/${program}/${bin}`), ...options])
  } catch ({ stdout, stderr }) {
    assert.fail(stdout + stderr)
  }
}

test('publint finds nothing', () => judged('publint', 'run', tarball, '--strict'))

test('arethetypeswrong finds nothing, of a package of ES modules', () => judged('@arethetypeswrong/cli', tarball, '--profile', 'esm-only'))

test('types are shipped for what can be imported, and for nothing else', () => {
  const entries = Object.values(manifest.exports).flatMap((entry) => entry.types ?? [])
  assert.deepEqual(files.filter((file) => file.endsWith('.d.ts')).sort(), [...new Set(entries)].map((entry) => entry.replace('./', '')).sort())
})

test('no tests are shipped, and all that is imported is', () => {
  assert.deepEqual(files.filter((file) => /^(test|node_modules)\//.test(file)), [])
  for (const file of files.filter((file) => file.endsWith('.js'))) {
    const text = readFileSync(here(`../${file}`), 'utf8')
    const imports = [...text.matchAll(/(?:from|import|import\() ?'(\.[^']+)'/g)].map(([, path]) => new URL(path, `file:///${file}`).pathname.slice(1))
    for (const path of imports) assert.ok(files.includes(path), `${path} of ${file}`)
  }
})

test('the manifest says where the package comes from, as the crate does', () => {
  const crate = readFileSync(here('../../Cargo.toml'), 'utf8')
  const [, url] = crate.match(/^repository = "(.+)"$/m)
  assert.equal(manifest.repository.url, `git+${url}.git`)
  assert.equal(manifest.repository.directory, 'pkg')
  assert.equal(manifest.homepage, `${url}#readme`)
  assert.equal(manifest.bugs, `${url}/issues`)
  assert.equal(crate.match(/^version = "(.+)"$/m)[1], manifest.version)
})
