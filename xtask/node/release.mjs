/**
 * Tries the package as users get it: packs it, looks at what the tarball has, installs it in a project
 * of its own, and syncs from a native peer in Node and in headless Chromium, in a page and by a worker.
 *
 * `node release.mjs`, after `cargo xtask build`. `cargo xtask release --dry-run` runs it.
 */

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { launch } from './browser.mjs'
import { DIST } from './dist.mjs'
import { pack } from './pack.mjs'
import { startPeer } from './peers.mjs'
import { ROOT, serve } from './serve.mjs'

const PKG = join(ROOT, 'pkg')
const ACCOUNTS = 2_000
/** What is in the tarball besides `lib` as it is committed, and `dist` as it was built. */
const EXPECTED = [
  'package.json', 'README.md', 'LICENSE-APACHE', 'LICENSE-MIT', 'THIRD-PARTY-LICENSES',
  'snaplight.js', 'snaplight.d.ts', 'worker.js', 'worker.d.ts', 'worker-entry.js', 'worker-entry.d.ts', 'provider.js', 'provider.d.ts',
  'start-worker.js', 'module-url.js', 'wasm/snaplight.js', 'wasm/snaplight_bg.wasm', 'wasm.d.ts',
]

const project = await mkdtemp(join(tmpdir(), 'snaplight-release-'))
let peer
try {
  await install(packed())
  peer = await startPeer(['--accounts', String(ACCOUNTS)])
  const setting = { network: { id: peer.networkId, genesisHash: peer.genesisHash }, url: peer.url, root: peer.root }
  await inNode(setting)
  await inChromium(setting)
} catch (error) {
  console.log(`  FAIL  ${error?.message ?? error}`)
  process.exitCode = 1
} finally {
  await peer?.stop()
  await rm(project, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 })
}

function passed(name, found) {
  console.log(`  ok    ${name.padEnd(10)} ${found}`)
}

/** Returns the tarball's path. */
function packed() {
  const { tarball, files, size } = pack(project)
  const committed = execFileSync('git', ['ls-files', 'lib', 'vite'], { cwd: PKG, encoding: 'utf8' }).trim().split('\n')
  const bundles = readdirSync(DIST).map((name) => `dist/${name}`)
  const [found, expected] = [new Set(files), new Set([...EXPECTED, ...committed, ...bundles])]
  const differences = { strange: files.filter((path) => !expected.has(path)), missing: [...expected].filter((path) => !found.has(path)) }
  assert.deepEqual(differences, { strange: [], missing: [] }, `the tarball has other files than release.mjs expects: ${JSON.stringify(differences)}`)
  passed('tarball', `${basename(tarball)}: ${files.length} files, ${size.toLocaleString('en')} bytes`)
  return tarball
}

async function install(tarball) {
  await writeFile(join(project, 'package.json'), JSON.stringify({ name: 'project', private: true, type: 'module' }))
  npm(['install', '--ignore-scripts', '--no-audit', '--no-fund', tarball], project)
  const installed = await readdir(join(project, 'node_modules'))
  assert.deepEqual(installed.filter((name) => !name.startsWith('.')), ['snaplight'], 'the package brings others with it')
  passed('install', `as the only package of a project`)
}

/** Syncs, and reads an account that is proven absent. Runs in Node and in the page. */
async function sync(open, { network, url, root }) {
  const db = await open({ network })
  db.addPeer(url)
  const report = await db.sync(root)
  const { exists } = await db.getAccount(`0x${'12'.repeat(20)}`)
  await db.close()
  return { root: report.root, accounts: report.accounts, exists }
}

async function inNode(setting) {
  const script = `
    import { open } from 'snaplight'
    // Node 20 has none of its own.
    globalThis.WebSocket ??= (await import(${JSON.stringify(join(ROOT, 'xtask/node/node_modules/ws/wrapper.mjs'))})).default
    ${sync}
    const found = await sync((options) => open({ ...options, memory: true }), ${JSON.stringify(setting)})
    console.log(JSON.stringify(found))`
  await writeFile(join(project, 'sync.mjs'), script)
  check(JSON.parse(execFileSync(process.execPath, ['sync.mjs'], { cwd: project, encoding: 'utf8' })), setting)
  passed('node', `${process.version}: ${ACCOUNTS} accounts synced into memory`)
}

async function inChromium(setting) {
  const server = await serve({ site: project, files: { '/': page() } })
  const browser = await launch()
  try {
    const tab = await browser.context.newPage()
    for (const thread of ['page', 'worker']) {
      await tab.goto(`${server.origin}/`)
      const found = await tab.evaluate(syncInPage, { thread, setting, sync: String(sync) })
      check(found, setting)
      passed('chromium', `${browser.context.browser()?.version() ?? ''} ${thread}: ${ACCOUNTS} accounts synced to disk`.trimStart())
    }
  } finally {
    await browser.close()
    await server.close()
  }
}

async function syncInPage({ thread, setting, sync }) {
  const { open } = await import('snaplight')
  const { openInWorker } = await import('snaplight/worker')
  const opener = thread === 'worker' ? (options) => openInWorker(undefined, { ...options, name: 'worker' }) : open
  return new Function(`return ${sync}`)()(opener, setting)
}

/** A page without a bundler, as the README has it. */
function page() {
  const imports = Object.fromEntries(['snaplight', 'snaplight/worker'].map((name) => [name, `/node_modules/snaplight/dist/${name.split('/').at(-1)}.js`]))
  return `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><script type="importmap">${JSON.stringify({ imports })}</script>`
}

function check(found, { root }) {
  assert.deepEqual(found, { root, accounts: ACCOUNTS, exists: false })
}

function npm(args, cwd) {
  return execFileSync('npm', args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
}
