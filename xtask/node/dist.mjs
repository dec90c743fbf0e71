/**
 * Bundles the package for pages without a bundler, into `pkg/dist`: a page then loads four or five files
 * instead of forty, and its worker one. Names stay as they are, so that stack traces can be read.
 *
 * `node dist.mjs`, which `cargo xtask build` runs. Bundlers get the files of `lib`, of which they
 * leave out what an app does not need; of a bundle they could not.
 */

import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild-wasm'
import { ROOT } from './serve.mjs'

const PKG = join(ROOT, 'pkg')
export const DIST = join(PKG, 'dist')

const OPTIONS = { absWorkingDir: PKG, bundle: true, format: 'esm', platform: 'browser', target: 'es2022', charset: 'utf8', logLevel: 'warning', outdir: 'dist', plugins: [moved()] }

/** What files say of where others are, and what holds in `dist`. */
const MOVED = {
  'lib/host.js': ["['/lib/host.js', '/worker-entry.js']", "['/dist/worker.js', '/dist/worker-entry.js']"],
  'module-url.js': ["'./wasm/snaplight_bg.wasm'", "'../wasm/snaplight_bg.wasm'"],
}

if (import.meta.filename === process.argv[1]) await bundle()

async function bundle() {
  rmSync(DIST, { recursive: true, force: true })
  // What is in more than one of these has to be there once: its classes and its module are shared.
  await build({ ...OPTIONS, entryPoints: ['snaplight.js', 'worker.js', 'provider.js'], splitting: true, chunkNames: 'shared-[hash]' })
  // A worker shares nothing with its page, so its script is one file.
  await build({ ...OPTIONS, entryPoints: ['worker-entry.js'] })
  if (!readFileSync(join(DIST, 'worker.js'), 'utf8').includes('"/dist/worker.js"')) throw new Error('host.js is not in dist/worker.js any more: change MOVED in dist.mjs')
}

function moved() {
  return {
    name: 'moved',
    setup({ onLoad }) {
      for (const [file, [from, to]] of Object.entries(MOVED)) {
        onLoad({ filter: new RegExp(`/${file}$`) }, ({ path }) => {
          const text = readFileSync(path, 'utf8')
          if (text.split(from).length !== 2) throw new Error(`${file} does not say ${from} once: change MOVED in dist.mjs`)
          return { contents: text.replace(from, to) }
        })
      }
    },
  }
}
