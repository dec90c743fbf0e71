/**
 * Kills a headless browser at random moments of one sync while the root moves: Chromium, or Firefox
 * with `--backend=firefox`.
 *
 * `node kills.mjs [--backend=leveldb|sqlite|both|firefox] [--kills=20] [--accounts=200000] [--seed=1]
 * [--full-speed] [--json=FILE]`
 */

import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { BACKENDS, CHROMIUMS, campaign } from './kills/campaign.mjs'
import { bars, headline, line, summary } from './kills/table.mjs'

/** Two peers at this many bytes per second each take well over a minute for 200,000 accounts. */
const THROTTLE = 120_000
const LIVES_MS = [100, 8_000]
/** At full speed a sync takes a few seconds. */
const FAST_LIVES_MS = [100, 2_500]
const BLOCK_MS = 8_000
const SHARE = 0.001
const SAMPLE = 1_000

const { values: options } = parseArgs({
  options: {
    backend: { type: 'string', default: 'both' },
    kills: { type: 'string', default: '20' },
    accounts: { type: 'string', default: '200000' },
    seed: { type: 'string', default: '1' },
    'full-speed': { type: 'boolean', default: false },
    json: { type: 'string' },
  },
})
const backends = options.backend === 'both' ? CHROMIUMS : [options.backend]
if (backends.some((backend) => !(backend in BACKENDS))) throw new Error(`--backend must be leveldb, sqlite, both or firefox, not "${options.backend}"`)

const results = {}
for (const backend of backends) {
  const plan = {
    backend, kills: Number(options.kills), accounts: Number(options.accounts), seed: Number(options.seed), blockMs: BLOCK_MS, share: SHARE, sample: SAMPLE,
    throttle: options['full-speed'] ? undefined : THROTTLE,
    lives: options['full-speed'] ? FAST_LIVES_MS : LIVES_MS,
  }
  console.log(headline(plan))
  const result = await campaign(plan, (life) => console.log(line(life)))
  result.problems.push(...bars(plan, result))
  console.log(summary(plan, result))
  for (const problem of result.problems) console.log(`  WRONG: ${problem}`)
  results[backend] = { plan, ...result }
}
const problems = Object.values(results).flatMap(({ problems }) => problems)
if (options.json) writeFileSync(options.json, `${JSON.stringify(results, null, 2)}\n`)
console.log(problems.length === 0 ? '\nCOMPLETE: every kill was survived' : `\nWRONG: ${problems.length} things are wrong, see above`)
process.exitCode = problems.length === 0 ? 0 : 1
