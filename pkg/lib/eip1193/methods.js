// The methods that are answered from proven state (execution-apis). Their answers are written as
// go-ethereum writes them.

import { quantity, toHex } from '../input.js'
import { headerOf } from './headers.js'
import { accountParams, hashParams, numberParams, proofParams, slotParams, storageParams } from './params.js'

/** By name: what answers a call. It gets `{ db, states, hasFallback }`, and the parameters. */
export const METHODS = new Map([
  ['eth_chainId', ({ db }) => quantity(db.network.chainId)],
  ['net_version', ({ db }) => String(db.network.id)],
  ['eth_accounts', () => []],
  ['eth_blockNumber', ({ states }) => quantity(states.number())],
  ['eth_getBalance', reading(accountParams, 'getAccount', ({ balance }) => quantity(balance))],
  ['eth_getTransactionCount', reading(accountParams, 'getAccount', ({ nonce }) => quantity(nonce))],
  ['eth_getCode', reading((params) => ({ ...accountParams(params), code: true }), 'getCode', ({ code }) => toHex(code))],
  ['eth_getStorageAt', reading(slotParams, 'getStorage', ([value]) => word(value))],
  ['eth_getStorageValues', storageValues],
  ['eth_getProof', reading(proofParams, 'getProof', ({ proof }) => proof)],
])

/** The same of blocks, of which only the header can be proven. Undefined is left to the fallback. */
export const HEADER_METHODS = new Map([
  ['eth_getBlockByNumber', (provider, params) => block(provider, numberParams(params))],
  ['eth_getBlockByHash', (provider, params) => block(provider, hashParams(params))],
])

/** A method that reads one account: what it asks for, what reads it, and how that is written. */
function reading(parse, name, write) {
  return async ({ states }, params) => {
    const asked = parse(params)
    const [value] = await states.read(asked.block, [asked], name)
    return write(value)
  }
}

async function storageValues({ states }, params) {
  const { accounts, block } = storageParams(params)
  const values = await states.read(block, accounts, 'getStorage')
  return Object.fromEntries(accounts.map(({ address }, at) => [address, values[at].map(word)]))
}

function block({ db, states, hasFallback }, { block, isFull }) {
  if (isFull) return undefined
  try {
    return headerOf(db, states, block)
  } catch (error) {
    if (hasFallback) return undefined
    throw error
  }
}

/** 32 bytes. */
function word({ value }) {
  return `0x${value.toString(16).padStart(64, '0')}`
}
