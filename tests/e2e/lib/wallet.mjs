/**
 * A wallet's set at a real node: what it consists of, what a page has of it, and what it has to be.
 */

import assert from 'node:assert/strict'
import { hasCode, provenBy } from '../../../xtask/node/provider/eip1186.mjs'

/** The state to start the node with. Few enough contracts that blocks write to those of the set. */
export const STATE = { accounts: 2_000, contracts: 8, huge: 5_000 }
const SIZE = { accounts: 20, slots: 100 }
const ABSENT_ACCOUNTS = 2
/** What every block changes: who gets the fees, who pays them, and the contract of EIP-2935. */
const FEES = `0x${'00'.repeat(20)}`
const FAUCET_BALANCE = 1n << 100n
const HISTORY = '0x0000f90827f1c53a10cb7a02335b175320002935'
/** How many slots of it are in the set. Block N writes the one of number N - 1. */
export const HISTORY_SLOTS = 20

/**
 * What every block changes, all contracts with slots that exist and slots that do not, and plain
 * accounts, two of them absent. Some of the slots are those that are written in the `blocks` after
 * block `first`.
 */
export function setOf(genesis, first = 0, blocks = HISTORY_SLOTS) {
  const contracts = Object.keys(genesis).filter((address) => Object.keys(genesis[address].storage ?? {}).length > 0)
  const faucet = Object.keys(genesis).find((address) => BigInt(genesis[address].balance ?? 0) === FAUCET_BALANCE)
  const step = Math.max(1, Math.floor(blocks / HISTORY_SLOTS))
  const history = Array.from({ length: HISTORY_SLOTS }, (_, at) => word(first + at * step))
  const each = Math.floor((SIZE.slots - HISTORY_SLOTS) / contracts.length)
  const owners = contracts.map((address, at) => {
    const count = at === 0 ? SIZE.slots - HISTORY_SLOTS - each * (contracts.length - 1) : each
    const there = Object.keys(genesis[address].storage).slice(0, count - 3)
    return { address, slots: [...there, ...Array.from({ length: count - there.length }, (_, slot) => word(0xfeed + slot))] }
  })
  const nobody = Array.from({ length: ABSENT_ACCOUNTS }, (_, at) => `0x${(0xabcdef + at).toString(16).padStart(40, '0')}`)
  const special = [{ address: HISTORY, slots: history }, { address: FEES, slots: [] }, { address: faucet, slots: [] }]
  const plain = Object.keys(genesis).filter((address) => !genesis[address].code && address !== faucet)
  const others = plain.slice(0, SIZE.accounts - special.length - owners.length - nobody.length)
  return [...special, ...owners, ...[...others, ...nobody].map((address) => ({ address, slots: [] }))]
}

/**
 * All answers about the set, as `window.db` of a page has them. They are of the same state, as long
 * as nothing new is completed meanwhile.
 */
export function readSet(page, set) {
  return page.evaluate((set) => {
    const hex = (bytes) => '0x' + Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
    return Promise.all(set.map(async ({ address, slots }) => {
      const [account, values, code, { proof, root, block }] = await Promise.all([
        db.getAccount(address), db.getStorage(address, slots), db.getCode(address), db.getProof(address, slots),
      ])
      const { exists, nonce, balance, codeHash, storageRoot } = account
      return { exists, nonce, balance, codeHash, storageRoot, values: values.map(({ value }) => value), code: hex(code.code), proof, root, block: block.hash }
    }))
  }, set)
}

/** What the node says of all of it at a block. */
export function asked({ rpc }, { number }, set) {
  const at = `0x${number.toString(16)}`
  return Promise.all(set.map(async ({ address, slots }) => ({
    proof: await rpc.call('eth_getProof', [address, slots, at]),
    code: await rpc.call('eth_getCode', [address, at]),
  })))
}

/** The answers that the page has to give, by a proof that `@ethereumjs/mpt` has judged. */
function answersOf(proven, { code }, { root, hash }) {
  const { account, slots } = proven
  const { nonce, balance, codeHash, storageHash } = account ?? {}
  assert.equal(code !== '0x', hasCode(proven))
  const fields = account ? { exists: true, nonce, balance, codeHash, storageRoot: storageHash } : { exists: false, ...NOTHING }
  return { ...fields, values: slots, code, root, block: hash }
}

const NOTHING = {
  nonce: 0n,
  balance: 0n,
  codeHash: '0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470',
  storageRoot: '0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421',
}

/**
 * Checks that what a page has read is the node's own at a block, and that `@ethereumjs/mpt` accepts
 * each proof.
 */
export async function assertIsTruth(found, truth, set, block, where) {
  assert.equal(found.length, set.length)
  for (const [place, { proof, ...answers }] of found.entries()) {
    assert.deepEqual(proof, truth[place].proof, `${where}, block ${block.number}, ${set[place].address}`)
    const proven = await provenBy(proof, block.root)
    assert.deepEqual(answers, answersOf(proven, truth[place], block))
  }
}

/** How many accounts of the set are others than before. */
export function changesOf(truth, before) {
  return truth.filter(({ proof }, place) => proof.accountProof.at(-1) !== before[place].proof.accountProof.at(-1)).length
}

/** How many slots of the set have other values than before. */
export function changedSlots(truth, before) {
  const values = (all) => all.flatMap(({ proof }) => proof.storageProof.map(({ value }) => value))
  const old = values(before)
  return values(truth).filter((value, place) => value !== old[place]).length
}

export function word(number) {
  return `0x${number.toString(16).padStart(64, '0')}`
}
