/** A line of some length to a server on loopback, for HTTP and WebSocket. */

import { connect, createServer } from 'node:net'

/**
 * Forwards connections to `url`. All bytes take half of `roundTripMs` in each direction, and a new
 * connection takes one round trip before any of them.
 *
 * @returns {Promise<{url: (to: string) => string, close: () => void}>} `url`: where to reach `to`, a
 *   URL of the same server, over this line
 */
export async function distant(url, roundTripMs) {
  const { port } = new URL(url)
  const sockets = new Set()
  const forward = (from, to, sinceMs) => {
    const wait = () => Math.max(0, sinceMs - performance.now()) + roundTripMs / 2
    from.on('data', (bytes) => setTimeout(() => to.writable && to.write(bytes), wait()))
    from.on('close', () => setTimeout(() => to.destroy(), wait()))
    from.on('error', () => {})
  }
  const server = createServer({ noDelay: true }, (near) => {
    const far = connect({ port: Number(port), host: '127.0.0.1', noDelay: true })
    const connected = performance.now() + roundTripMs
    forward(near, far, connected)
    forward(far, near, connected)
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.on('close', () => sockets.delete(socket))
    }
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: (to) => Object.assign(new URL(to), { port: server.address().port }).href,
    close: () => {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}
