/**
 * Tests how the benchmarks count a browser's processor time. Here the processes are Node's, with a
 * browser's arguments.
 */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { after, test } from 'node:test'
import { KNOWS_CPU, between, watchCpu } from '../../xtask/node/bench/cpu.mjs'

const skip = KNOWS_CPU ? false : 'this system has no /proc'
/** Processor seconds that a process uses before it reports. */
const BURNT = 0.3
/** Linux rounds user and system time down to a hundredth of a second each. */
const ROUNDED = 0.02

/**
 * A program that starts children with a browser's arguments. Each line of its input is one command.
 * `start MARK` starts a child, which uses BURNT seconds of the processor and waits. `end` ends the
 * last child and collects it. `whole MARK` does both. It answers each command with a line.
 */
const KEEPER = `
  const { spawn } = require('node:child_process')
  const burn = \`
    const used = () => { const { user, system } = process.cpuUsage(); return user + system }
    while (used() < ${BURNT * 1e6});
    console.log('burnt')
    process.stdin.resume()
  \`
  let child
  const start = (mark) => new Promise((resolve) => {
    child = spawn(process.execPath, ['-e', burn, '--', ...mark], { stdio: ['pipe', 'pipe', 'inherit'] })
    child.stdout.once('data', resolve)
  })
  const end = () => new Promise((resolve) => {
    child.once('close', resolve)
    child.stdin.end()
  })
  require('node:readline').createInterface({ input: process.stdin }).on('line', async (line) => {
    const [deed, ...mark] = line.split(' ')
    if (deed !== 'end') await start(mark)
    if (deed !== 'start') await end()
    console.log(line)
  })
`

const keepers = []
after(() => keepers.forEach((keeper) => keeper.stdin.end()))

/** Starts one under a mark of its own. */
function keeper(name) {
  const mark = `--user-data-dir=/nowhere/${process.pid}/${name}`
  const child = spawn(process.execPath, ['-e', KEEPER, '--', mark], { stdio: ['pipe', 'pipe', 'inherit'] })
  keepers.push(child)
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const does = async (line) => {
    child.stdin.write(`${line}\n`)
    assert.equal((await answers.next()).value, line)
  }
  return { mark, does }
}

const NETWORK = '--type=utility --utility-sub-type=network.mojom.NetworkService'

test('the time of a process is counted as its kind, also after it has ended', { skip }, async () => {
  const { mark, does } = keeper('kinds')
  const cpu = watchCpu(mark)
  const before = cpu.look()
  await does('start --type=renderer')
  const busy = between(before, cpu.look())
  assert.ok(busy.renderer >= BURNT - ROUNDED, `${busy.renderer} s of a renderer`)
  assert.equal(busy.network, 0)
  await does('end')
  await does(`start ${NETWORK}`)
  const later = between(before, cpu.look())
  assert.equal(later.renderer, busy.renderer, 'it keeps the time of the last reading')
  assert.ok(later.network >= BURNT - ROUNDED, `${later.network} s of the network's process`)
  assert.ok(Math.abs(later.renderer + later.network + later.browser + later.others + later.storage - later.all) < 1e-9)
  await does('end')
})

test('a process that began and ended between two readings is counted once', { skip }, async () => {
  const { mark, does } = keeper('unseen')
  const cpu = watchCpu(mark)
  const before = cpu.look()
  await does('whole --type=renderer')
  const unseen = between(before, cpu.look())
  assert.equal(unseen.renderer, 0, 'its kind was not seen')
  assert.ok(unseen.others >= BURNT - ROUNDED, `${unseen.others} s of others`)
  const again = between(before, cpu.look())
  assert.equal(again.others, unseen.others)
})

test('processes that were started elsewhere are not counted', { skip }, () => {
  assert.throws(() => watchCpu('--user-data-dir=/nowhere/at/all'), /no process that was started here/)
})
