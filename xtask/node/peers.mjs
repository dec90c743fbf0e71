/** Native peers as child processes, on loopback. */

import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { join } from 'node:path'
import { ROOT } from './serve.mjs'

const PROGRAM = process.env.SNAPLIGHT_PEER ?? join(ROOT, 'target/release/snaplight-peer')

/** Mainnet's genesis state, written by `genesis.mjs`. */
export const GENESIS = process.env.SNAPLIGHT_GENESIS ?? join(ROOT, 'target/genesis/mainnet.json')

/** Generating four million accounts takes a while; no peer needs longer than this to say that it is ready. */
const READY_WITHIN_MS = 180_000

/**
 * Starts a peer and waits until it listens. It ends with `stop()`, and with this process whatever happens to it, because
 * its standard input then closes.
 *
 * @param {string[]} options e.g. `['--genesis', GENESIS]` or `['--accounts', '1000']`
 * @returns {Promise<{url: string, root: string, accounts: number, networkId: number, genesisHash: string, block: object,
 *   advance: (share?: number) => Promise<object>, stop: () => Promise<void>}>} `advance` (with `--chain`): makes a block that
 *   changes this share of everything, and answers what the peer says of it
 */
export async function startPeer(options) {
  const child = spawn(PROGRAM, [...options, '--listen', '127.0.0.1:0', '--exit-with-stdin'], {
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let complaint = ''
  child.stderr.on('data', (data) => {
    complaint = (complaint + data).slice(-4000)
  })
  const gone = new Promise((resolve) => child.once('close', resolve))
  const stop = async () => {
    child.stdin.destroy()
    // It has been told; one that hangs must not keep a test run from ending.
    const insist = setTimeout(() => child.kill('SIGKILL'), 5_000)
    await gone
    clearTimeout(insist)
  }

  /** Lines to come, by whoever waits for them. */
  const waiting = []
  const advance = (share = '') => {
    child.stdin.write(`block ${share}\n`)
    return new Promise((resolve, reject) => waiting.push({ resolve, reject }))
  }
  gone.then(() => waiting.forEach(({ reject }) => reject(new Error(`the peer is gone: ${complaint.trim()}`))))

  let timer
  const ready = new Promise((resolve, reject) => {
    child.once('error', (error) => reject(new Error(`${PROGRAM} could not be started: ${error.message}`)))
    child.once('exit', (code, signal) => {
      reject(new Error(`the peer ended with ${signal ?? code} before it was ready: ${complaint.trim()}`))
    })
    createInterface({ input: child.stdout }).on('line', (line) => {
      const reader = waiting.shift() ?? { resolve, reject }
      try {
        reader.resolve(JSON.parse(line))
      } catch {
        reader.reject(new Error(`the peer's lines should be JSON, but one is: ${line}`))
      }
    })
    timer = setTimeout(() => reject(new Error(`the peer was not ready in ${READY_WITHIN_MS / 1000} s`)), READY_WITHIN_MS)
  })
  try {
    return { ...(await ready), advance, stop }
  } catch (error) {
    child.stdin.destroy()
    child.kill()
    throw error
  } finally {
    clearTimeout(timer)
  }
}

/** Several peers with the same state, which they generate at the same time. */
export async function startPeers(count, options) {
  return Promise.all(Array.from({ length: count }, () => startPeer(options)))
}
