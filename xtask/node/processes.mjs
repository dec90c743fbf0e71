/** Waits for, finds and ends the processes that this one has started. */

import { execFile } from 'node:child_process'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'

const run = promisify(execFile)
/** How long a killed process may still be listed. The system cleans up behind it quickly. */
const GONE_WITHIN_MS = 10_000
/** A busy machine takes many times as long as a quiet one. */
const STARTED_WITHIN_MS = 60_000
/** How much of its standard error is kept for an error message. */
const LONGEST_COMPLAINT = 4_000

/**
 * What a browser that has just been started writes to its standard error: the first group of the
 * first line that matches. Rejects if the browser ends before.
 *
 * @param {import('node:child_process').ChildProcess} child
 * @param {string} program its name in an error
 * @param {RegExp} pattern
 * @returns {Promise<string>}
 */
export function announced(child, program, pattern) {
  return new Promise((resolve, reject) => {
    let complaint = ''
    const fail = (how) => reject(new Error(`${program} ${how}: ${complaint}`))
    const timer = setTimeout(() => fail(`was not ready in ${STARTED_WITHIN_MS / 1000} s`), STARTED_WITHIN_MS)
    child.once('error', reject)
    child.once('exit', (code) => fail(`ended with ${code}`))
    createInterface({ input: child.stderr }).on('line', (line) => {
      complaint = `${complaint}${line}\n`.slice(-LONGEST_COMPLAINT)
      const [, found] = pattern.exec(line) ?? []
      if (!found) return
      clearTimeout(timer)
      resolve(found)
    })
  })
}

/**
 * Kills the child of this process whose command line contains `mark`, and all processes below it,
 * without telling any of them. Resolves when they are gone. It never looks at processes that this
 * process did not start.
 *
 * @param {string} mark
 * @returns {Promise<number>} how many processes it killed
 */
export async function killTree(mark) {
  const all = await processes()
  const tree = withAllBelow(all.filter(({ parent, line }) => parent === process.pid && line.includes(mark)), all)
  if (tree.length === 0) throw new Error(`no process that was started here has ${mark} in its command line, so none was killed`)
  for (const { id } of tree) signal(id)
  const ids = new Set(tree.map(({ id }) => id))
  const end = Date.now() + GONE_WITHIN_MS
  // A zombie has ended. Its parent may take a while to collect it.
  while ((await processes()).some(({ id, state }) => ids.has(id) && !state.startsWith('Z'))) {
    if (Date.now() > end) throw new Error(`processes of ${mark} are still there ${GONE_WITHIN_MS / 1000} s after they were killed`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return tree.length
}

/**
 * Some processes and everything below them, each once.
 *
 * @template {{id: number, parent: number}} P
 * @param {P[]} some processes of `all`
 * @param {P[]} all
 * @returns {P[]}
 */
export function withAllBelow(some, all) {
  // The list grows while the loop goes through it.
  const tree = new Set(some)
  for (const { id } of tree) for (const one of all) if (one.parent === id) tree.add(one)
  return [...tree]
}

function signal(id) {
  try {
    process.kill(id, 'SIGKILL')
  } catch (error) {
    // It may have ended with its parent.
    if (error.code !== 'ESRCH') throw error
  }
}

async function processes() {
  const { stdout } = await run('ps', ['-A', '-ww', '-o', 'pid=,ppid=,state=,args='], { maxBuffer: 64 * 1024 * 1024 })
  return stdout.trim().split('\n').map((text) => {
    const [, id, parent, state, line] = /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(.*)$/.exec(text) ?? []
    return { id: Number(id), parent: Number(parent), state: state ?? '', line: line ?? '' }
  })
}
