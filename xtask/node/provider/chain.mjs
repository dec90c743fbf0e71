/**
 * A small chain whose state changes with each block, on `@ethereumjs/mpt`. It shares no code with
 * the crate, and keeps all states.
 */

import { MerklePatriciaTrie, createMerkleProof } from '@ethereumjs/mpt'
import { RLP } from '@ethereumjs/rlp'
import { MapDB, bigIntToUnpaddedBytes, bytesToHex, hexToBytes } from '@ethereumjs/util'
import { keccak_256 } from '@noble/hashes/sha3.js'
import { random } from '../random.mjs'

export const EMPTY_ROOT = '0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421'
export const EMPTY_CODE = '0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470'
const EMPTY_UNCLES = '0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347'
const EMPTY_REQUESTS = '0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
const ZERO_HASH = `0x${'00'.repeat(32)}`

/** Fields of a header in the order in which they are hashed, with the JSON name of each. */
const HEADER = [
  'parentHash', 'sha3Uncles', 'miner', 'stateRoot', 'transactionsRoot', 'receiptsRoot', 'logsBloom', 'difficulty', 'number', 'gasLimit',
  'gasUsed', 'timestamp', 'extraData', 'mixHash', 'nonce', 'baseFeePerGas', 'withdrawalsRoot', 'blobGasUsed', 'excessBlobGas',
  'parentBeaconBlockRoot', 'requestsHash', 'blockAccessListHash', 'slotNumber',
]
/** Those that are numbers, which RLP writes without leading zeros. */
const NUMBERS = new Set(['difficulty', 'number', 'gasLimit', 'gasUsed', 'timestamp', 'baseFeePerGas', 'blobGasUsed', 'excessBlobGas', 'slotNumber'])

export class Chain {
  /** Blocks by number: `{ header, hash, states }`, where `states` are the accounts by address. */
  #blocks = []
  #db = new MapDB()
  #codes = new Map()
  /** The accounts of the newest block: `{ nonce, balance, code, slots }` by address. */
  #accounts = new Map()
  /** Storage roots of the newest block by address. */
  #storageRoots = new Map()
  #root = hexToBytes(EMPTY_ROOT)
  #next
  /** The timestamp of a block by its number, in seconds since 1970. */
  #timeOf = (number) => 1_790_000_000 + 12 * number
  /** Functions that are called with each new block. */
  listeners = new Set()
  /** How many blocks the tags are behind the newest. */
  behind = { safe: 0, finalized: 0 }

  /**
   * @param {{accounts?: number, contracts?: number, slots?: number, seed?: number, timeOf?: (number:
   *   number) => number}} [size] `slots` in each contract; `timeOf` gives a block's timestamp by its
   *   number, in seconds since 1970
   */
  static async generate({ accounts = 200, contracts = 10, slots = 50, seed = 1, timeOf } = {}) {
    const chain = new Chain()
    if (timeOf) chain.#timeOf = timeOf
    chain.#next = random(seed)
    const changes = new Map()
    for (let at = 0; at < accounts; at++) changes.set(addressOf(at + 1), { nonce: at, balance: BigInt(at) * 10n ** 15n + 1n })
    for (let at = 0; at < contracts; at++) {
      const code = Uint8Array.from({ length: 40 + at }, (_, byte) => (byte * 7 + at) & 0xff)
      const storage = new Map(Array.from({ length: slots }, (_, slot) => [word(slot), BigInt(slot) + 1n]))
      changes.set(contractOf(at), { nonce: 1, balance: 0n, code, storage })
    }
    // Without a code and without storage, as a contract whose storage was cleared.
    changes.set(contractOf(contracts), { nonce: 1, balance: 5n, code: Uint8Array.of(0x60, 0x00), storage: new Map() })
    await chain.block(changes)
    return chain
  }

  get head() {
    return this.#blocks.at(-1)
  }

  get chainId() {
    return 1337
  }

  get genesisHash() {
    return this.#blocks[0].hash
  }

  /** The block with this number, hash or tag; undefined if there is none. */
  find(reference) {
    const { blockHash, blockNumber } = Object(reference)
    const wanted = blockHash ?? blockNumber ?? reference
    if (['latest', 'safe', 'finalized', 'pending', undefined].includes(wanted)) return this.#blocks.at(-1 - (this.behind[wanted] ?? 0))
    if (wanted === 'earliest') return this.#blocks[0]
    if (typeof wanted === 'string' && wanted.length === 66) return this.#blocks.find(({ hash }) => hash === wanted)
    return this.#blocks[Number(wanted)]
  }

  /**
   * Makes a block.
   * @param {Map<string, object>} changes By address: `nonce`, `balance`, `code`, and `storage` (a Map
   *   of values by slot, 0n to clear one), or null to delete the account
   */
  async block(changes) {
    for (const [address, change] of changes) await this.#apply(address, change)
    const parent = this.head
    const number = this.#blocks.length
    const header = {
      parentHash: parent?.hash ?? ZERO_HASH, sha3Uncles: EMPTY_UNCLES, miner: addressOf(1), stateRoot: bytesToHex(this.#root),
      transactionsRoot: EMPTY_ROOT, receiptsRoot: EMPTY_ROOT, logsBloom: `0x${'00'.repeat(256)}`, difficulty: '0x0', number: quantity(number),
      gasLimit: '0x3938700', gasUsed: '0x0', timestamp: quantity(this.#timeOf(number)), extraData: '0x', mixHash: word(number),
      nonce: '0x0000000000000000', baseFeePerGas: '0x7', withdrawalsRoot: EMPTY_ROOT, blobGasUsed: '0x0', excessBlobGas: '0x0',
      parentBeaconBlockRoot: ZERO_HASH, requestsHash: EMPTY_REQUESTS, blockAccessListHash: EMPTY_UNCLES, slotNumber: quantity(number),
    }
    this.#blocks.push({ header, hash: hashOf(header), states: new Map(this.#accounts) })
    for (const listener of this.listeners) listener(this.head)
    return this.head
  }

  /** Takes the newest blocks away, so that others come in their place: the first half of a reorg. */
  drop(count) {
    this.#blocks.splice(-count)
    const { header, states } = this.head
    this.#accounts = new Map(states)
    this.#root = hexToBytes(header.stateRoot)
  }

  /** Makes a block that changes some accounts and slots, creates one account and deletes another. */
  async advance(count = 10) {
    const number = this.#blocks.length
    const addresses = [...this.#accounts.keys()]
    const changes = new Map()
    for (let at = 0; at < count; at++) {
      const address = addresses[Math.floor(this.#next() * addresses.length)]
      const { nonce, balance, storage } = this.#accounts.get(address)
      const written = storage.size > 0 ? new Map([[word(Math.floor(this.#next() * storage.size)), BigInt(number)], [word(number + 10_000), 1n]]) : undefined
      changes.set(address, { nonce: nonce + 1, balance: balance + 1n, storage: written })
    }
    changes.set(addressOf(1_000_000 + number), { nonce: 0, balance: BigInt(number) })
    const plain = addresses.find((address) => !changes.has(address) && this.#accounts.get(address).codeHash === EMPTY_CODE)
    changes.set(plain, null)
    return this.block(changes)
  }

  /** What an account and its slots are after a block, not by proofs; null if there is none. */
  truth(address, slots, { states }) {
    const account = states.get(address) ?? null
    return { account, slots: slots.map((slot) => account?.storage.get(word(BigInt(slot))) ?? 0n) }
  }

  /** The account's state after a block, with its proofs: everything that `eth_getProof` needs. */
  async prove(address, slots, { header, states }) {
    const account = states.get(address)
    const storageHash = account?.storageHash ?? EMPTY_ROOT
    return {
      account,
      storageHash,
      accountProof: await this.#proof(header.stateRoot, address),
      storageProofs: await Promise.all(slots.map((slot) => this.#proof(storageHash, word(BigInt(slot))))),
      values: slots.map((slot) => account?.storage.get(word(BigInt(slot))) ?? 0n),
    }
  }

  code(address, { states }) {
    const account = states.get(address)
    return account && account.codeHash !== EMPTY_CODE ? this.#codes.get(account.codeHash) : '0x'
  }

  async #apply(address, change) {
    const trie = this.#trie(this.#root)
    if (change === null) {
      this.#accounts.delete(address)
      await trie.del(hexToBytes(address))
    } else {
      const before = this.#accounts.get(address) ?? { nonce: 0, balance: 0n, codeHash: EMPTY_CODE, storageHash: EMPTY_ROOT, storage: new Map() }
      const { nonce = before.nonce, balance = before.balance, code, storage = new Map() } = change
      const codeHash = code ? keccak(code) : before.codeHash
      if (code) this.#codes.set(codeHash, bytesToHex(code))
      const after = { nonce, balance, codeHash, ...(await this.#store(before, storage)) }
      this.#accounts.set(address, after)
      const body = [bigIntToUnpaddedBytes(BigInt(nonce)), bigIntToUnpaddedBytes(balance), hexToBytes(after.storageHash), hexToBytes(codeHash)]
      await trie.put(hexToBytes(address), RLP.encode(body.map(withoutZero)))
    }
    this.#root = trie.root()
  }

  async #store({ storageHash, storage }, changes) {
    const trie = this.#trie(hexToBytes(storageHash))
    const after = new Map(storage)
    for (const [slot, value] of changes) {
      if (value === 0n) {
        after.delete(slot)
        await trie.del(hexToBytes(slot))
      } else {
        after.set(slot, value)
        await trie.put(hexToBytes(slot), RLP.encode(bigIntToUnpaddedBytes(value)))
      }
    }
    return { storageHash: bytesToHex(trie.root()), storage: after }
  }

  /** The nodes from a root to a key, as go-ethereum gives them: none of an empty trie. */
  async #proof(root, key) {
    if (root === EMPTY_ROOT) return []
    const nodes = await createMerkleProof(this.#trie(hexToBytes(root)), hexToBytes(key))
    // A node below 32 bytes is a part of its parent.
    return nodes.filter((node, at) => at === 0 || node.length >= 32).map(bytesToHex)
  }

  #trie(root) {
    return new MerklePatriciaTrie({ db: this.#db, root, useKeyHashing: true })
  }
}

/** The header's hash, by its fields. */
export function hashOf(header) {
  return keccak(rlpOf(header))
}

/** The RLP of a header's fields. */
export function rlpOf(header) {
  const fields = HEADER.filter((name) => header[name] !== undefined)
  return RLP.encode(fields.map((name) => (NUMBERS.has(name) ? withoutZero(bigIntToUnpaddedBytes(BigInt(header[name]))) : hexToBytes(header[name]))))
}

/** The address of a plain account of `Chain.generate`, from 1 on. */
export function addressOf(number) {
  return `0x${(0xa000_0000 + number).toString(16).padStart(40, '0')}`
}

/** The address of a contract of `Chain.generate`, from 0 on. The last one has no storage. */
export function contractOf(number) {
  return `0x${(0xc000_0000 + number).toString(16).padStart(40, '0')}`
}

/** 32 bytes of a number. */
export function word(number) {
  return `0x${BigInt(number).toString(16).padStart(64, '0')}`
}

/** A number as JSON-RPC writes it. */
export function quantity(number) {
  return `0x${BigInt(number).toString(16)}`
}

export function keccak(bytes) {
  return bytesToHex(keccak_256(bytes))
}

function withoutZero(bytes) {
  return bytes.length === 1 && bytes[0] === 0 ? new Uint8Array() : bytes
}
