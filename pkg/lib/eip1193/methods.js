// The methods that are answered from proven state (execution-apis). Their answers are written as
// go-ethereum writes them.

import { toHex } from '../input.js'
import { headerOf } from './headers.js'
import { accountParams, hashParams, numberParams, proofParams, slotParams, storageParams } from './params.js'

/**
 * By name: `parse` takes the parameters apart, and `answer` answers. It gets `{ db, states,
 * hasFallback }`, and what `parse` gave.
 */
export const METHODS = new Map([
  ['eth_chainId', { answer: ({ db }) => quantity(db.network.chainId) }],
  ['net_version', { answer: ({ db }) => String(db.network.id) }],
  ['eth_accounts', { answer: () => [] }],
  ['eth_blockNumber', { answer: ({ states }) => quantity(states.number()) }],
  ['eth_getBalance', { parse: accountParams, answer: async (provider, asked) => quantity((await account(provider, asked)).balance) }],
  ['eth_getTransactionCount', { parse: accountParams, answer: async (provider, asked) => quantity((await account(provider, asked)).nonce) }],
  ['eth_getCode', { parse: accountParams, answer: code }],
  ['eth_getStorageAt', { parse: slotParams, answer: async (provider, asked) => word((await slots(provider, asked))[0]) }],
  ['eth_getStorageValues', { parse: storageParams, answer: storageValues }],
  ['eth_getProof', { parse: proofParams, answer: proof }],
])

/** The same of blocks, of which only the header can be proven. */
export const HEADER_METHODS = new Map([
  ['eth_getBlockByNumber', { parse: numberParams, answer: block }],
  ['eth_getBlockByHash', { parse: hashParams, answer: block }],
])

function account({ states }, { address, block }) {
  return states.readOne(block, { address }, (reads) => reads.getAccount(address))
}

async function code({ states }, { address, block }) {
  const { code } = await states.readOne(block, { address, code: true }, (reads) => reads.getCode(address))
  return toHex(code)
}

function slots({ states }, { address, slots, block }) {
  return states.readOne(block, { address, slots }, (reads) => reads.getStorage(address, slots))
}

async function storageValues({ states }, { accounts, block }) {
  const values = await states.read(block, accounts.map((wanted) => ({ wanted, read: (reads) => reads.getStorage(wanted.address, wanted.slots) })))
  return Object.fromEntries(accounts.map(({ address }, at) => [address, values[at].map(word)]))
}

async function proof({ states }, { address, slots, block }) {
  const { proof } = await states.readOne(block, { address, slots }, (reads) => reads.getProof(address, slots))
  return proof
}

/** Undefined is left to the fallback. */
function block({ db, states, hasFallback }, { block, isFull }) {
  if (isFull) return undefined
  try {
    return headerOf(db, states, block)
  } catch (error) {
    if (hasFallback) return undefined
    throw error
  }
}

function quantity(number) {
  return `0x${number.toString(16)}`
}

/** 32 bytes. */
function word({ value }) {
  return `0x${value.toString(16).padStart(64, '0')}`
}
