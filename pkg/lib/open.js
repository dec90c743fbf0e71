// Checks the options of both ways to open a database.

import { bad, boolean, callback, databaseName, hashBytes, networkId, oneOf, optionsOf } from './input.js'

const ROLES = ['writer', 'follower']
const EXAMPLE = "{ id: 1, genesisHash: '0xd4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3' }"
const HOLDS = ['everything', 'set']

/**
 * Brings the options into one form. The callback comes apart from the others, which can be posted
 * to a worker, except some kinds of `wasm`.
 */
export function checkOptions(options) {
  const { network, name, memory = false, role, hold, wasm, onEvent } = optionsOf(options)
  if (network == null) bad('options', `{ network: ${EXAMPLE} } (that is mainnet)`, options)
  if (typeof network !== 'object') bad('options.network', `${EXAMPLE} (that is mainnet)`, network)
  const { id, genesisHash, chainId = id } = network
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
