// Measures the hot path in WebAssembly, as a browser would run it:
// `node benches/run.mjs [--json FILE] [--without-mpt] [--geth GETHBENCH]`.
// It needs `npm ci` in xtask/node, for wasm-opt. Comparing with @ethereumjs/mpt needs `npm ci` in
// this folder. Comparing with go-ethereum needs the program that `go build ./cmd/gethbench` makes
// in gateway/; it gets the same answers.
//
// Contenders take turns in slices of a few milliseconds, many times. They are compared by the
// processor time of their undisturbed slices, which is the slowest of the fastest tenth. So neither
// other work on the machine nor a changing clock speed favours one of them, and the ratios are
// stable where absolute rates vary. The medians are printed beside them. If they differ much, the
// machine was busy.

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import { optimize } from '../xtask/node/optimize.mjs'
import { startProgram } from '../xtask/node/program.mjs'

/** Sizes of the answers to verify, in accounts. */
const SIZES = [1000, 5000]
/** How many accounts a slice verifies and how many branches it hashes, at least. */
const SLICE = { accounts: 10_000, branches: 4000 }
/** Slices per contender. */
const SLICES = 200
/** Slices that run before the counted ones. */
const WARM_UP = 20
/**
 * How many stack depths the slices take turns at. V8 does not align its frames for vectors. Where
 * the kernel's state crosses the processor's cache lines, it runs at half the rate, and with one
 * depth this would concern all slices of a process or none.
 */
const STACKS = 8
/** The ratios that must be reached. */
const BARS = { pairsToSha3: 3.5, cutToHashing: 0.6, verifyToMpt: 200, cutToGeth: 2.5 }
/** What go-ethereum does: it verifies, and makes the trie of what it verified, as its sync does. */
const GETH_WORK = { both: 'VerifyRangeProof + StackTrie', expanded: 'expanding bodies + VerifyRangeProof + StackTrie' }
const GETH_READY_WITHIN_MS = 30_000

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const jsonFile = option('--json')
const gethbench = option('--geth')

// Compiles everything for speed at once. V8 would otherwise do so after a while, and when depends
// on what else the machine does.
setFlagsFromString('--no-liftoff')
setFlagsFromString('--no-wasm-lazy-compilation')

const wasm = await load()
if (wasm.check() !== 1) throw new Error('the kernel computes wrong hashes')
const results = [...(await keccak()), ...(await ranges())]
console.table(results.map(({ name, rate, median, unit, ratio, medianRatio, bar }) => ({
  name,
  rate: `${Math.round(rate).toLocaleString('en')} ${unit}`,
  median: Math.round(median).toLocaleString('en'),
  ratio: ratio?.toFixed(2) ?? '',
  'of medians': medianRatio?.toFixed(2) ?? '',
  bar: bar ?? '',
  met: bar === undefined ? '' : ratio >= bar ? 'yes' : 'NO',
})))
if (jsonFile) writeFileSync(jsonFile, JSON.stringify({ node: process.version, results }, null, 2) + '\n')
process.exitCode = results.every(({ ratio, bar }) => bar === undefined || ratio >= bar) ? 0 : 1

async function load() {
  const args = ['build', '--release', '--quiet', '-p', 'snaplight-bench-wasm', '--target', 'wasm32-unknown-unknown']
  execFileSync('cargo', args, { cwd: root, stdio: 'inherit' })
  const metadata = JSON.parse(execFileSync('cargo', ['metadata', '--no-deps', '--format-version', '1'], { cwd: root }))
  const file = join(metadata.target_directory, 'wasm32-unknown-unknown/release/snaplight_bench_wasm.wasm')
  // wasm-opt makes it as the package is made.
  const optimized = `${file}.opt`
  optimize(file, optimized)
  const module = await WebAssembly.compile(readFileSync(optimized))
  const { exports } = await WebAssembly.instantiate(module, unused(WebAssembly.Module.imports(module)))
  return exports
}

/** The module imports what the crate's browser code needs, but nothing here calls it. */
function unused(imports) {
  const object = {}
  for (const { module, name } of imports) {
    object[module] ??= {}
    object[module][name] = () => {
      throw new Error(`the benchmark has no ${module}.${name}`)
    }
  }
  return object
}

async function keccak() {
  const hash = (contender) => here(() => contender(SLICE.branches))
  const [pairs, sha3] = await takeTurns([hash(wasm.pairs), hash(wasm.sha3)], 1)
  const figures = (times) => rates(SLICE.branches, 'hashes/s', times)
  return [
    { name: 'keccak_pair, 532-byte nodes', ...figures(pairs), ...timesAsFast(pairs, sha3), bar: BARS.pairsToSha3 },
    { name: 'sha3 0.12, 532-byte nodes', ...figures(sha3) },
  ]
}

async function ranges() {
  const geth = gethbench && (await startGeth())
  const rows = []
  for (const [at, size] of SIZES.entries()) {
    const nodes = wasm.prepare(size)
    const contenders = [wasm.verify_and_cut, wasm.verify, wasm.hash_only, wasm.hash_only_sha3].map(here)
    const [cut, verify, hashing, sha3] = await takeTurns(contenders, SLICE.accounts / size)
    const figures = (times) => rates(size, 'accounts/s', times)
    rows.push(
      { name: `verify and cut pages, ${size} accounts (${nodes} nodes)`, ...figures(cut), ...timesAsFast(cut, hashing), bar: BARS.cutToHashing },
      { name: 'verify only', ...figures(verify), ...timesAsFast(verify, hashing) },
      { name: 'hash the same nodes only', ...figures(hashing) },
      { name: 'hash the same nodes by sha3', ...figures(sha3), ...timesAsFast(sha3, hashing) },
    )
    if (geth) {
      // These take turns by themselves: a contender finds cold caches after another process has
      // run.
      const works = Object.keys(GETH_WORK)
      const [ours, ...theirs] = await takeTurns([contenders[0], ...works.map((what) => inGeth(geth, at, what))], SLICE.accounts / size)
      works.forEach((what, i) => {
        const bar = what === 'both' ? BARS.cutToGeth : undefined
        rows.push({ name: `verify and cut is so many times go-ethereum's ${GETH_WORK[what]}`, geth: what, ...figures(theirs[i]), ...timesAsFast(ours, theirs[i]), bar })
      })
    }
    if (!process.argv.includes('--without-mpt')) {
      const mpt = await verifyWithMpt()
      rows.push({ name: 'verify is so many times @ethereumjs/mpt', ...figures(mpt), ...timesAsFast(verify, mpt), bar: BARS.verifyToMpt })
    }
  }
  await geth?.stop()
  return rows
}

/** Starts go-ethereum in a process of its own, with the answers that the module makes. */
async function startGeth() {
  const folder = mkdtempSync(join(tmpdir(), 'snaplight-answers-'))
  try {
    const files = SIZES.map((size) => {
      wasm.prepare(size)
      const file = join(folder, String(size))
      writeFileSync(file, exported())
      return file
    })
    const geth = await startProgram('gethbench', gethbench, ['verify', ...files], GETH_READY_WITHIN_MS)
    if (geth.ready.accounts.join() !== SIZES.join()) throw new Error(`gethbench read answers of ${geth.ready.accounts.join()} accounts`)
    return geth
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/**
 * A slice in go-ethereum's process. Resolves to the processor time that it took, in milliseconds.
 */
function inGeth(geth, answer, what) {
  return async (runs) => (await geth.ask(JSON.stringify({ answer, runs, what }))).cpuMs
}

/** A slice in this process. Returns the processor time that it took, in milliseconds. */
function here(contender) {
  return (runs, depth) => {
    const start = processorTime()
    deeper(depth, () => {
      for (let run = 0; run < runs; run++) {
        if (contender() !== 1) throw new Error('a contender failed')
      }
    })
    return processorTime() - start
  }
}

/** What one run of each contender takes. They take turns, each for a slice of `runs` runs. */
async function takeTurns(contenders, runs) {
  const slices = contenders.map(() => [])
  for (let slice = -WARM_UP; slice < SLICES; slice++) {
    for (const [i, contender] of contenders.entries()) {
      const took = await contender(runs, Math.abs(slice) % STACKS)
      if (slice >= 0) slices[i].push(took / runs)
    }
  }
  return slices.map(summary)
}

/** Does the work with this many more frames on the stack. */
function deeper(frames, work, ...more) {
  return frames === 0 ? work() : deeper(frames - 1, work, ...more, frames)
}

/** How many milliseconds of processor time this process has used. */
function processorTime() {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

function summary(times) {
  const sorted = times.sort((a, b) => a - b)
  const at = (share) => sorted[Math.floor(sorted.length * share)]
  return { undisturbed: at(0.1), median: at(0.5) }
}

/** How much work is done per second. */
function rates(work, unit, { undisturbed, median }) {
  return { rate: work / (undisturbed / 1000), median: work / (median / 1000), unit }
}

/** How many times as fast as `other`. */
function timesAsFast(times, other) {
  return { ratio: other.undisturbed / times.undisturbed, medianRatio: other.median / times.median }
}

/** How many milliseconds @ethereumjs/mpt takes for the same answer. */
async function verifyWithMpt() {
  const { verifyMerkleRangeProof } = await import('@ethereumjs/mpt')
  const { accountBodyFromSlim, RLP } = await rlpTools()
  const { rootHash, origin, keys, bodies, proof } = readAnswer()
  const runs = []
  for (let run = -1; run < 3; run++) {
    const start = processorTime()
    // The trie contains the full body. Whoever syncs has to expand the slim one, so this counts.
    const values = bodies.map((slim) => RLP.encode(accountBodyFromSlim(RLP.decode(slim))))
    const more = await verifyMerkleRangeProof(rootHash, origin, keys.at(-1), keys, values, proof)
    if (more !== true) throw new Error('@ethereumjs/mpt did not verify the answer')
    if (run >= 0) runs.push(processorTime() - start)
  }
  return summary(runs)
}

async function rlpTools() {
  const { accountBodyFromSlim } = await import('@ethereumjs/util')
  const { RLP } = await import('@ethereumjs/rlp')
  return { accountBodyFromSlim, RLP }
}

/** The bytes of the answer that the module has prepared, see `answer` in wasm/src/lib.rs. */
function exported() {
  return new Uint8Array(wasm.memory.buffer, wasm.answer(), wasm.answer_len()).slice()
}

function readAnswer() {
  const bytes = exported()
  const view = new DataView(bytes.buffer)
  let at = 0
  const take = (length) => bytes.subarray(at, (at += length))
  const number = () => view.getUint32((at += 4) - 4, true)
  const rootHash = take(32)
  const origin = take(32)
  const keys = []
  const bodies = []
  for (let count = number(); count > 0; count--) {
    keys.push(take(32))
    bodies.push(take(number()))
  }
  const proof = []
  for (let count = number(); count > 0; count--) proof.push(take(number()))
  return { rootHash, origin, keys, bodies, proof }
}

/** The word after an option on the command line. */
function option(name) {
  const at = process.argv.indexOf(name)
  return at < 0 ? undefined : process.argv[at + 1]
}
