/**
 * What runs inside the page of a life. Each function is sent there by itself, so it can use nothing
 * from outside.
 */

/**
 * Runs before anything else of the page: counts the frames that arrive, and reports each batch that
 * is written. `window.tell`, which sends to this process, exists already.
 */
export function tap() {
  /**
   * Bytes of answers with state (accounts, slots, nodes) and of answers with codes since the page
   * was opened.
   */
  const frames = { state: 0, codes: 0 }
  const STATE = [0x23, 0x25, 0x29]
  const CODES = 0x27
  let sockets = 0
  /** Bytes that were proven in earlier lives: the sync goes on counting from there. */
  let before
  const proven = ({ ranges, healing }) => ranges.bytes + healing.bytes
  const figures = () => {
    const progress = window.db?.progress()
    const now = before === undefined ? 0 : proven(progress) - before
    return { ...frames, proven: now, inFlight: progress?.peers.map((peer) => peer.requestsInFlight) ?? [] }
  }
  window.WebSocket = class extends WebSocket {
    constructor(...values) {
      super(...values)
      const socket = sockets++
      this.addEventListener('message', ({ data }) => {
        const [kind] = new Uint8Array(data, 0, 1)
        if (STATE.includes(kind)) {
          before ??= proven(window.db.progress())
          frames.state += data.byteLength
        } else if (kind === CODES) frames.codes += data.byteLength
        window.tell({ type: 'frame', socket, ...frames })
      })
    }
  }
  const put = IDBObjectStore.prototype.put
  IDBObjectStore.prototype.put = function (value, key) {
    if (this.name === 'meta' && key === 'root') {
      const { sequence } = value
      window.tell({ type: 'batch', sequence, ...figures() })
      this.transaction.addEventListener('complete', () => window.tell({ type: 'landed', sequence }))
    }
    return put.call(this, value, key)
  }
  window.figures = figures
}

/**
 * What is on the disk before Snaplight reads it: the last batch that landed, and how many pages.
 */
export async function readDisk(name) {
  const promised = (request) =>
    new Promise((resolve, reject) => {
      request.onsuccess = () => resolve(request.result)
      request.onerror = () => reject(request.error)
    })
  if (!(await indexedDB.databases()).some((database) => database.name === name)) return { sequence: 0, pages: 0, bytes: 0 }
  const database = await promised(indexedDB.open(name))
  try {
    const transaction = database.transaction(['meta', 'pages'])
    const [record, pages] = await Promise.all([
      promised(transaction.objectStore('meta').get('root')),
      promised(transaction.objectStore('pages').getAll()),
    ])
    return { sequence: record?.sequence ?? 0, pages: pages.length, bytes: pages.reduce((sum, page) => sum + page.byteLength, 0) }
  } finally {
    database.close()
  }
}

/**
 * Opens the database and syncs to the newest block that the peers announce, whichever it is by
 * then. Resolves to the report.
 */
export async function follow({ name, network, urls }) {
  const { open } = await import('snaplight')
  window.db = await open({ name, network, onEvent: ({ type, what, message }) => window.tell({ type: 'event', event: [type, what, message].filter(Boolean).join(' ') }) })
  for (const url of urls) db.addPeer(url)
  const newest = () => db.peers.map(({ stats }) => stats.head).reduce((best, head) => (head && !(head.number <= best?.number) ? head : best), null)
  while (!newest()) await new Promise((resolve) => setTimeout(resolve, 20))
  let target = newest()
  const onProgress = ({ phase, accounts, slots, received, moves }) =>
    window.tell({ type: 'progress', phase, held: accounts + slots, received: received.bytes, moves, block: target.number, ...window.figures() })
  const sync = db.sync({ blockHash: target.hash }, { onProgress })
  const looking = setInterval(() => {
    const head = newest()
    if (!head || head.number <= target.number) return
    try {
      sync.retarget({ blockHash: head.hash })
      target = head
    } catch (error) {
      // The sync has ended. Its promise settles in a moment.
      if (error.code !== 'SYNC_ENDED') throw error
    }
  }, 50)
  try {
    return await sync
  } finally {
    clearInterval(looking)
  }
}

/**
 * Syncs the same state from nothing, without kills and into memory: what it costs at least, and
 * what it must find.
 */
export async function syncAfresh({ network, url, root }) {
  const { open } = await import('snaplight')
  const other = await open({ name: 'afresh', network, memory: true })
  other.addPeer(url)
  const report = await other.sync(root)
  await other.close()
  return report
}
