// What every project in this folder does with the package. It is copied into each of them.

import { open } from 'snaplight'
import { createProvider } from 'snaplight/provider'
import { openInWorker } from 'snaplight/worker'

/** What the test wants to be read. It is written into the page's URL, behind the #. */
export const wanted = () => JSON.parse(decodeURIComponent(location.hash.slice(1)))

/** Reads the account in this thread and in a worker. */
export async function readInBoth(wanted) {
  return {
    here: await read(open, 'here', wanted),
    worker: await read((options) => openInWorker(undefined, options), 'worker', wanted),
  }
}

/** With a peer, the state is synced first. Without one, the answer comes from what is stored. */
export async function read(openWith, name, { network, peer, root, account, memory = false }) {
  const db = await openWith({ name, network, memory })
  if (peer) {
    db.addPeer(peer)
    await db.sync(root)
  }
  const { balance } = await db.getAccount(account)
  const chainId = await createProvider(db).request({ method: 'eth_chainId' })
  await db.close()
  return { balance: String(balance), chainId }
}
