// What both ways of opening a database check first.

import { bad, callback, databaseName, hashBytes, networkId, optionsOf } from './input.js'

const ROLES = [undefined, 'writer', 'follower']

/**
 * The options in one form, and the callback among them by itself: all else can be posted to a
 * worker, but for some kinds of `wasm`.
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
