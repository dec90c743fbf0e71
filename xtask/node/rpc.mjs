/**
 * JSON-RPC over a WebSocket, written by hand: Node 20 has no WebSocket client, and the demo needs
 * no npm package for this.
 */

import { randomBytes } from 'node:crypto'
import { request } from 'node:http'

const TEXT = 1
const CLOSE = 8
const PING = 9
const PONG = 10

/**
 * @param {string} url a node on loopback, `ws://...`
 * @returns {Promise<{call: (method: string, params: unknown[]) => Promise<any>, close: () =>
 *   void}>}
 */
export async function connectRpc(url) {
  const socket = await upgraded(url)
  const calls = new Map()
  let next = 1
  let message = []
  const fail = (error) => {
    for (const { reject } of calls.values()) reject(error)
    calls.clear()
  }
  socket.on('error', fail)
  socket.on('close', () => fail(new Error(`${url} closed the connection`)))
  readFrames(socket, (opcode, last, payload) => {
    if (opcode === PING) return send(socket, PONG, payload)
    if (opcode === CLOSE) return socket.end()
    if (opcode === PONG) return undefined
    message.push(payload)
    if (!last) return undefined
    const { id, result, error } = JSON.parse(Buffer.concat(message).toString())
    message = []
    const call = calls.get(id)
    calls.delete(id)
    if (error) call?.reject(new Error(`${call.method}: ${error.message}`))
    else call?.resolve(result)
    return undefined
  })
  return {
    call: (method, params) => new Promise((resolve, reject) => {
      const id = next++
      calls.set(id, { resolve, reject, method })
      send(socket, TEXT, Buffer.from(JSON.stringify({ jsonrpc: '2.0', id, method, params })))
    }),
    close: () => socket.destroy(),
  }
}

function upgraded(url) {
  return new Promise((resolve, reject) => {
    const asking = request(url.replace(/^ws/, 'http'), {
      headers: {
        connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13',
        'sec-websocket-key': randomBytes(16).toString('base64'),
      },
    })
    asking.on('upgrade', (_, socket) => resolve(socket))
    asking.on('response', ({ statusCode }) => reject(new Error(`${url} answered ${statusCode} to a WebSocket`)))
    asking.on('error', reject)
    asking.end()
  })
}

/** A client must mask its frames. On loopback the mask may be zero, which changes no byte. */
function send(socket, opcode, payload) {
  const { length } = payload
  const size = Buffer.alloc(length < 126 ? 1 : length < 65_536 ? 3 : 9)
  size[0] = 0x80 | Math.min(length, size.length === 3 ? 126 : size.length === 9 ? 127 : length)
  if (size.length === 3) size.writeUInt16BE(length, 1)
  if (size.length === 9) size.writeBigUInt64BE(BigInt(length), 1)
  socket.write(Buffer.concat([Buffer.of(0x80 | opcode), size, Buffer.alloc(4), payload]))
}

function readFrames(socket, hear) {
  let buffer = Buffer.alloc(0)
  socket.on('data', (data) => {
    buffer = Buffer.concat([buffer, data])
    for (;;) {
      if (buffer.length < 2) return
      const short = buffer[1] & 0x7f
      const start = short < 126 ? 2 : short === 126 ? 4 : 10
      if (buffer.length < start) return
      const length = short < 126 ? short : short === 126 ? buffer.readUInt16BE(2) : Number(buffer.readBigUInt64BE(2))
      if (buffer.length < start + length) return
      hear(buffer[0] & 0x0f, (buffer[0] & 0x80) !== 0, buffer.subarray(start, start + length))
      buffer = buffer.subarray(start + length)
    }
  })
}
