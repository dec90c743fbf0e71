/**
 * A JSON-RPC provider for tests, over a small chain (`provider/chain.mjs`). It answers as
 * go-ethereum does, or in another way (`provider/modes.mjs`).
 */

import { addressOf, quantity } from './provider/chain.mjs'
import { RpcError } from './provider/modes.mjs'
import { serveProvider } from './provider/serve.mjs'

export { Chain, addressOf, contractOf, word } from './provider/chain.mjs'

const ZERO_HASH = `0x${'00'.repeat(32)}`

export class TestProvider {
  #mode
  #counts = new Map()
  /** What `on('message')` listens with. */
  #listeners = new Set()
  #subscriptions = new Map()
  /** Whether subscriptions bring nothing, without a word. */
  isMute = false
  /** How often each method was called. */
  calls = {}

  /**
   * @param {Chain} chain
   * @param {object} [mode] of `modes.mjs`
   */
  constructor(chain, mode = {}) {
    this.chain = chain
    this.#mode = mode
  }

  get line() {
    return this.#mode.line ?? {}
  }

  /** How often this was called with this name, this time included. */
  count = (name) => {
    const count = (this.#counts.get(name) ?? 0) + 1
    this.#counts.set(name, count)
    return count
  }

  /** As EIP-1193 has it: resolves to a result, or rejects with an `RpcError`. */
  async request({ method, params = [] }) {
    this.calls[method] = (this.calls[method] ?? 0) + 1
    const request = { method, params }
    this.#mode.refuse?.(request, this)
    switch (method) {
      case 'eth_chainId':
      case 'net_version':
        return quantity(this.#mode.chainId ?? this.chain.chainId)
      case 'eth_blockNumber':
        return this.chain.head.header.number
      case 'eth_getProof':
        return this.#changed('proof', request, await this.#proof(request))
      case 'eth_getCode':
        return this.#changed('code', request, this.chain.code(params[0], this.#find(params[1], request)))
      case 'eth_getBlockByHash':
      case 'eth_getBlockByNumber': {
        const block = this.chain.find(params[0])
        return block ? this.#changed('header', request, { ...block.header, hash: block.hash, transactions: [], uncles: [], withdrawals: [] }) : null
      }
      case 'eth_subscribe':
        return this.subscribe((data) => this.#listeners.forEach((listener) => listener({ type: 'eth_subscription', data })))
      case 'eth_unsubscribe':
        return this.unsubscribe(params[0])
      default:
        throw new RpcError(-32601, `the method ${method} does not exist/is not available`)
    }
  }

  /** EIP-1193's events: `message` brings what was subscribed to. */
  on(event, listener) {
    if (event === 'message') this.#listeners.add(listener)
    return this
  }

  removeListener(event, listener) {
    this.#listeners.delete(listener)
    return this
  }

  /** Has `send({ subscription, result })` called with each new header. Returns the subscription. */
  subscribe(send) {
    const subscription = quantity(this.count('subscriptions'))
    const listener = async ({ header, hash }) => {
      if (!this.isMute) send({ subscription, result: await this.#changed('header', { method: 'eth_subscription', params: [] }, { ...header, hash }) })
    }
    this.chain.listeners.add(listener)
    this.#subscriptions.set(subscription, listener)
    return subscription
  }

  unsubscribe(subscription) {
    return this.chain.listeners.delete(this.#subscriptions.get(subscription))
  }

  async #proof(request) {
    const [address, slots, reference] = request.params
    if (slots.length > 1024) throw new RpcError(-32602, `too many storage keys requested (max 1024, got ${slots.length})`)
    const block = this.#find(reference, request)
    const { account, storageHash, accountProof, storageProofs, values } = await this.chain.prove(address, slots, block)
    return {
      address,
      accountProof,
      balance: quantity(account?.balance ?? 0),
      codeHash: account?.codeHash ?? ZERO_HASH,
      nonce: quantity(account?.nonce ?? 0),
      storageHash: account ? storageHash : ZERO_HASH,
      storageProof: slots.map((key, at) => ({
        // go-ethereum echoes a key of 32 bytes, and writes any other as a number.
        key: key.length === 66 ? key : quantity(key),
        value: quantity(values[at]),
        proof: storageProofs[at],
      })),
    }
  }

  #find(reference, request) {
    const block = this.chain.find(reference)
    if (!block) throw new RpcError(-32000, 'header for hash not found')
    return this.#mode.choose?.(block, request, this) ?? block
  }

  async #changed(kind, request, answer) {
    const change = this.#mode[kind]
    if (!change) return answer
    const block = kind === 'header' ? undefined : this.chain.find(request.params.at(-1))
    // A node that is on no path to what was asked for.
    const neighbours = kind === 'proof' ? (await this.chain.prove(addressOf(1), [], block)).accountProof.slice(-1) : []
    return change(answer, request, {
      chain: this.chain,
      count: this.count,
      neighbours,
      stateOf: (address) => this.chain.truth(address, [], block).account,
    })
  }
}

/**
 * Starts a provider on loopback, over HTTP and WebSocket.
 * @returns {Promise<{provider: TestProvider, http: string, ws: string, stats: object, close: () =>
 *   Promise<void>}>} `stats` has the sizes of the batches that came, and how many connections
 */
export async function startProvider(chain, mode) {
  const provider = new TestProvider(chain, mode)
  return { provider, ...(await serveProvider(provider)) }
}
