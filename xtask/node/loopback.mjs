/** What servers on loopback share, with WebSockets at the same port or without. */

/**
 * Has a server listen at a free port.
 * @param {import('node:http').Server} server
 * @param {import('ws').WebSocketServer} [sockets] of the same port
 * @returns {Promise<{port: number, close: () => Promise<void>}>} `close` ends all connections
 */
export async function listen(server, sockets) {
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address()
  return { port, close: () => shut(server, sockets) }
}

/** Closes a server, and all its connections at once. */
export function shut(server, sockets) {
  for (const socket of sockets?.clients ?? []) socket.terminate()
  server.closeAllConnections()
  return new Promise((resolve) => server.close(() => resolve()))
}

/** The body of a request as text. */
export async function bodyOf(request) {
  let body = ''
  for await (const chunk of request) body += chunk
  return body
}
