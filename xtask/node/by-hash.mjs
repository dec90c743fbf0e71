/**
 * Syncs by hash from go-ethereum 1.10.26 behind the gateway: compares what a tab then has with the
 * node, and measures.
 *
 * `node by-hash.mjs [--accounts=10000] [--keys=1000] [--measured=20000] [--only=proof|figures]
 * [--json=FILE]`
 */

import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { measure, printFigures, problemsOf } from './by-hash/figures.mjs'
import { printProof, prove } from './by-hash/proof.mjs'

const { values: options } = parseArgs({
  options: {
    accounts: { type: 'string', default: '10000' },
    keys: { type: 'string', default: '1000' },
    measured: { type: 'string', default: '20000' },
    only: { type: 'string' },
    json: { type: 'string' },
  },
})

const result = { date: new Date().toISOString(), options }
const problems = []
if (options.only !== 'figures') {
  result.proof = await prove(Number(options.accounts), Number(options.keys))
  printProof(result.proof)
  problems.push(...result.proof.flatMap(({ problems }) => problems))
}
if (options.only !== 'proof') {
  result.figures = await measure(Number(options.measured))
  printFigures(result.figures)
  problems.push(...problemsOf(result.figures))
}
if (options.json) writeFileSync(options.json, `${JSON.stringify(result, null, 2)}\n`)
for (const problem of problems) console.log(`  WRONG: ${problem}`)
console.log(problems.length === 0 ? '\nCOMPLETE: the tab has what the node has' : `\nWRONG: ${problems.length} things are wrong, see above`)
process.exitCode = problems.length === 0 ? 0 : 1
