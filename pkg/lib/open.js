// What both ways of opening a database check first.

import { bad, databaseName, hashBytes, networkId, optionsOf } from './input.js'

/** The options in one form, ready for a backend: all of it can be posted to a worker, but for some kinds of `wasm`. */
export function checkOptions(options) {
  const { network, name, memory = false, wasm } = optionsOf(options)
  const { id, genesisHash } = optionsOf(network ?? null, 'options.network')
  if (typeof memory !== 'boolean') bad('options.memory', 'a boolean', memory)
  return {
    name: databaseName(name),
    memory,
    wasm,
    network: { id: networkId(id), genesisHash: hashBytes(genesisHash, 'options.network.genesisHash') },
  }
}
