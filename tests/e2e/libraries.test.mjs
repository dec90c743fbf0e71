/**
 * viem, ethers and wagmi read proven state through our provider, in a page, unchanged. What they
 * answer is compared with the chain's own state.
 */

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { librariesBundle } from '../../xtask/node/bundle.mjs'
import { Chain, addressOf, contractOf, word } from '../../xtask/node/provider.mjs'
import { setUp } from './lib/harness.mjs'
import { Providers, SET as PLAIN_SET, held, truth } from './lib/providers.mjs'

/** All codes are held as well: a library asks for that of any account. */
const SET = PLAIN_SET.map((each) => ({ ...each, code: true }))

/** All that the tests need of them. */
const LIBRARIES = `
import { createPublicClient, custom, defineChain } from 'viem'
import { BrowserProvider } from 'ethers'
import * as core from '@wagmi/core'
const { connect, createConfig, getBalance, getBlockNumber, getBytecode, getProof, getStorageAt, getTransactionCount, injected, unstable_connector, watchBlockNumber } = core
export const viem = { createPublicClient, custom, defineChain }
export const ethers = { BrowserProvider }
export const wagmi = { connect, createConfig, getBalance, getBlockNumber, getBytecode, getProof, getStorageAt, getTransactionCount, injected, unstable_connector, watchBlockNumber }
`
/** Where wagmi looks for Multicall3 on most chains. */
const MULTICALL3 = '0xca11bde05977b3631167028862be2a173976ca11'
/** An account of the chain that is not in the set. */
const UNTRACKED = addressOf(21)
const SLOT = word(7)
/** Milliseconds between two questions of a library that asks for new blocks. */
const POLL_MS = 100

const world = setUp()
const providers = new Providers()
let libraries
let chain
before(async () => {
  libraries = await librariesBundle('libraries', LIBRARIES)
  await providers.allow(world.context)
  chain = await Chain.generate()
  for (let at = 0; at < 3; at++) await chain.advance(40)
})
after(() => providers.stop())

/**
 * A page with the set held at a block as `db`, and the libraries over a provider of it: `client`
 * (viem), `browser` (ethers) and `config` (wagmi). `asked` are the calls that reached the provider,
 * `unverified` those that the fallback answered.
 */
async function opened({ block = chain.head, options = {}, fallback } = {}) {
  const page = await world.page()
  const peer = await providers.start('http', chain)
  await held(page, { chain, block, providers: [peer], set: SET })
  await page.evaluate(async ({ libraries, id, options, fallback, multicall3, pollMs }) => {
    Object.assign(window, await import(`/bundles/${libraries}`))
    const { createProvider } = await import('snaplight/provider')
    const [asked, unverified, answered] = [[], [], []]
    // Answers every call of a contract with the number 12345.
    const numbers = {
      async request({ method }) {
        answered.push(method)
        if (method === 'eth_call') return `0x${(12345).toString(16).padStart(64, '0')}`
        throw Object.assign(new Error('out of requests'), { code: -32005, data: { plan: 'free' } })
      },
    }
    const provider = createProvider(db, fallback ? { ...options, fallback: numbers } : options)
    provider.on('unverified', (call) => unverified.push(call))
    const request = provider.request.bind(provider)
    provider.request = (call) => {
      asked.push(call.method)
      return request(call)
    }
    const chain = viem.defineChain({
      id, name: 'test', nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 }, rpcUrls: { default: { http: [] } },
      contracts: { multicall3: { address: multicall3 } },
    })
    const client = viem.createPublicClient({ chain, transport: viem.custom(provider), pollingInterval: pollMs })
    const browser = new ethers.BrowserProvider(provider, undefined, { pollingInterval: pollMs, cacheTimeout: -1 })
    const connector = wagmi.injected({ target: { id: 'snaplight', name: 'Snaplight', provider } })
    const configOf = (options) => wagmi.createConfig({ chains: [chain], connectors: [connector], multiInjectedProviderDiscovery: false, storage: null, ...options })
    const config = configOf({ transports: { [id]: viem.custom(provider) }, batch: { multicall: false } })
    const multicalling = configOf({ transports: { [id]: viem.custom(provider) } })
    const connected = configOf({ transports: { [id]: wagmi.unstable_connector(wagmi.injected) }, batch: { multicall: false } })
    /** What a library's error is. */
    const failed = async (call) => {
      try {
        return { answer: await call() }
      } catch (error) {
        const { name, code, shortMessage, info } = error
        const causes = []
        for (let cause = error; cause && causes.length < 8; cause = cause.cause) causes.push(cause.name)
        // viem wraps errors, and the innermost one with a number as its code is the provider's.
        let own = error
        while (own && typeof own.code !== 'number') own = own.cause
        return { name, code, shortMessage, causes, rpc: info?.error ?? (own && { code: own.code, message: own.details ?? own.message, data: own.cause?.data ?? own.data }) }
      }
    }
    Object.assign(window, { provider, asked, unverified, answered, client, browser, config, multicalling, connected, failed })
  }, { libraries, id: chain.chainId, options, fallback, multicall3: MULTICALL3, pollMs: POLL_MS })
  return page
}

/** What a library reads of the whole set, in the form of `expected`. */
const READERS = {
  viem: (page, block) => page.evaluate(({ set, block }) => {
    const at = block === null ? {} : { blockNumber: BigInt(block) }
    return Promise.all(set.map(async ({ address, slots }) => {
      const [balance, nonce, code, values, proof] = await Promise.all([
        client.getBalance({ address, ...at }), client.getTransactionCount({ address, ...at }), client.getCode({ address, ...at }),
        Promise.all(slots.map((slot) => client.getStorageAt({ address, slot, ...at }))), client.getProof({ address, storageKeys: slots, ...at }),
      ])
      return { balance, nonce, code: code ?? '0x', values: values.map(BigInt), proof }
    }))
  }, { set: SET, block }),
  ethers: (page, block) => page.evaluate(({ set, block }) => {
    const at = block ?? undefined
    return Promise.all(set.map(async ({ address, slots }) => {
      const tag = block === null ? 'latest' : `0x${block.toString(16)}`
      const [balance, nonce, code, values, proof] = await Promise.all([
        browser.getBalance(address, at), browser.getTransactionCount(address, at), browser.getCode(address, at),
        Promise.all(slots.map((slot) => browser.getStorage(address, slot, at))), browser.send('eth_getProof', [address, slots, tag]),
      ])
      return { balance, nonce, code, values: values.map(BigInt), proof }
    }))
  }, { set: SET, block }),
  wagmi: (page, block, name = 'config') => page.evaluate(({ set, block, name }) => {
    const at = block === null ? {} : { blockNumber: BigInt(block) }
    const config = window[name]
    return Promise.all(set.map(async ({ address, slots }) => {
      const [balance, nonce, code, values, proof] = await Promise.all([
        wagmi.getBalance(config, { address, ...at }), wagmi.getTransactionCount(config, { address, ...at }), wagmi.getBytecode(config, { address, ...at }),
        Promise.all(slots.map((slot) => wagmi.getStorageAt(config, { address, slot, ...at }))), wagmi.getProof(config, { address, storageKeys: slots, ...at }),
      ])
      return { balance: balance.value, nonce, code: code ?? '0x', values: values.map(BigInt), proof }
    }))
  }, { set: SET, block, name }),
}
READERS['wagmi by its connector'] = (page, block) => READERS.wagmi(page, block, 'connected')

/** What the chain has, as the libraries put it: viem and wagmi make numbers of a proof's. */
async function expected(library, block) {
  const all = await truth(chain, block, SET)
  return all.map(({ balance, nonce, code, values, proof }) => ({ balance, nonce: Number(nonce), code, values, proof: library === 'ethers' ? proof : numbered(proof) }))
}

function numbered(proof) {
  return {
    ...proof,
    balance: BigInt(proof.balance),
    nonce: Number(proof.nonce),
    storageProof: proof.storageProof.map((slot) => ({ ...slot, value: BigInt(slot.value) })),
  }
}

for (const [library, read] of Object.entries(READERS)) {
  test(`${library} reads balances, nonces, codes, slots and proofs as the chain has them, of the newest block and of an older one`, async () => {
    const page = await opened({ block: chain.find(2) })
    assert.deepEqual(await read(page, null), await expected(library, chain.find(2)))
    await page.evaluate((blockHash) => db.sync({ blockHash }).then(() => {}), chain.head.hash)
    assert.deepEqual(await read(page, null), await expected(library, chain.head))
    assert.deepEqual(await read(page, 2), await expected(library, chain.find(2)))
    const { asked, unverified } = await page.evaluate(() => ({ asked: [...new Set(asked)], unverified }))
    const proven = ['eth_accounts', 'eth_chainId', 'eth_getBalance', 'eth_getCode', 'eth_getProof', 'eth_getStorageAt', 'eth_getTransactionCount']
    assert.deepEqual(asked.filter((method) => !proven.includes(method)), [], 'only what is proven was asked for')
    assert.deepEqual([unverified, page.uncaught], [[], []])
  })
}
