/**
 * The states that everything is measured on: one like mainnet's first, and plain accounts beside
 * it.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startPeers } from '../peers.mjs'
import { GETHBENCH, startSyncer } from './geth.mjs'
import { count } from './tables.mjs'

/** How many cores go-ethereum's syncer gets. */
export const GETH_CORES = [1, 2]

/**
 * Accounts of all kinds, with storages and codes distributed as on mainnet:
 * `snaplight-peer --realistic`.
 */
export function realistic(accounts) {
  return { name: 'realistic', accounts, heading: 'realistic', options: ['--realistic', String(accounts)], make: realistic }
}

/** Accounts with only nonces and balances. With `contracts`, this share of them are contracts. */
export function plain(accounts, contracts = 0) {
  const options = ['--accounts', String(accounts), '--contracts', String(contracts)]
  return { name: 'plain', accounts, heading: 'plain', options, make: plain }
}

/** The two columns of a measurement of each state, by the state's name. */
export function columnsOf({ realistic, plain }) {
  return [realistic, plain]
}

/**
 * Starts peers that serve a state, and stops them when `use` is done. The state's heading then says
 * what is in it.
 *
 * @param {{name: string, heading: string, options: string[]}} state
 * @param {{peers?: number, chain?: boolean}} options `chain`: blocks can be made
 * @param {(peers: object[]) => Promise<any>} use
 */
export async function withPeers(state, { peers: many = 2, chain = false }, use) {
  const peers = await startPeers(many, chain ? [...state.options, '--chain'] : state.options)
  const [{ accounts, slots, codes }] = peers
  const inside = slots > 0 ? `, ${count(slots)} slots, ${count(codes)} codes` : ''
  state.heading = `${state.name}: ${count(accounts)} accounts${inside}`
  try {
    return await use(peers)
  } finally {
    await Promise.all(peers.map((peer) => peer.stop()))
  }
}

/**
 * Runs go-ethereum's syncer on the same states that a peer serves.
 *
 * @param {number} peers its own peers, in its process
 * @param {(exported: (peer: object) => Promise<void>) => Promise<void>} making calls `exported` for
 * each state
 * @param {(syncer: object | undefined) => Promise<any>} use gets `undefined` if go-ethereum is not
 * measured
 */
export async function withSyncer(peers, making, use) {
  if (!GETHBENCH) {
    await making(async () => {})
    return use(undefined)
  }
  const folder = mkdtempSync(join(tmpdir(), 'snaplight-states-'))
  const files = []
  try {
    const roots = []
    await making(async (peer) => {
      const file = join(folder, `${files.length}.state`)
      roots.push((await peer.exportTo(file)).root)
      files.push(file)
    })
    const syncer = await startSyncer(files, { peers })
    const other = roots.findIndex((root, at) => syncer.states[at].root !== root)
    if (other >= 0) throw new Error(`go-ethereum computes the root ${syncer.states[other].root} of a state whose root is ${roots[other]}`)
    try {
      return await use({ ask: async (order) => figures(await syncer.ask(order)) })
    } finally {
      await syncer.stop()
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** In the form that rows of tables take. */
function figures(told) {
  const { accounts, slots, seconds, cpuSeconds } = told
  return { ...told, items: accounts + slots, itemsPerSecond: (accounts + slots) / seconds, cpu: { all: cpuSeconds } }
}
