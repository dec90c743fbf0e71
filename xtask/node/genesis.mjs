/** Writes Ethereum mainnet's genesis state as `{address: {balance, nonce, code, storage}}`: `node genesis.mjs FILE`. */

import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { getGenesis } from '@ethereumjs/genesis'

const MAINNET = 1
const ACCOUNTS = 8893

const file = process.argv[2]
if (!file) throw new Error('genesis.mjs needs the file to write after it')

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
// Renamed into place, so that an interrupted run leaves no half of it.
writeFileSync(`${file}.new`, JSON.stringify(state))
renameSync(`${file}.new`, file)
