// Checks the options of both ways to open a database.

import { bad, callback, databaseName, hashBytes, networkId, optionsOf } from './input.js'

const ROLES = [undefined, 'writer', 'follower']

/**
 * Brings the options into one form. The callback comes apart from the others, which can be posted
 * to a worker, except some kinds of `wasm`.
 */
export function checkOptions(options) {
  const { network, name, memory = false, role, wasm, onEvent } = optionsOf(options)
  const { id, genesisHash } = optionsOf(network ?? null, 'options.network')
  if (typeof memory !== 'boolean') bad('options.memory', 'a boolean', memory)
  if (!ROLES.includes(role)) bad('options.role', "'writer' or 'follower'", role)
  callback(onEvent, 'options.onEvent')
  const checked = {
    name: databaseName(name),
    memory,
    role,
    wasm,
    network: { id: networkId(id), genesisHash: hashBytes(genesisHash, 'options.network.genesisHash') },
  }
  return { checked, onEvent }
}
