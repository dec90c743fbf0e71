/**
 * The licence texts of everything that is compiled into the module, for the package: what cargo
 * compiles for WebAssembly, Rust's standard library, and the glue of wasm-bindgen.
 *
 * `node licences.mjs` writes the file. A crate without a text is an error. The Rust crate cargo-about
 * does the same and more; it takes minutes to compile, and asks a service for texts that are missing.
 */

import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { ROOT } from './serve.mjs'

export const LICENCES = join(ROOT, 'pkg/THIRD-PARTY-LICENSES')

const TARGET = 'wasm32-unknown-unknown'
/** What crates call their files. */
const TEXT = /^(licen[cs]e|copying|copyright|notice)/i
const APACHE = /apache/i
/** Texts that the sources do not have, by the name of what they are for. */
const ADDED = join(ROOT, 'xtask/licences')
/** Of Rust, whose installations have them only together with the documentation. */
const STANDARD_LIBRARY = { name: 'rust-std', licence: 'MIT OR Apache-2.0', repository: 'https://github.com/rust-lang/rust' }

/**
 * The crates of others that are compiled into the module. Procedural macros run in the compiler, and
 * are not among them.
 *
 * @returns {{name: string, version: string, licence: string, repository: string}[]}
 */
export function crates() {
  const args = ['tree', '--package', 'snaplight', '--edges', 'normal,no-proc-macro', '--target', TARGET, '--prefix', 'none', '--no-dedupe', '--format', '{p}|{l}|{r}']
  const lines = new Set(cargo(args).split('\n').filter((line) => line && !/ \(\/.*\)\|/.test(line)))
  return [...lines].sort().map((line) => {
    const [of, licence, repository] = line.split('|')
    const [name, version] = of.split(' ')
    return { name, version: version.slice(1), licence, repository }
  })
}

/** The file's text. */
export function licences() {
  const found = new Map()
  const folders = manifests()
  for (const { name, version, licence, repository } of crates()) {
    add(found, `${name} ${version} (${licence}) ${repository}`, textsOf(name, licence, folders.get(`${name} ${version}`)))
  }
  const { name, licence, repository } = STANDARD_LIBRARY
  add(found, `the standard library of Rust (${licence}) ${repository}`, textsOf(name, licence))
  const parts = [...found].map(([text, whose]) => `${whose.map((line) => `- ${line}`).join('\n')}\n\n${text}\n`)
  return `The WebAssembly module of snaplight, and the JavaScript of wasm-bindgen beside it, contain code of\nothers. Where a licence may be chosen, it is MIT if its text is here.\n\n${parts.join(`\n${'-'.repeat(80)}\n\n`)}`
}

/** The same text is there once, for all crates that have it. */
function add(found, whose, texts) {
  for (const text of texts) found.set(text, [...(found.get(text) ?? []), whose])
}

/**
 * All texts in a crate's folder, Apache's only if it is the only one. A crate without a text is used
 * under Apache's licence if it offers that, because its text names nobody.
 */
export function textsOf(name, licence, folder) {
  const files = [folder, join(ADDED, name)].filter((path) => path && existsSync(path))
    .flatMap((path) => readdirSync(path).filter((file) => TEXT.test(file)).sort().map((file) => join(path, file)))
  const others = files.filter((path) => !APACHE.test(path))
  const texts = (others.length > 0 ? others : files).map((path) => readFileSync(path, 'utf8'))
  if (texts.length === 0 && APACHE.test(licence)) texts.push(readFileSync(join(ROOT, 'LICENSE-APACHE'), 'utf8'))
  if (texts.length === 0) throw new Error(`no licence text is known of ${name} (${licence}): put its file into xtask/licences/${name}`)
  return texts.map((text) => text.replace(/\r\n/g, '\n').trim())
}

/** The folders of all crates, by name and version. */
function manifests() {
  const { packages } = JSON.parse(cargo(['metadata', '--format-version', '1', '--filter-platform', TARGET]))
  return new Map(packages.map(({ name, version, manifest_path: path }) => [`${name} ${version}`, dirname(path)]))
}

function cargo(args) {
  return execFileSync('cargo', args, { cwd: ROOT, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024, stdio: ['ignore', 'pipe', 'inherit'] })
}

if (import.meta.filename === process.argv[1]) writeFileSync(LICENCES, licences())
