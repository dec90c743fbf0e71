/**
 * Makes states in this process, so that the database's answers can be compared with data that never
 * went through the database.
 */

import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** 256 bits that look random and are the same in every run. */
function digest(...parts) {
  return createHash('sha256').update(parts.join('/')).digest()
}

function hex(bytes) {
  return `0x${bytes.toString('hex')}`
}

/** A value of 1 to 32 bytes that is not zero. */
function value(...parts) {
  const bytes = digest(...parts)
  const length = 1 + (bytes[0] % 32)
  return BigInt(hex(bytes.subarray(0, length))) || 1n
}

/**
 * Returns the number of slots of the n-th contract: mostly few, sometimes thousands, and once so
 * many that they take several requests.
 */
function slotsOf(contract) {
  if (contract === 0) return 30_000
  if (contract < 4) return 2_500
  return contract % 8 === 7 ? 120 : contract % 8
}

/**
 * Makes a state with everything the format has: plain accounts, contracts without storage,
 * contracts of all sizes, contracts that share a code or a whole storage, an account with nothing
 * but a nonce.
 *
 * @param {number} accounts
 * @param {string} seed determines the state
 * @returns {Record<string, {balance: string, nonce: string, code: string, storage: Record<string,
 *   string>}>}
 */
export function mixedState(accounts, seed = 'mixed') {
  const state = {}
  for (let at = 0; at < accounts; at++) {
    const address = hex(digest(seed, 'address', at).subarray(0, 20))
    const contract = at % 7 === 0 ? at / 7 : undefined
    const account = { balance: `0x${value(seed, 'balance', at).toString(16)}`, nonce: `0x${(at % 5).toString(16)}`, code: '0x', storage: {} }
    if (at % 50 === 1) Object.assign(account, { balance: '0x0', nonce: '0x1' })
    if (contract !== undefined) {
      // Every third contract has a code of its own, the others share five.
      const owner = contract % 3 === 0 ? `own ${contract}` : `shared ${contract % 5}`
      const size = 1 + (digest(seed, 'size', owner).readUInt16BE() % 24_000)
      account.code = hex(Buffer.concat(Array.from({ length: Math.ceil(size / 32) }, (_, part) => digest(seed, owner, part))).subarray(0, size))
      // Two contracts with the very same storage have the same storage root.
      const storage = contract % 10 === 9 ? contract - 1 : contract
      for (let slot = 0; slot < slotsOf(storage); slot++) {
        const number = slot < 3 ? BigInt(slot) : BigInt(hex(digest(seed, 'slot', storage, slot)))
        account.storage[`0x${number.toString(16).padStart(64, '0')}`] = `0x${value(seed, 'value', storage, slot).toString(16)}`
      }
    }
    state[address] = account
  }
  return state
}

/** Writes a state to a file for a peer; `remove()` deletes the file. */
export function stateFile(state) {
  const folder = mkdtempSync(join(tmpdir(), 'snaplight-state-'))
  const file = join(folder, 'state.json')
  writeFileSync(file, JSON.stringify(state))
  return { file, remove: () => rmSync(folder, { recursive: true, force: true }) }
}

export function countsOf(state) {
  const accounts = Object.values(state)
  return {
    accounts: accounts.length,
    slots: accounts.reduce((sum, { storage }) => sum + Object.keys(storage).length, 0),
    codes: new Set(accounts.map(({ code }) => code).filter((code) => code !== '0x')).size,
  }
}
