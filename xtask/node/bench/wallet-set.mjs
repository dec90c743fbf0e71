/** A wallet's set of 120 keys over a small chain, and a profile with a database that holds it. */

import { launch } from '../browser.mjs'
import { addressOf, contractOf, startProvider, word } from '../provider.mjs'

export const NAME = 'wallet'
export const ACCOUNTS = 20
export const CONTRACTS = 5
export const SLOTS = 20

/** 20 plain accounts, and 20 slots in each of 5 contracts. */
export const SET = [
  ...Array.from({ length: ACCOUNTS }, (_, at) => addressOf(at + 1)),
  ...Array.from({ length: CONTRACTS }, (_, at) => ({ address: contractOf(at), slots: Array.from({ length: SLOTS }, (_, slot) => word(slot)) })),
]

export function networkOf(chain) {
  return { id: chain.chainId, genesisHash: chain.genesisHash }
}

/** Makes the database once, and closes it. */
export async function fill(chain, server, profile) {
  const provider = await startProvider(chain)
  const browser = await launch({ profile })
  const page = await browser.context.newPage()
  await page.goto(`${server.origin}/blank`)
  await page.evaluate(fillInPage, { name: NAME, network: networkOf(chain), set: SET, url: provider.http, blockHash: chain.head.hash })
  await browser.close()
  await provider.close()
}

async function fillInPage({ name, network, set, url, blockHash }) {
  const { open } = await import('snaplight')
  const db = await open({ name, network, hold: 'set' })
  db.addPeer(url, { by: 'rpc' })
  const tracked = db.track(set)
  await db.sync({ blockHash })
  await tracked
  await db.close()
}
