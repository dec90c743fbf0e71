/**
 * Installs the package that npm would publish in a project of this folder, builds it or starts its
 * development server, and opens it in Chromium. Everything happens in a copy, in
 * target/toolchains.
 */

import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { after, before } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { launch } from '../../xtask/node/browser.mjs'
import { pack } from '../../xtask/node/pack.mjs'
import { GENESIS, startPeer } from '../../xtask/node/peers.mjs'
import { ROOT, serve } from '../../xtask/node/serve.mjs'

const run = promisify(execFile)
const HERE = fileURLToPath(new URL('.', import.meta.url))
const TARGET = join(process.env.SNAPLIGHT_TARGET ?? join(ROOT, 'target'), 'toolchains')
/** SvelteKit 3 and Nuxt 4 need Node 22, which need not be the one that runs this. */
const NODE = process.env.SNAPLIGHT_NODE ?? process.execPath
const ENVIRONMENT = {
  ...process.env, PATH: `${dirname(NODE)}:${process.env.PATH}`, NEXT_TELEMETRY_DISABLED: '1', NUXT_TELEMETRY_DISABLED: '1', NODE_ENV: '',
}
const QUIETLY = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
/** An account of mainnet's genesis state, which the peer serves. */
const ACCOUNT = '0x000d836201318ec6899a67540690382780743280'
/** A development server at a port and at no other. */
export const STRICTLY = (port) => ['--port', port, '--strictPort']
/** A busy machine takes many times as long as a quiet one. */
const READY_WITHIN_MS = 60_000
const MOST_OUTPUT = 64 * 1024 * 1024

/**
 * Sets a file of tests up: a browser, a peer, and the package as npm packs it.
 *
 * @returns {object} `proves` is the test of a project; the rest is for what is no page
 */
export function setUp() {
  const world = {}
  before(async () => {
    await mkdir(TARGET, { recursive: true })
    world.tarball = pack(TARGET).tarball
    world.peer = await startPeer(['--genesis', GENESIS])
    const { balance } = JSON.parse(await readFile(GENESIS, 'utf8'))[ACCOUNT]
    const { url, root, networkId, genesisHash } = world.peer
    world.wanted = { peer: url, root, account: ACCOUNT, network: { id: networkId, genesisHash } }
    world.truth = { balance: String(BigInt(balance)), chainId: `0x${networkId.toString(16)}` }
  })
  after(() => world.peer?.stop())

  /** The copy of a project, with all that it needs installed. `versions` replaces some of its own. */
  world.installed = async (project, versions = {}) => {
    const folder = join(TARGET, [project, ...Object.values(versions)].join('-'))
    // Whatever the last run has built or kept is of another package.
    const kept = (path) => path.endsWith('node_modules')
    await cp(join(HERE, project), folder, { recursive: true, filter: (path) => !kept(path) })
    await cp(join(HERE, 'wallet.js'), join(folder, 'wallet.js'))
    for (const made of ['dist', 'out', 'build', '.next', '.nuxt', '.output', '.svelte-kit', '.parcel-cache', '.wxt', 'node_modules/.vite', 'node_modules/.cache']) {
      await rm(join(folder, made), { recursive: true, force: true })
    }
    const text = await readFile(join(folder, 'package.json'), 'utf8')
    const manifest = JSON.parse(text)
    Object.assign(manifest.dependencies, versions)
    await writeFile(join(folder, 'package.json'), JSON.stringify(manifest))
    const isLocked = Object.keys(versions).length === 0 && (await readFile(join(HERE, project, 'package-lock.json')).catch(() => null))
    const stamp = `${JSON.stringify(manifest)}${isLocked || ''}`
    const stampFile = join(folder, 'node_modules/.installed')
    if ((await readFile(stampFile, 'utf8').catch(() => '')) !== stamp) {
      if (!isLocked) await rm(join(folder, 'package-lock.json'), { force: true })
      await npm(folder, isLocked ? 'ci' : 'install', ...QUIETLY)
      await mkdir(join(folder, 'node_modules'), { recursive: true })
      await writeFile(stampFile, stamp)
    }
    await npm(folder, 'install', '--no-save', ...QUIETLY, world.tarball)
    return folder
  }

  /**
   * Asserts that a page of the site at `url` reads what is true: synced from the peer, and again
   * without it. `where`: the places in which the page reads.
   */
  world.proves = async (context, url, where = ['here', 'worker']) => {
    const page = await context.newPage()
    const complaints = []
    page.on('pageerror', (error) => complaints.push(error.message))
    page.on('console', (message) => ['error', 'warning'].includes(message.type()) && complaints.push(`${message.text()} ${message.location().url}`))
    const { peer, ...stored } = world.wanted
    for (const wanted of [{ peer, ...stored }, stored]) {
      // The same page with another # would not be loaded again.
      await page.goto('about:blank')
      await page.goto(`${url}#${encodeURIComponent(JSON.stringify(wanted))}`)
      await page.waitForFunction(() => window.found, null, { timeout: READY_WITHIN_MS })
      const found = await page.evaluate(() => window.found.catch((error) => String(error)))
      assert.deepEqual(found, Object.fromEntries(where.map((place) => [place, world.truth])), complaints.join('\n'))
    }
    await page.close()
    return complaints
  }

  /** Opens what a project's `build` writes into its folder `site`, which is not the server's root. */
  world.builtProves = async (project, { site = 'dist', versions } = {}) => {
    const folder = await world.installed(project, versions)
    await build(folder)
    const server = await serve({ site: join(folder, site) })
    await inChromium({}, async (context) => {
      const complaints = await world.proves(context, `${server.origin}/`)
      assert.deepEqual(complaints, [])
    }).finally(() => server.close())
  }

  /** Opens the page of a project's development server. `options`: its words for a port. */
  world.developedProves = async (project, { options = (port) => ['--port', port], versions } = {}) => {
    const folder = await world.installed(project, versions)
    const port = await freePort()
    const server = await developing(folder, options(String(port)), () => answers(`http://localhost:${port}/`))
    await inChromium({}, (context) => world.proves(context, `http://localhost:${port}/`)).finally(server.stop)
  }

  /** Opens `page.html` of the extension in `folder`. */
  world.extensionProves = (folder, where) =>
    inChromium({ extension: folder }, async (context) => {
      const worker = context.serviceWorkers()[0] ?? (await context.waitForEvent('serviceworker'))
      await world.proves(context, new URL('/page.html', worker.url()).href, where)
    })
  return world
}

export async function build(folder) {
  await npm(folder, 'run', 'build', '--if-present')
}

async function npm(folder, ...words) {
  try {
    return await run('npm', words, { cwd: folder, env: ENVIRONMENT, maxBuffer: MOST_OUTPUT })
  } catch (error) {
    throw new Error(`npm ${words.join(' ')} failed in ${folder}:\n${error.stdout}\n${error.stderr}`)
  }
}

async function inChromium(options, use) {
  const browser = await launch(options)
  try {
    return await use(browser.context)
  } finally {
    await browser.close()
  }
}

/** Starts a project's development server. Resolves when it `isReady`, by its output or otherwise. */
export async function developing(folder, options, isReady) {
  // A group of its own, because npm's children do not end with it.
  const child = spawn('npm', ['run', 'dev', '--', ...options], { cwd: folder, env: ENVIRONMENT, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (output += data))
  const gone = new Promise((resolve) => child.once('close', resolve))
  const kill = () => process.kill(-child.pid, 'SIGKILL')
  process.once('exit', kill)
  const stop = async () => {
    process.off('exit', kill)
    if (child.exitCode === null) kill()
    await gone
  }
  const end = Date.now() + READY_WITHIN_MS
  while (!(await isReady(output))) {
    if (child.exitCode === null && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 100))
    else {
      await stop()
      throw new Error(`the development server in ${folder} was not ready in ${READY_WITHIN_MS / 1000} s:\n${output}`)
    }
  }
  return { stop }
}

async function answers(url) {
  return fetch(url).then(({ ok }) => ok, () => false)
}

async function freePort() {
  const server = createServer()
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address()
  await new Promise((resolve) => server.close(resolve))
  return port
}
