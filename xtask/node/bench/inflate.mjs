/**
 * What a small frame that inflates to a large one costs a browser, before Snaplight sees it:
 * `node xtask/node/bench/inflate.mjs`. Permessage-deflate (RFC 7692) is the browser's own: a page
 * can neither refuse it nor bound what it inflates to. The frames come as an ArrayBuffer or as a
 * Blob; the page looks at the size, closes the socket, and keeps nothing.
 *
 * The browser runs by itself and not under playwright, whose protocol copies each frame through the
 * browser's process.
 */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { constants, deflateRawSync } from 'node:zlib'
import { WebSocketServer } from 'ws'
import { killTree } from '../processes.mjs'

const PROGRAM = process.env.SNAPLIGHT_CHROMIUM ?? '/usr/bin/chromium'
const MIB = 1024 * 1024
/** Each is one frame of zeros, inflated. */
const SIZES = [9 * MIB, 64 * MIB, 1000 * MIB]
const SAMPLE_MS = 20
/** Until a process has given back what it will. */
const SETTLE_MS = 4_000
/** How long a page may take to say what it saw. */
const PATIENCE_MS = 60_000
const KINDS = ['browser', 'renderer', 'network']

/** A frame of RFC 6455 whose payload is compressed. */
function compressedFrame(bytes) {
  const flushed = deflateRawSync(Buffer.alloc(bytes), { level: 9, finishFlush: constants.Z_SYNC_FLUSH })
  // RFC 7692, 7.2.1: without the four bytes of the flush.
  const payload = flushed.subarray(0, -4)
  const isLong = payload.length > 0xffff
  const header = Buffer.alloc(isLong ? 10 : 4)
  // The last fragment, compressed, binary.
  header[0] = 0x80 | 0x40 | 0x02
  header[1] = isLong ? 127 : 126
  if (isLong) header.writeBigUInt64BE(BigInt(payload.length), 2)
  else header.writeUInt16BE(payload.length, 2)
  return Buffer.concat([header, payload])
}

/** Resident mebibytes of the browser's processes, by what they are. */
function resident(profile) {
  const all = new Map()
  for (const id of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const line = readFileSync(`/proc/${id}/cmdline`, 'latin1').replaceAll('\0', ' ')
      const status = readFileSync(`/proc/${id}/status`, 'latin1')
      const [, parent] = /PPid:\s+(\d+)/.exec(status) ?? []
      const [, kibibytes] = /VmRSS:\s+(\d+)/.exec(status) ?? []
      all.set(id, { line, parent, mebibytes: Number(kibibytes ?? 0) / 1024 })
    } catch {
      // It has ended.
    }
  }
  const own = new Set([...all.keys()].filter((id) => all.get(id).line.includes(`--user-data-dir=${profile}`)))
  for (const id of own) for (const [child, { parent }] of all) if (parent === id) own.add(child)
  const kinds = Object.fromEntries(KINDS.map((kind) => [kind, 0]))
  for (const id of own) {
    const { line, mebibytes } = all.get(id)
    const kind = line.includes('network.mojom') ? 'network' : (/--type=(\S+)/.exec(line)?.[1] ?? 'browser')
    if (kind in kinds) kinds[kind] += mebibytes
  }
  return kinds
}

/** Runs in the page: what it sees of the one frame, told to the server. */
function look(binaryType) {
  const tell = (seen) => fetch('/seen', { method: 'POST', body: JSON.stringify(seen) })
  // Until the browser has settled.
  setTimeout(() => {
    const started = performance.now()
    const socket = new WebSocket(`ws://${location.host}`)
    socket.binaryType = binaryType
    const ms = () => Math.round(performance.now() - started)
    socket.onmessage = ({ data }) => {
      socket.onclose = null
      socket.close()
      tell({ bytes: data.size ?? data.byteLength, ms: ms() })
    }
    socket.onclose = ({ code }) => tell({ code, ms: ms() })
  }, 2_000)
}

async function measure(binaryType, bytes) {
  const frame = compressedFrame(bytes)
  let before
  let seen
  const told = new Promise((resolve) => {
    seen = resolve
  })
  const http = createServer((request, answer) => {
    if (request.url !== '/seen') return answer.setHeader('content-type', 'text/html').end(`<title>looks</title><script>(${look})('${binaryType}')</script>`)
    request.on('data', (text) => seen(JSON.parse(text))).on('end', () => answer.end())
  })
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  const profile = mkdtempSync(join(tmpdir(), 'snaplight-profile-'))
  const sockets = new WebSocketServer({ server: http, perMessageDeflate: true })
  sockets.on('connection', (socket) => {
    before = resident(profile)
    socket._socket.write(frame)
  })
  const root = process.getuid?.() === 0 ? ['--no-sandbox'] : []
  spawn(PROGRAM, ['--headless', ...root, '--no-first-run', '--disable-gpu', `--user-data-dir=${profile}`, `http://127.0.0.1:${http.address().port}/`], { stdio: 'ignore' })
  const peak = Object.fromEntries(KINDS.map((kind) => [kind, 0]))
  const sample = setInterval(() => {
    const now = resident(profile)
    for (const kind of KINDS) peak[kind] = Math.max(peak[kind], now[kind])
  }, SAMPLE_MS)
  try {
    const outcome = await Promise.race([told, new Promise((resolve) => setTimeout(resolve, PATIENCE_MS, 'nothing'))])
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS))
    const after = resident(profile)
    const grown = (now) => KINDS.map((kind) => `${kind} ${Math.round(now[kind] - (before?.[kind] ?? 0))}`).join(', ')
    console.log(`${binaryType}, ${frame.length} bytes that inflate to ${bytes / MIB} MiB: the page saw ${JSON.stringify(outcome)}`)
    console.log(`  MiB that processes grew: at most ${grown(peak)}; ${SETTLE_MS / 1000} s later ${grown(after)}`)
  } finally {
    clearInterval(sample)
    await killTree(`--user-data-dir=${profile}`)
    sockets.close()
    http.closeAllConnections()
    http.close()
    rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 })
  }
}

for (const bytes of SIZES) for (const binaryType of ['arraybuffer', 'blob']) await measure(binaryType, bytes)
