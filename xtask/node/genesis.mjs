/**
 * Writes Ethereum mainnet's genesis state as `{address: {balance, nonce, code, storage}}`:
 * `node genesis.mjs FILE`.
 */

import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { getGenesis } from '@ethereumjs/genesis'

const MAINNET = 1
const ACCOUNTS = 8893

const file = process.argv[2]
if (!file) throw new Error('give the file to write: node genesis.mjs FILE')

const state = {}
for (const [address, entry] of Object.entries(getGenesis(MAINNET))) {
  // An entry is a balance, or [balance, code, [[slot, value], ...], nonce].
  const [balance, code = '0x', storage = [], nonce = '0x0'] = Array.isArray(entry) ? entry : [entry]
  state[address] = { balance, nonce, code, storage: Object.fromEntries(storage) }
}
const found = Object.keys(state).length
if (found !== ACCOUNTS) {
  throw new Error(`@ethereumjs/genesis holds ${found} accounts of mainnet's genesis, but there are ${ACCOUNTS}`)
}
mkdirSync(dirname(file), { recursive: true })
// Written under another name and renamed, so that an interrupted run leaves no partial file.
writeFileSync(`${file}.new`, JSON.stringify(state))
renameSync(`${file}.new`, file)
