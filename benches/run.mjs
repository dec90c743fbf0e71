// Measures the hot path in WebAssembly, as a browser would run it: `node benches/run.mjs [--json FILE] [--without-mpt]`.
// It takes an `npm ci` in xtask/node first, for wasm-opt, and comparing with @ethereumjs/mpt one in this folder.
//
// Contenders take turns within one process and are compared by the medians of their runs: what the machine does besides
// then meets all of them alike, and the ratios hold where absolute rates drift.

import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { optimize } from '../xtask/node/optimize.mjs'

/** Answers to verify, in accounts. */
const SIZES = [1000, 5000]
/** Runs per contender; the median is taken. */
const RUNS = 41
/** Runs before that count: the engine compiles a module's functions for speed only after it has seen them busy. */
const WARM_UP = 20
/** Branches hashed per run, enough for a run to last several milliseconds. */
const BRANCHES = 4000
/** What must hold, as ratios. */
const BARS = { pairsToSha3: 3.5, cutToHashing: 0.6, verifyToMpt: 200 }

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const jsonFile = process.argv.includes('--json') ? process.argv[process.argv.indexOf('--json') + 1] : undefined

const wasm = await load()
if (wasm.check() !== 1) throw new Error('the kernel hashes wrong')
const results = [...keccak(), ...(await ranges())]
console.table(results.map(({ name, rate, unit, ratio, bar }) => ({
  name,
  rate: `${Math.round(rate).toLocaleString('en')} ${unit}`,
  ratio: ratio === undefined ? '' : ratio.toFixed(2),
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
  // As the package is made.
  const optimized = `${file}.opt`
  optimize(file, optimized)
  const module = await WebAssembly.compile(readFileSync(optimized))
  const { exports } = await WebAssembly.instantiate(module, unused(WebAssembly.Module.imports(module)))
  return exports
}

/** The crate's browser room is linked too and wants its imports, but nothing here calls into it. */
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

function keccak() {
  const [pairs, sha3] = medians([() => wasm.pairs(BRANCHES), () => wasm.sha3(BRANCHES)])
  const rate = (ms) => BRANCHES / (ms / 1000)
  return [
    { name: 'keccak_pair, 532-byte nodes', rate: rate(pairs), unit: 'hashes/s', ratio: sha3 / pairs, bar: BARS.pairsToSha3 },
    { name: 'sha3 0.12, 532-byte nodes', rate: rate(sha3), unit: 'hashes/s' },
  ]
}

async function ranges() {
  const rows = []
  for (const size of SIZES) {
    const nodes = wasm.prepare(size)
    const [cut, verify, hashing, sha3] = medians([wasm.verify_and_cut, wasm.verify, wasm.hash_only, wasm.hash_only_sha3])
    const rate = (ms) => size / (ms / 1000)
    rows.push(
      { name: `verify and cut pages, ${size} accounts (${nodes} nodes)`, rate: rate(cut), unit: 'accounts/s', ratio: hashing / cut, bar: BARS.cutToHashing },
      { name: `verify only`, rate: rate(verify), unit: 'accounts/s', ratio: hashing / verify },
      { name: `hash the same nodes only`, rate: rate(hashing), unit: 'accounts/s' },
      { name: `hash the same nodes by sha3`, rate: rate(sha3), unit: 'accounts/s', ratio: hashing / sha3 },
    )
    if (!process.argv.includes('--without-mpt')) {
      const mpt = await verifyWithMpt()
      rows.push({ name: `verify is so many times @ethereumjs/mpt`, rate: rate(mpt), unit: 'accounts/s', ratio: mpt / verify, bar: BARS.verifyToMpt })
    }
  }
  return rows
}

/** The median of each contender's runs in milliseconds; they take turns. */
function medians(contenders) {
  const runs = contenders.map(() => [])
  for (let run = -WARM_UP; run < RUNS; run++) {
    contenders.forEach((contender, i) => {
      const start = performance.now()
      if (contender() !== 1) throw new Error('a contender failed')
      if (run >= 0) runs[i].push(performance.now() - start)
    })
  }
  return runs.map(median)
}

function median(values) {
  return values.sort((a, b) => a - b)[values.length >> 1]
}

/** Milliseconds that @ethereumjs/mpt takes for the same answer. */
async function verifyWithMpt() {
  const { verifyMerkleRangeProof } = await import('@ethereumjs/mpt')
  const { accountBodyFromSlim, RLP } = await rlpTools()
  const { rootHash, origin, keys, bodies, proof } = readAnswer()
  const runs = []
  for (let run = -1; run < 3; run++) {
    const start = performance.now()
    // The full body is what the trie holds; whoever syncs has to expand it, so it counts.
    const values = bodies.map((slim) => RLP.encode(accountBodyFromSlim(RLP.decode(slim))))
    const more = await verifyMerkleRangeProof(rootHash, origin, keys.at(-1), keys, values, proof)
    if (more !== true) throw new Error('@ethereumjs/mpt did not verify the answer')
    if (run >= 0) runs.push(performance.now() - start)
  }
  return median(runs)
}

async function rlpTools() {
  const { accountBodyFromSlim } = await import('@ethereumjs/util')
  const { RLP } = await import('@ethereumjs/rlp')
  return { accountBodyFromSlim, RLP }
}

/** The answer that the module has prepared; see `answer` in wasm/src/lib.rs. */
function readAnswer() {
  const bytes = new Uint8Array(wasm.memory.buffer, wasm.answer(), wasm.answer_len()).slice()
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
