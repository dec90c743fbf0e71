/** viem, ethers and wagmi in a page, over our provider. */

import { librariesBundle } from '../../../xtask/node/bundle.mjs'

/** All that the tests need of them. */
const LIBRARIES = `
import { createPublicClient, custom, defineChain } from 'viem'
import { BrowserProvider } from 'ethers'
import { connect, createConfig, getBalance, getBlockNumber, getBytecode, getProof, getStorageAt, getTransactionCount, injected, unstable_connector, watchBlockNumber } from '@wagmi/core'
export const viem = { createPublicClient, custom, defineChain }
export const ethers = { BrowserProvider }
export const wagmi = { connect, createConfig, getBalance, getBlockNumber, getBytecode, getProof, getStorageAt, getTransactionCount, injected, unstable_connector, watchBlockNumber }
`
/** Where wagmi looks for Multicall3 on most chains. */
export const MULTICALL3 = '0xca11bde05977b3631167028862be2a173976ca11'
/** Milliseconds between two questions of a library that asks for new blocks. */
const POLL_MS = 100

/** Bundles them, unless that was done before. Resolves to the bundle's name. */
export function bundleLibraries() {
  return librariesBundle('libraries', LIBRARIES)
}

/**
 * Makes a provider of the page's `db`, and the libraries' own objects over it, as variables of the
 * page (`inPage`).
 *
 * @param {import('playwright-core').Page} page
 * @param {{chain: object, options: object, hasFallback: boolean}} what `options` for
 *   `createProvider`
 */
export async function useLibraries(page, { chain, options, hasFallback }) {
  await page.evaluate(inPage, { libraries: await bundleLibraries(), id: chain.chainId, options, hasFallback, multicall3: MULTICALL3, pollMs: POLL_MS })
}

/**
 * Runs in the page, and leaves there: `client` of viem, `browser` of ethers, and of wagmi `config`,
 * `multicalling` (as it is by default, with calls by Multicall3) and `connected` (which uses the
 * provider by a connector). `asked` are the methods that the provider was asked for, `unverified`
 * its events, and `answered` the methods that the fallback was asked for.
 */
async function inPage({ libraries, id, options, hasFallback, multicall3, pollMs }) {
  Object.assign(window, await import(`/bundles/${libraries}`))
  const { createProvider } = await import('snaplight/provider')
  const [asked, unverified, answered] = [[], [], []]
  const words = (...numbers) => `0x${numbers.map((number) => number.toString(16).padStart(64, '0')).join('')}`
  // Answers each call of a contract with 12345, also one within `aggregate3` of Multicall3.
  const numbers = {
    async request({ method, params }) {
      answered.push(method)
      if (method === 'eth_call') return params[0].data.startsWith('0x82ad56cb') ? words(32, 1, 32, 1, 64, 32, 12345) : words(12345)
      throw Object.assign(new Error('out of requests'), { code: -32005, data: { plan: 'free' } })
    },
  }
  const provider = createProvider(db, hasFallback ? { ...options, fallback: numbers } : options)
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
  const config = configOf({ transports: { [id]: viem.custom(provider) }, batch: { multicall: false }, pollingInterval: pollMs })
  const multicalling = configOf({ transports: { [id]: viem.custom(provider) } })
  const connected = configOf({ transports: { [id]: wagmi.unstable_connector(wagmi.injected) }, batch: { multicall: false } })
  /** What a library's error is, and the provider's in it. */
  const failed = async (call) => {
    try {
      return { answer: await call() }
    } catch (error) {
      // viem wraps the provider's error as a cause, ethers as a field.
      const names = []
      let own = error.info?.error ?? error.error
      for (let cause = error; cause && cause instanceof Error && names.length < 8; cause = cause.cause) {
        names.push(cause.name)
        if (cause.name === 'ProviderRpcError') own = cause
      }
      return { code: error.code, names, own: own && { code: own.code, message: own.message, data: own.data } }
    }
  }
  Object.assign(window, { provider, asked, unverified, answered, client, browser, config, multicalling, connected, failed })
}

/**
 * What a library reads of a set: of each account balance, nonce, code, values of slots, and the
 * proof as the library gives it. `block` is a number, or `null` for the newest.
 */
export const READERS = {
  viem: (page, set, block) => page.evaluate(({ set, block }) => {
    const at = block === null ? {} : { blockNumber: BigInt(block) }
    return Promise.all(set.map(async ({ address, slots }) => {
      const [balance, nonce, code, values, proof] = await Promise.all([
        client.getBalance({ address, ...at }), client.getTransactionCount({ address, ...at }), client.getCode({ address, ...at }),
        Promise.all(slots.map((slot) => client.getStorageAt({ address, slot, ...at }))), client.getProof({ address, storageKeys: slots, ...at }),
      ])
      return { balance, nonce, code: code ?? '0x', values: values.map(BigInt), proof }
    }))
  }, { set, block }),
  ethers: (page, set, block) => page.evaluate(({ set, block }) => {
    const at = block ?? undefined
    const tag = block === null ? 'latest' : `0x${block.toString(16)}`
    return Promise.all(set.map(async ({ address, slots }) => {
      const [balance, nonce, code, values, proof] = await Promise.all([
        browser.getBalance(address, at), browser.getTransactionCount(address, at), browser.getCode(address, at),
        Promise.all(slots.map((slot) => browser.getStorage(address, slot, at))), browser.send('eth_getProof', [address, slots, tag]),
      ])
      return { balance, nonce, code, values: values.map(BigInt), proof }
    }))
  }, { set, block }),
  wagmi: (page, set, block, name = 'config') => page.evaluate(({ set, block, name }) => {
    const at = block === null ? {} : { blockNumber: BigInt(block) }
    const config = window[name]
    return Promise.all(set.map(async ({ address, slots }) => {
      const [balance, nonce, code, values, proof] = await Promise.all([
        wagmi.getBalance(config, { address, ...at }), wagmi.getTransactionCount(config, { address, ...at }), wagmi.getBytecode(config, { address, ...at }),
        Promise.all(slots.map((slot) => wagmi.getStorageAt(config, { address, slot, ...at }))), wagmi.getProof(config, { address, storageKeys: slots, ...at }),
      ])
      return { balance: balance.value, nonce, code: code ?? '0x', values: values.map(BigInt), proof }
    }))
  }, { set, block, name }),
}
/** Through the connector that an app makes of a provider. */
READERS['wagmi by its connector'] = (page, set, block) => READERS.wagmi(page, set, block, 'connected')
