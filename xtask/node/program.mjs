/**
 * Programs as child processes that print a line of JSON when they are ready, and more such lines
 * later.
 */

import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

/** How much of a program's standard error is kept for an error message. */
const COMPLAINT = 4_000
/** How long a program may take to end. */
const ENDS_WITHIN_MS = 5_000

/**
 * Starts a program. Resolves at its first line. It ends with `stop()`, and in any case with this
 * process, because its standard input then closes: the programs of this repository are started with
 * `--exit-with-stdin`.
 *
 * @param {string} name the name in error messages
 * @param {string} file
 * @param {string[]} options
 * @param {number} readyWithinMs
 * @returns {Promise<{ready: object, pid: number, ask: (line: string) => Promise<object>, stop: () =>
 *   Promise<void>}>} `ask` writes a line to a program that answers each line with one of its own
 */
export async function startProgram(name, file, options, readyWithinMs) {
  const child = spawn(file, options, { stdio: ['pipe', 'pipe', 'pipe'] })
  let complaint = ''
  child.stderr.on('data', (data) => {
    complaint = (complaint + data).slice(-COMPLAINT)
  })
  // The program may have ended before it reads its input.
  child.stdin.on('error', () => {})
  const gone = new Promise((resolve) => child.once('close', (code, signal) => resolve(signal ?? code)))
  const stop = async () => {
    child.stdin.destroy()
    // A program that does not end must not keep a test run from ending.
    const insist = setTimeout(() => child.kill('SIGKILL'), ENDS_WITHIN_MS)
    await gone
    clearTimeout(insist)
  }

  /** The callers that wait for a line. */
  const waiting = []
  const ask = (line) => {
    child.stdin.write(`${line}\n`)
    return new Promise((resolve, reject) => waiting.push({ resolve, reject }))
  }
  gone.then((why) => waiting.forEach(({ reject }) => reject(new Error(`${name} ended with ${why}: ${complaint.trim()}`))))

  let timer
  const first = new Promise((resolve, reject) => {
    child.once('error', (error) => reject(new Error(`${file} could not be started: ${error.message}`)))
    child.once('exit', (code, signal) => {
      reject(new Error(`${name} ended with ${signal ?? code} before it was ready: ${complaint.trim()}`))
    })
    createInterface({ input: child.stdout }).on('line', (line) => {
      // The first line says that the program is ready. Later lines that nobody waits for are
      // ignored.
      const reader = waiting.shift() ?? { resolve, reject }
      try {
        reader.resolve(JSON.parse(line))
      } catch {
        reader.reject(new Error(`the lines of ${name} should be JSON, but one is: ${line}`))
      }
    })
    timer = setTimeout(() => reject(new Error(`${name} was not ready in ${readyWithinMs / 1000} s`)), readyWithinMs)
  })
  try {
    return { ready: await first, pid: child.pid, ask, stop }
  } catch (error) {
    child.stdin.destroy()
    child.kill()
    throw error
  } finally {
    clearTimeout(timer)
  }
}
