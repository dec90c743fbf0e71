// The licence texts of what is compiled into the module are in the package.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { LICENCES, crates, licences, textsOf } from '../../xtask/node/licences.mjs'

test('every crate that is compiled into the module has its licence in the package, by name and version', () => {
  const shipped = readFileSync(LICENCES, 'utf8')
  const known = crates()
  for (const name of ['wasm-bindgen', 'alloy-rlp', 'idb']) assert.ok(known.some((crate) => crate.name === name), name)
  for (const { name, version } of known) assert.ok(shipped.includes(`\n- ${name} ${version} (`), `${name} ${version} is missing: run node xtask/node/licences.mjs`)
  assert.equal(shipped, licences(), 'what is shipped is what the sources say: run node xtask/node/licences.mjs')
})

test('a crate without a licence text is an error, unless it offers the licence that names nobody', () => {
  assert.throws(() => textsOf('nobody', 'MIT', undefined), /no licence text is known of nobody \(MIT\)/)
  const [text] = textsOf('nobody', 'MIT OR Apache-2.0', undefined)
  assert.match(text, /Apache License\s+Version 2\.0/)
})
