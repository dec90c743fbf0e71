/** Providers in front of a page: over HTTP, over WebSocket, and as an object of the page's own. */

import { TestProvider, addressOf, contractOf, startProvider, word } from '../../../xtask/node/provider.mjs'

/** How a page is given a provider. */
export const KINDS = ['http', 'ws', 'object']

/** Accounts and slots of `Chain.generate`: what exists, what changes, and what does not exist. */
export const SET = [
  ...[1, 2, 3, 5, 8, 13].map((number) => ({ address: addressOf(number), slots: [] })),
  ...[0, 1, 2, 3].map((number) => ({ address: contractOf(number), slots: [0, 1, 7, 20, 49, 1_000].map(word), code: true })),
  // A contract without storage, an account that does not exist, and one with a slot.
  { address: contractOf(10), slots: [word(0)], code: true },
  { address: addressOf(99_999), slots: [] },
  { address: addressOf(99_998), slots: [word(3)] },
]

/** What a page is told of a provider: `{ kind, url }`, or the `key` of an object. */
export class Providers {
  #allowed = null
  #started = []
  #objects = new Map()

  /** Pages that are opened in the context from now on can have objects. May be called again. */
  allow(context) {
    this.#allowed ??= this.#allow(context)
    return this.#allowed
  }

  async #allow(context) {
    await context.exposeFunction('requestOfProvider', async (key, call) => {
      try {
        return { result: await this.#objects.get(key).request(call) }
      } catch ({ code, message, data }) {
        return { error: { code, message, data } }
      }
    })
    await context.addInitScript(() => {
      window.providerOf = ({ url, key }) => url ?? {
        async request(call) {
          const { result, error } = await window.requestOfProvider(key, call)
          if (error) throw Object.assign(new Error(error.message), error)
          return result
        },
      }
    })
  }

  /** Starts a provider of this kind. `told` is for the page. */
  async start(kind, chain, mode) {
    if (kind === 'object') {
      const provider = new TestProvider(chain, mode)
      const key = this.#objects.size
      this.#objects.set(key, provider)
      return { provider, told: { key } }
    }
    const server = await startProvider(chain, mode)
    this.#started.push(server)
    return { ...server, told: { url: server[kind] } }
  }

  async stop() {
    await Promise.all(this.#started.splice(0).map(({ close }) => close()))
  }
}

/** What a page is told of a chain and a block. */
export function network({ chainId, genesisHash }) {
  return { id: chainId, genesisHash }
}

/**
 * Opens a set in memory as `window.db`, adds the providers, and holds `set` at a block. Resolves to
 * `{ peers, lies }` as they are then.
 */
export function held(page, { chain, block, providers, set = SET, ms = 30_000 }) {
  return page.evaluate(async ({ network, hash, told, set, ms }) => {
    window.lies = []
    const onEvent = (event) => {
      if (event.type === 'lie') lies.push({ peer: event.peer.id, field: event.field, claimed: event.claimed, proven: event.proven })
    }
    window.db = await snaplight.open({ network, memory: true, hold: 'set', onEvent })
    window.peers = told.map((each) => db.addPeer(providerOf(each), { by: 'rpc' }))
    const tracked = db.track(set)
    tracked.catch(() => {})
    try {
      await db.sync({ blockHash: hash }, { signal: AbortSignal.timeout(ms) })
      await tracked
    } catch (error) {
      throw new Error(`${error.message}; it stood at ${JSON.stringify(db.progress())}`, { cause: error })
    }
  }, { network: network(chain), hash: block.hash, told: providers.map(({ told }) => told), set, ms })
}

/** The peers and the lies that the page knows of. */
export function standing(page) {
  return page.evaluate(() => ({
    lies,
    peers: peers.map(({ state, stats }) => ({ state, faults: stats.faults, lastFault: stats.lastFault, answers: stats.answers, closed: stats.closed })),
  }))
}

/** Everything of a set, as `window.db` has it. */
export function readAll(page, set = SET) {
  return page.evaluate((set) => Promise.all(set.map(async ({ address, slots, code }) => {
    const [account, values, { proof, root }] = await Promise.all([db.getAccount(address), db.getStorage(address, slots), db.getProof(address, slots)])
    const hex = (bytes) => '0x' + Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
    const { exists, nonce, balance } = account
    return { exists, nonce, balance, values: values.map(({ value }) => value), code: code ? hex((await db.getCode(address)).code) : null, proof, root }
  })), set)
}

/** What it has to be: the chain's own state, and the proofs that go-ethereum would give. */
export function truth(chain, block, set = SET) {
  const plain = new TestProvider(chain)
  return Promise.all(set.map(async ({ address, slots, code }) => {
    const { account, slots: values } = chain.truth(address, slots, block)
    return {
      exists: account !== null,
      nonce: BigInt(account?.nonce ?? 0),
      balance: account?.balance ?? 0n,
      values,
      code: code ? chain.code(address, block) : null,
      proof: await plain.request({ method: 'eth_getProof', params: [address, slots, { blockHash: block.hash }] }),
      root: block.header.stateRoot,
    }
  }))
}
