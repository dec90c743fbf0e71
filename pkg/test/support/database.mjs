import { open } from '../../snaplight.js'
import { openInWorker, serve } from '../../worker.js'

export const NETWORK = { id: 1, genesisHash: `0x${'11'.repeat(32)}` }
export const EMPTY_ROOT = '0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421'
export const EMPTY_CODE = '0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470'
export const SOME_ROOT = `0x${'ab'.repeat(32)}`
export const OTHER_ROOT = `0x${'cd'.repeat(32)}`
export const SOME_ADDRESS = `0x${'22'.repeat(20)}`

/** An empty database in memory that is closed at the test's end. */
export async function memory(t) {
  const db = await open({ network: NETWORK, memory: true })
  t.after(() => db.close())
  return db
}

/**
 * Waits for the next turn of the event loop, when everything that was requested before is done.
 */
export const turn = () => new Promise((resolve) => setImmediate(resolve))

/** Opens a database over a port, whose other end serves in this realm. */
export function overPort(t) {
  return (options) => {
    const { port1, port2 } = new MessageChannel()
    serve(port1)
    t.after(() => {
      port1.close()
      port2.close()
    })
    return openInWorker(port2, options)
  }
}
