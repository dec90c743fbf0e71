/**
 * Two figures of sets from providers, in headless Chromium:
 *
 * - the first proven balance from nothing: from the navigation, with a provider on loopback;
 * - the recorded answer of a mainnet node (USDC, three slots): from the answer as JavaScript has it
 *   to the proven values, by the kernel (`benches/wasm`) and by `@ethereumjs/mpt`, in the same page;
 *   and how long a set takes from the answer until it is held.
 *
 * `node bench/providers.mjs [--runs=5] [--json=FILE]`. The recorded answer is read from
 * `../shared/data`, and the second figure is left out where that folder is not there.
 */

import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { launch } from '../browser.mjs'
import { optimize } from '../optimize.mjs'
import { Chain, addressOf, startProvider } from '../provider.mjs'
import { ROOT, serve } from '../serve.mjs'
import { median, row, spread, title } from './tables.mjs'

const BARS = { first: '400 or less', times: '10 or more' }
const PROOFS = join(ROOT, '../shared/data/mainnet-proofs/proofs.json')
const MODULES = join(import.meta.dirname, '../node_modules')
/** Both contenders run so often in turns, after as many runs that are not counted. */
const TURNS = 40
/** Answers in a turn. */
const REPEATS = 10

const { values: options } = parseArgs({ options: { runs: { type: 'string', default: '5' }, json: { type: 'string' } } })
const server = await serve()
const result = { first: await firstBalances(Number(options.runs)), verifying: existsSync(PROOFS) ? await verifying(Number(options.runs)) : null }
await server.close()

title('sets from providers')
const { first, verifying: against } = result
row('first proven balance from nothing, provider on loopback, from the navigation (ms)', `${spread(first.map(({ total }) => total))}`, BARS.first)
row('  of that, until the script runs, and until the package is loaded (ms)', ['script', 'loaded'].map((at) => spread(first.map((times) => times[at]))).join(', '))
row('  until the database is open (ms)', spread(first.map(({ opened }) => opened)))
row('  from there to the balance (ms)', spread(first.map(({ total, opened }) => total - opened)))
if (against) {
  row('a recorded mainnet answer (USDC, three slots), the kernel, the first in a page, and many (ms)', `${spread(against.firstKernel)}, ${spread(against.kernel)}`)
  row('  @ethereumjs/mpt, the first in a page, and many (ms)', `${spread(against.firstMpt)}, ${spread(against.mpt)}`)
  row('  @ethereumjs/mpt / the kernel, the first', (median(against.firstMpt) / median(against.firstKernel)).toFixed(1), BARS.times)
  row('  @ethereumjs/mpt / the kernel, many', (median(against.mpt) / median(against.kernel)).toFixed(1), BARS.times)
  row('  the same by the quickest of each', (Math.min(...against.mpt) / Math.min(...against.kernel)).toFixed(1))
  row('  a set: from the answer until it is held, in memory (ms)', spread(against.held))
  row('  a set: the module’s computing in a whole sync (ms)', spread(against.computing))
}
if (options.json) writeFileSync(options.json, `${JSON.stringify(result, null, 2)}\n`)

/** Each time in a browser of its own, which has nothing in its caches. */
async function firstBalances(runs) {
  const chain = await Chain.generate({ accounts: 1_000 })
  const provider = await startProvider(chain)
  const wanted = { network: { id: chain.chainId, genesisHash: chain.genesisHash }, url: provider.http, blockHash: chain.head.hash, address: addressOf(7) }
  const found = []
  try {
    for (let run = 0; run < runs; run++) {
      const browser = await launch()
      const page = await browser.context.newPage()
      // The page comes from a server: Chromium lets one that comes from nowhere into no local network.
      await page.addInitScript(firstBalance, wanted)
      await page.goto(`${server.origin}/blank`)
      const figures = await page.waitForFunction(() => window.figures)
      const { balance, error, ...times } = await figures.jsonValue()
      if (error || BigInt(balance) !== chain.truth(wanted.address, [], chain.head).account.balance) throw new Error(error ?? `a wrong balance: ${balance}`)
      found.push(times)
      await browser.close()
    }
  } finally {
    await provider.close()
  }
  return found
}

/** Runs in the page, as soon as its document is there. Times are since the navigation. */
async function firstBalance({ network, url, blockHash, address }) {
  // The init script also runs in the empty page that is there before the navigation.
  if (location.protocol !== 'http:') return
  try {
    const script = performance.now()
    const { open } = await import('/pkg/snaplight.js')
    const loaded = performance.now()
    const db = await open({ network, hold: 'set' })
    const opened = performance.now()
    db.addPeer(url, { by: 'rpc' })
    const tracked = db.track([address])
    await db.sync({ blockHash })
    await tracked
    const { balance } = await db.getAccount(address)
    window.figures = { script, loaded, opened, total: performance.now(), balance: String(balance) }
  } catch (error) {
    window.figures = { error: String(error?.message ?? error) }
  }
}

/** In one page: the first answer of each contender, and then many in turns. Several pages. */
async function verifying(pages) {
  const recorded = JSON.parse(readFileSync(PROOFS, 'utf8')).find(({ answer }) => answer.storageProof.length === 3)
  const kernel = kernelModule()
  const found = []
  for (let at = 0; at < pages; at++) found.push(await inOnePage(recorded, kernel))
  return Object.fromEntries(Object.keys(found[0]).map((name) => [name, found.flatMap((figures) => figures[name])]))
}

async function inOnePage(recorded, kernel) {
  const browser = await launch()
  const page = await browser.context.newPage()
  await page.route('**/both', (route) => route.fulfill({ contentType: 'text/html', body: bothPage() }))
  await page.route('**/npm/**', (route) => route.fulfill(moduleAt(new URL(route.request().url()).pathname)))
  await page.route('**/kernel.wasm', (route) => route.fulfill({ contentType: 'application/wasm', body: readFileSync(kernel) }))
  await page.route('**/tools/**', (route) => route.fulfill(script(join(import.meta.dirname, '..', new URL(route.request().url()).pathname.slice('/tools/'.length)))))
  await page.goto(`${server.origin}/both`)
  const figures = await page.evaluate(turns, { recorded, runs: TURNS, repeats: REPEATS })
  await browser.close()
  return figures
}

/** Runs in the page: the contenders in turns, and each time a set that is held. */
async function turns({ recorded: { answer, stateRoot }, runs, repeats }) {
  const { open } = await import('snaplight')
  const { provenBy } = await import('/tools/provider/eip1186.mjs')
  const verify = await kernel()
  const slots = answer.storageProof.map(({ key }) => `0x${BigInt(key).toString(16).padStart(64, '0')}`)
  const values = answer.storageProof.map(({ value }) => BigInt(value))
  const check = (found) => {
    if (!found.every((value, at) => value === values[at])) throw new Error(`wrong values: ${found}`)
  }
  const timed = async (contender, times = repeats) => {
    const started = performance.now()
    // Several in a row: a page's clock has steps of a tenth of a millisecond.
    for (let repeat = 0; repeat < times; repeat++) check(await contender())
    return (performance.now() - started) / times
  }
  const byMpt = async () => (await provenBy(answer, stateRoot)).slots
  const figures = { firstKernel: [await timed(verify, 1)], firstMpt: [await timed(byMpt, 1)], kernel: [], mpt: [], held: [], computing: [] }
  for (let run = -runs; run < runs; run++) {
    const kernelMs = await timed(verify)
    const mptMs = await timed(byMpt)
    const { heldMs, computingMs } = await held()
    if (run < 0) continue
    figures.kernel.push(kernelMs)
    figures.mpt.push(mptMs)
    figures.held.push(heldMs)
    figures.computing.push(computingMs)
  }
  return figures

  /** Verifies the answer by the kernel: its strings cross as one text. */
  async function kernel() {
    const bytes = await (await fetch('/kernel.wasm')).arrayBuffer()
    const module = await WebAssembly.compile(bytes)
    const imports = {}
    for (const { module: from, name } of WebAssembly.Module.imports(module)) (imports[from] ??= {})[name] = () => { throw new Error(name) }
    const { exports: wasm } = await WebAssembly.instantiate(module, imports)
    const encoder = new TextEncoder()
    return () => {
      const { address, accountProof, storageProof } = answer
      const text = [stateRoot, address, ...slots, ...accountProof, ...storageProof.flatMap(({ proof }) => proof)].join('\n')
      const place = wasm.proof_text(text.length)
      encoder.encodeInto(text, new Uint8Array(wasm.memory.buffer, place, text.length))
      if (wasm.verify_proof(slots.length) === 0) throw new Error('the kernel proves nothing')
      const view = new DataView(wasm.memory.buffer, wasm.proof_values(), 32 * slots.length)
      return slots.map((_, slot) => [0, 8, 16, 24].reduce((value, at) => (value << 64n) | view.getBigUint64(32 * slot + at), 0n))
    }
  }

  async function held() {
    let answered
    const provider = {
      async request({ method }) {
        if (method === 'eth_chainId') return '0x1'
        if (method !== 'eth_getProof') throw Object.assign(new Error('no'), { code: -32601 })
        answered = performance.now()
        return answer
      },
    }
    const db = await open({ network: { id: 1, genesisHash: `0x${'d4'.repeat(32)}` }, memory: true, hold: 'set' })
    db.addPeer(provider, { by: 'rpc' })
    const tracked = db.track([{ address: answer.address, slots }])
    const { hashingMs } = await db.sync(stateRoot)
    await tracked
    const heldMs = performance.now() - answered
    check((await db.getStorage(answer.address, slots)).map(({ value }) => value))
    await db.close()
    return { heldMs, computingMs: hashingMs }
  }
}

/** The kernel's module, made as the package's is. */
function kernelModule() {
  execFileSync('cargo', ['build', '--release', '--quiet', '-p', 'snaplight-bench-wasm', '--target', 'wasm32-unknown-unknown'], { cwd: ROOT, stdio: 'inherit' })
  const metadata = JSON.parse(execFileSync('cargo', ['metadata', '--no-deps', '--format-version', '1'], { cwd: ROOT }))
  const file = join(metadata.target_directory, 'wasm32-unknown-unknown/release/snaplight_bench_wasm.wasm')
  optimize(file, `${file}.opt`)
  return `${file}.opt`
}

function bothPage() {
  const imports = { snaplight: '/pkg/snaplight.js', debug: '/npm/debug', 'lru-cache': '/npm/lru-cache/dist/esm/index.js' }
  for (const name of ['mpt', 'rlp', 'util']) imports[`@ethereumjs/${name}`] = `/npm/@ethereumjs/${name}/dist/esm/index.js`
  for (const name of ['hashes', 'curves']) imports[`@noble/${name}/`] = `/npm/@noble/${name}/`
  return `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><script type="importmap">${JSON.stringify({ imports })}</script>`
}

/** A file of an npm package. `debug` is no module, and does nothing here. */
function moduleAt(path) {
  if (path === '/npm/debug') return { contentType: 'text/javascript', body: 'export default () => Object.assign(() => {}, { enabled: false })' }
  return script(join(MODULES, path.slice('/npm/'.length)))
}

function script(file) {
  const path = extname(file) ? file : `${file}.js`
  return existsSync(path) ? { contentType: 'text/javascript', body: readFileSync(path, 'utf8') } : { status: 404, body: '' }
}
