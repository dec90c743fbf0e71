/**
 * Compares accounts, slots and codes in a page's database with what the old node says of them by
 * `eth_getProof` and `eth_getCode`.
 */

import assert from 'node:assert/strict'
import { proven, readBack } from '../truth.mjs'

/** The shares of all keys that are contracts, addresses of nobody, and slots. The rest are plain. */
const SHARES = { contracts: 0.15, absent: 0.1, slots: 0.5 }
/** Of each contract but the largest, one slot that exists and one that does not. */
const EACH = 2
/** Of the largest contract's slots that are asked for, every third does not exist. */
const ABSENT_OF_LARGEST = 3
/** The node answers one proof after the other, so more calls at a time only wait there. */
const AT_A_TIME = 50

/**
 * Compares `count` keys (accounts and slots), spread over the state, and all codes of the accounts
 * among them. Throws where the database and the node differ.
 *
 * @param {import('playwright-core').Page} page its database is `window.db`
 * @param {{node: object, genesis: object}} world
 * @param {number} count
 * @returns {Promise<{accounts: number, slots: number, absent: number, zero: number, codes: number}>}
 *   what was compared; `absent` accounts and `zero` slots among them do not exist
 */
export async function compare(page, { node, genesis }, count) {
  const truth = await inTurns(keysOf(genesis, count), ({ address, slots }) => proven(node.rpc, address, slots, node.block))
  const found = await readBack(page, truth)
  assert.deepEqual(found, truth.map((account) => ({ ...account, root: node.block.root })))

  const owners = truth.filter(({ address }) => (genesis[address]?.code ?? '0x') !== '0x').map(({ address }) => address)
  const codes = await inTurns(owners, (address) => node.rpc.call('eth_getCode', [address, '0x0']))
  assert.ok(codes.every((code) => code.length > 2), 'the node has these codes')
  assert.deepEqual(await readCodes(page, owners), codes)

  const slots = truth.flatMap((account) => account.slots)
  const compared = {
    accounts: truth.length, absent: truth.filter(({ account }) => !account).length,
    slots: slots.length, zero: slots.filter(({ value }) => value === 0n).length, codes: new Set(codes).size,
  }
  assertMixed(compared, count)
  return compared
}

/** Checks that the keys are the mix that is meant: without slots, nothing would be shown of them. */
function assertMixed({ accounts, absent, slots, zero, codes }, count) {
  assert.equal(accounts + slots, count)
  assert.equal(absent, Math.floor(SHARES.absent * count))
  assert.ok(zero > 0 && zero < slots / 2 && codes > 1, `${zero} of ${slots} slots are zero, ${codes} codes`)
}

/** Chooses `count` keys of a state, evenly over it. */
function keysOf(genesis, count) {
  const share = (name) => Math.floor(SHARES[name] * count)
  const slotsOf = (address) => Object.keys(genesis[address].storage ?? {})
  const [owners, others] = [[], []]
  for (const address of Object.keys(genesis)) (slotsOf(address).length > 0 ? owners : others).push(address)
  const largest = owners.reduce((one, other) => (slotsOf(other).length > slotsOf(one).length ? other : one))
  const contracts = spread(owners.filter((address) => address !== largest), share('contracts') - 1)
  const left = share('slots') - EACH * contracts.length
  const nobody = Array.from({ length: share('absent') }, (_, at) => `0x${(0xabcdef + at * 7919).toString(16).padStart(40, '0')}`)
  const chosen = (address, slots) => {
    const absent = Math.floor(slots / (slots > EACH ? ABSENT_OF_LARGEST : EACH))
    const none = Array.from({ length: absent }, (_, at) => `0x${(0xfeed + at).toString(16).padStart(64, '0')}`)
    return { address, slots: [...spread(slotsOf(address), slots - absent), ...none] }
  }
  const keys = [chosen(largest, left), ...contracts.map((address) => chosen(address, EACH)), ...nobody.map((address) => ({ address, slots: [] }))]
  const plain = count - keys.length - share('slots')
  return [...keys, ...spread(others, plain).map((address) => ({ address, slots: [] }))]
}

function readCodes(page, addresses) {
  return page.evaluate((addresses) => Promise.all(addresses.map(async (address) => {
    const { code } = await db.getCode(address)
    return '0x' + Array.from(code, (byte) => byte.toString(16).padStart(2, '0')).join('')
  })), addresses)
}

/** Maps a list by calls to a node, some at a time. */
async function inTurns(list, call) {
  const results = []
  for (let at = 0; at < list.length; at += AT_A_TIME) results.push(...(await Promise.all(list.slice(at, at + AT_A_TIME).map(call))))
  return results
}

/** `count` elements of a list, evenly over it. */
function spread(list, count) {
  return Array.from({ length: count }, (_, at) => list[Math.floor((at * list.length) / count)])
}
