/** The syncs of a page from the old node by hash: alone, beside a peer by snap, and after it. */

/**
 * The time limit of a sync. It ends before a test times out, because the error then has the sync's
 * progress.
 */
const GIVE_UP_AFTER_MS = 100_000
/** A peer that answers only so often cannot be done when the first batch is stored. */
const SILENT_SOON = 'silent+8'

/**
 * Opens an empty database as `window.db`, on the network of the old node.
 *
 * @param {import('playwright-core').Page} page
 * @param {string} name
 * @param {{networkId: number, genesisHash: string}} node
 * @param {{url: string, by: 'snap' | 'hash'}[]} peers
 */
export function openAt(page, name, { networkId, genesisHash }, peers) {
  return page.evaluate(
    async ({ name, network, peers }) => {
      window.db = await (await import('snaplight')).open({ name, network })
      for (const { url, by } of peers) db.addPeer(url, { by })
    },
    { name, network: { id: networkId, genesisHash }, peers },
  )
}

/** Begins a sync of the page's database as `window.running`. */
function begin(page, target) {
  return page.evaluate(({ target, ms }) => {
    window.running = db.sync(target, { signal: AbortSignal.timeout(ms) })
    // Who waits for it gets its error, and nobody may wait yet.
    running.then(null, () => {})
  }, { target, ms: GIVE_UP_AFTER_MS })
}

/** The report of the sync that was begun, and the rows of all peers. */
function ended(page) {
  return page.evaluate(async () => {
    try {
      const report = await running
      return { ...report, block: report.block && { ...report.block }, peers: db.progress().peers.map((row) => ({ ...row })) }
    } catch (error) {
      throw new Error(`${error.message}; it stood at ${JSON.stringify(db.progress())}`, { cause: error })
    }
  })
}

/** Syncs the page's database. Resolves to the report with the rows of all peers. */
export async function syncTo(page, target) {
  await begin(page, target)
  return ended(page)
}

/**
 * Syncs an empty database from the old node by hash and from a native peer by snap. It begins when
 * both are ready, because by snap alone it might end before.
 */
export async function mixed(page, name, { node, nativePeer }) {
  const peer = await nativePeer('--by', 'snap')
  try {
    await openAt(page, name, node, [{ url: node.url, by: 'hash' }, { url: peer.url, by: 'snap' }])
    await page.waitForFunction(() => db.peers.every(({ state }) => state === 'ready'))
    return await syncTo(page, node.block.root)
  } finally {
    await peer.stop()
  }
}

/**
 * Syncs an empty database from a native peer by snap that is gone when a part is stored, and the
 * rest from the old node by hash.
 */
export async function leftAlone(page, name, { node, nativePeer }) {
  const peer = await nativePeer('--by', 'snap', '--vice', SILENT_SOON)
  try {
    await openAt(page, name, node, [{ url: peer.url, by: 'snap' }])
    await begin(page, node.block.root)
    await page.evaluate(async () => {
      for await (const { pagesStored } of running) if (pagesStored > 0) break
      db.peers[0].close()
    })
  } finally {
    await peer.stop()
  }
  await page.evaluate((url) => db.addPeer(url, { by: 'hash' }), node.url)
  return ended(page)
}
