// Reads of one state, and the Account, StorageValue, Code and AccountProof of snaplight.d.ts that they
// make of the bytes of a look-up. The state that proves an answer comes with it, so that an answer
// names the state that it was read from, even if another one is complete by now.

import { addressBytes, addressOrHashBytes, joinBytes, listOf, quantity, slotBytes, slotKey, toHex, withJson } from './input.js'
import { quiet } from './running.js'

const ADDRESS_BYTES = 20
const WORD_BYTES = 32
export const EMPTY_CODE = '0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470'
const EMPTY_ROOT = '0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421'
const ZERO_HASH = `0x${'00'.repeat(32)}`

/** Reads of the complete state, or of one that is named. */
export class Reads {
  #read

  /**
   * @param {(method: string, ...args: Uint8Array[]) => Promise<unknown[]>} read Asks the backend. Its
   *   answer begins with the state that was read.
   */
  constructor(read) {
    this.#read = read
  }

  getAccount(address) {
    return quiet(async () => {
      const bytes = addressBytes(address)
      const [state, body] = await this.#read('account', bytes)
      const { balance, nonce, codeHash, storageRoot } = fieldsOf(body, EMPTY_CODE, EMPTY_ROOT)
      return withJson({ address: toHex(bytes), exists: body.length > 0, nonce, balance, codeHash, storageRoot, ...provenBy(state) })
    })
  }

  getStorage(address, slots) {
    return quiet(async () => {
      const bytes = addressBytes(address)
      const asked = listOf(slots, slotBytes)
      let proven
      let values
      try {
        const [state, found] = await this.#read('storage', bytes, joinBytes(asked))
        values = found
        proven = provenBy(state)
      } catch (error) {
        proven = await this.#provenByAccount(error, bytes, ({ storageRoot }) => storageRoot === EMPTY_ROOT)
        values = new Uint8Array(WORD_BYTES * asked.length)
      }
      const shape = (slot, index) => withJson({ address: toHex(bytes), slot: toHex(slot), value: wordAt(values, WORD_BYTES * index), ...proven })
      return Array.isArray(slots) ? asked.map(shape) : shape(asked[0], 0)
    })
  }

  getCode(addressOrHash) {
    return quiet(async () => {
      const bytes = addressOrHashBytes(addressOrHash)
      try {
        const [state, code, codeHash] = await this.#read('code', bytes)
        return { code, codeHash: toHex(codeHash), ...provenBy(state) }
      } catch (error) {
        if (bytes.length !== ADDRESS_BYTES) throw error
        const proven = await this.#provenByAccount(error, bytes, ({ codeHash }) => codeHash === EMPTY_CODE)
        return { code: new Uint8Array(), codeHash: EMPTY_CODE, ...proven }
      }
    })
  }

  getProof(address, slots = []) {
    return quiet(async () => {
      const bytes = addressBytes(address)
      const asked = listOf(slots, slotBytes)
      const keys = listOf(slots, slotKey)
      const [state, body, nodes, values, proofs] = await this.#read('proof', bytes, joinBytes(asked))
      const { balance, nonce, codeHash, storageRoot } = fieldsOf(body, ZERO_HASH, ZERO_HASH)
      // Fields, their order and their form are those of go-ethereum's eth_getProof.
      const proof = {
        address: toHex(bytes),
        accountProof: state.root === EMPTY_ROOT ? null : nodes.map(toHex),
        balance: quantity(balance),
        codeHash,
        nonce: quantity(nonce),
        storageHash: storageRoot,
        storageProof: keys.map((key, index) => ({ key, value: quantity(wordAt(values, WORD_BYTES * index)), proof: proofs[index].map(toHex) })),
      }
      return { proof, ...provenBy(state) }
    })
  }

  /**
   * An account without code or storage proves that, whether or not these are tracked. Gives what
   * proves it, and throws the error of the read where it is not so.
   */
  async #provenByAccount(error, address, isEmpty) {
    if (error.code !== 'NOT_TRACKED') throw error
    const account = await this.getAccount(address).catch(() => { throw error })
    if (!isEmpty(account)) throw error
    const { root, block, age } = account
    return { root, block, age }
  }
}

/** A state that was complete, as long as it can be read. */
export class Snapshot extends Reads {
  #state

  /** Made by `Snaplight.at`. */
  constructor(state, read) {
    // The block is the one that was asked for, whichever else has the same root.
    super(async (...args) => [state, ...(await read(...args)).slice(1)])
    this.#state = state
  }

  get root() {
    return this.#state.root
  }

  get block() {
    return this.#state.block
  }
}

/**
 * `body`: nonce 8 bytes, balance 32, code hash 32, storage root 32; no bytes if there is no such
 * account, which has the other two hashes.
 */
function fieldsOf(body, noCode, noStorage) {
  if (body.length === 0) return { nonce: 0n, balance: 0n, codeHash: noCode, storageRoot: noStorage }
  const word = (at) => toHex(body.subarray(at, at + 32))
  return {
    nonce: new DataView(body.buffer, body.byteOffset).getBigUint64(0),
    balance: BigInt(word(8)),
    codeHash: word(40),
    storageRoot: word(72),
  }
}

function wordAt(bytes, at) {
  return BigInt(toHex(bytes.subarray(at, at + 32)))
}

function provenBy({ root, block }) {
  return { root, block: block && Object.freeze(block), age: block && Math.max(0, Math.floor(Date.now() / 1000) - block.timestamp) }
}
