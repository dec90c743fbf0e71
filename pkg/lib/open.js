// Checks the options of both ways to open a database.

import { bad, boolean, callback, databaseName, hashBytes, networkId, oneOf, optionsOf } from './input.js'

const ROLES = ['writer', 'follower']
const HOLDS = ['everything', 'set']

/**
 * Brings the options into one form. The callback comes apart from the others, which can be posted
 * to a worker, except some kinds of `wasm`.
 */
export function checkOptions(options) {
  const { network, name, memory = false, role, hold, wasm, onEvent } = optionsOf(options)
  const { id, genesisHash, chainId = id } = optionsOf(network ?? null, 'options.network')
  boolean(memory, 'options.memory')
  if (role !== undefined) oneOf(role, ROLES, 'options.role')
  if (hold !== undefined) oneOf(hold, HOLDS, 'options.hold')
  callback(onEvent, 'options.onEvent')
  const checked = {
    name: databaseName(name),
    memory,
    role,
    hold,
    wasm,
    network: {
      id: networkId(id),
      genesisHash: hashBytes(genesisHash, 'options.network.genesisHash'),
      chainId: networkId(chainId, 'options.network.chainId'),
    },
  }
  return { checked, onEvent }
}
