// Makes the Account, StorageValue and Code of snaplight.d.ts of the bytes that a look-up found. The
// state that proves them comes with them, so that an answer names the state that it was read from,
// even if another one is complete by now.

import { toHex } from './input.js'

const EMPTY_CODE = '0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470'
const EMPTY_ROOT = '0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421'

/**
 * `body`: nonce 8 bytes, balance 32, code hash 32, storage root 32; no bytes if there is no such
 * account.
 */
export function shapeAccount(address, [state, body]) {
  const found = body.length > 0
  const word = (at) => toHex(body.subarray(at, at + 32))
  return {
    address: toHex(address),
    exists: found,
    nonce: found ? new DataView(body.buffer, body.byteOffset).getBigUint64(0) : 0n,
    balance: found ? BigInt(word(8)) : 0n,
    codeHash: found ? word(40) : EMPTY_CODE,
    storageRoot: found ? word(72) : EMPTY_ROOT,
    ...provenBy(state),
  }
}

export function shapeSlot(address, slot, [state, value]) {
  return { address: toHex(address), slot: toHex(slot), value: BigInt(toHex(value)), ...provenBy(state) }
}

export function shapeCode([state, code, codeHash]) {
  return { code, codeHash: toHex(codeHash), ...provenBy(state) }
}

function provenBy({ root, block }) {
  return { root, block: block && Object.freeze(block) }
}
