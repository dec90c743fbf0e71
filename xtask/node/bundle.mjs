/**
 * Bundles for tests and for measuring, by esbuild as WebAssembly: one npm package without
 * dependencies, whose whole program is in the package. Nothing is compiled or downloaded for it.
 */

import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { build } from 'esbuild-wasm'
import { BUNDLES, ROOT } from './serve.mjs'

const PKG = join(ROOT, 'pkg')
const NODE = join(ROOT, 'xtask/node')

const OPTIONS = { bundle: true, format: 'esm', platform: 'browser', target: 'es2022', charset: 'utf8', logLevel: 'silent', write: false, metafile: true, absWorkingDir: PKG }

/** How a file of the package names another file that has to be shipped beside the bundle. */
const ASSET = /new URL\('(\.[^']+)', import\.meta\.url\)/g

/**
 * Bundles and minifies what an app makes of the package, in memory. Files that the package loads
 * while it runs (the module, the worker) are not in it.
 *
 * @param {string} source a module, which may import `snaplight` and its other entries
 * @param {{without?: RegExp, lazy?: boolean, global?: string}} [options] `without`: files of the
 *   package, by their paths in it, that are replaced by nothing, to see what they weigh; `lazy`:
 *   whether what is imported only when it is needed is in it too; `global`: makes a script that is
 *   no module, and puts what the source exports there
 * @returns {Promise<Uint8Array>}
 */
export async function appBundle(source, { without, lazy = false, global } = {}) {
  const { outputFiles } = await build({
    ...OPTIONS,
    ...(global && { format: 'iife', globalName: global }),
    stdin: { contents: source, resolveDir: PKG },
    minify: true,
    plugins: [...(lazy ? [] : [withoutLazy()]), ...(without ? [emptied(without)] : [])],
  })
  return outputFiles[0].contents
}

/**
 * Writes an app to the folder of bundles as Vite and webpack would: minified, and with the files
 * that it loads while it runs beside it.
 *
 * @param {string} name `NAME.js` is the bundle
 * @param {string} source as for `appBundle`
 */
export async function writeApp(name, source) {
  const { outputFiles } = await build({
    ...OPTIONS,
    stdin: { contents: source, resolveDir: PKG, sourcefile: `${name}.js` },
    minify: true,
    outdir: BUNDLES,
    entryNames: name,
    assetNames: '[name]-[hash]',
    loader: { '.wasm': 'file' },
    plugins: [withAssets()],
  })
  for (const { path, contents } of outputFiles) put(path, contents)
}

/**
 * Bundles npm packages for a page, unless that was done for the same packages and source. It takes
 * some ten seconds for viem, ethers and wagmi.
 *
 * @param {string} name
 * @param {string} source a module that exports what the page needs
 * @returns {Promise<string>} the file's name in the folder of bundles
 */
export async function librariesBundle(name, source) {
  const lock = readFileSync(join(NODE, 'package-lock.json'))
  const file = `${name}-${createHash('sha256').update(lock).update(source).digest('hex').slice(0, 16)}.js`
  const path = join(BUNDLES, file)
  try {
    readFileSync(path)
  } catch {
    const { outputFiles } = await build({ ...OPTIONS, stdin: { contents: source, resolveDir: NODE } })
    put(path, outputFiles[0].contents)
  }
  return file
}

/** Another process may read the file at any time, so it is there as a whole or not at all. */
function put(path, contents) {
  mkdirSync(dirname(path), { recursive: true })
  const part = `${path}.${process.pid}.part`
  try {
    writeFileSync(part, contents)
    renameSync(part, path)
  } finally {
    rmSync(part, { force: true })
  }
}

/** Leaves out what is imported by `import()`. */
function withoutLazy() {
  return {
    name: 'without-lazy',
    setup({ onResolve }) {
      onResolve({ filter: /.*/ }, ({ kind, path }) => (kind === 'dynamic-import' ? { path, external: true } : undefined))
    },
  }
}

/** Replaces files of the package by ones that export the same names and do nothing. */
function emptied(without) {
  return {
    name: 'emptied',
    setup({ onLoad }) {
      onLoad({ filter: /\.js$/ }, async ({ path }) => {
        if (!without.test(relative(PKG, path))) return undefined
        const { metafile } = await build({ ...OPTIONS, entryPoints: [path], plugins: [withoutLazy()] })
        const [{ exports }] = Object.values(metafile.outputs)
        return { contents: exports.map((name) => (name === 'default' ? 'export default null' : `export const ${name} = null`)).join('\n') }
      })
    },
  }
}

/** Makes `new URL('./file', import.meta.url)` that of a copy of the file, or of its bundle. */
function withAssets() {
  return {
    name: 'with-assets',
    setup({ onLoad, onResolve, initialOptions }) {
      onLoad({ filter: /\.js$/, namespace: 'file' }, ({ path }) => {
        const assets = []
        const text = readFileSync(path, 'utf8').replace(ASSET, (_, file) => `new URL(asset${assets.push(file) - 1}, import.meta.url)`)
        return { contents: assets.map((file, at) => `import asset${at} from '${file}?url'\n`).join('') + text }
      })
      onResolve({ filter: /\?url$/ }, ({ path, resolveDir }) => ({ path: join(resolveDir, path.slice(0, -'?url'.length)), namespace: 'url' }))
      onLoad({ filter: /\.wasm$/, namespace: 'url' }, ({ path }) => ({ contents: readFileSync(path), loader: 'file' }))
      onLoad({ filter: /\.js$/, namespace: 'url' }, async ({ path }) => {
        const { stdin, entryNames, ...options } = initialOptions
        const { outputFiles } = await build({ ...options, entryPoints: [path] })
        for (const { path: output, contents } of outputFiles.filter((file) => !file.path.endsWith('.js'))) put(output, contents)
        return { contents: outputFiles.find((file) => file.path.endsWith('.js')).contents, loader: 'file' }
      })
    },
  }
}
