/**
 * viem, ethers and wagmi read proven state through our provider, in a page, unchanged. What they
 * answer is compared with the chain's own state.
 */

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Chain, addressOf, contractOf, word } from '../../xtask/node/provider.mjs'
import { setUp } from './lib/harness.mjs'
import { MULTICALL3, READERS, bundleLibraries, useLibraries } from './lib/libraries.mjs'
import { Providers, SET, held, truth } from './lib/providers.mjs'

/** An account of the chain that is not in the set. */
const UNTRACKED = addressOf(21)
/** What the set has not: accounts, one of them absent, and slots of a contract that it has. */
const OTHERS = [
  { address: UNTRACKED, slots: [], code: true },
  { address: contractOf(5), slots: [0, 7, 2_000].map(word), code: true },
  { address: contractOf(0), slots: [30, 31].map(word), code: true },
  { address: addressOf(99_997), slots: [word(1)], code: true },
]

const world = setUp()
const providers = new Providers()
let chain
before(async () => {
  await bundleLibraries()
  chain = await Chain.generate()
  for (let at = 0; at < 3; at++) await chain.advance(40)
})
after(() => providers.stop())

/** A page with the set held at a block as `db`, and the libraries over a provider of it. */
async function opened({ block = chain.head, options = {}, hasFallback = false } = {}) {
  await providers.allow(world.context)
  const page = await world.page()
  const peer = await providers.start('http', chain)
  // Codes of contracts are held. An account without one proves that by itself.
  await held(page, { chain, block, providers: [peer] })
  await useLibraries(page, { chain, options, hasFallback })
  return page
}

/** What the chain has, as the libraries put it: viem and wagmi make numbers of a proof's. */
async function expected(library, block, set = SET) {
  const all = await truth(chain, block, set.map((each) => ({ ...each, code: true })))
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
    assert.deepEqual(await read(page, SET, null), await expected(library, chain.find(2)))
    await page.evaluate((blockHash) => db.sync({ blockHash }).then(() => {}), chain.head.hash)
    assert.deepEqual(await read(page, SET, null), await expected(library, chain.head))
    assert.deepEqual(await read(page, SET, 2), await expected(library, chain.find(2)))
    const { asked, unverified } = await page.evaluate(() => ({ asked: [...new Set(asked)], unverified }))
    const proven = ['eth_accounts', 'eth_chainId', 'eth_getBalance', 'eth_getCode', 'eth_getProof', 'eth_getStorageAt', 'eth_getTransactionCount']
    assert.deepEqual(asked.filter((method) => !proven.includes(method)), [], 'only what is proven was asked for')
    assert.deepEqual([unverified, page.uncaught], [[], []])
  })
}

/** What went wrong with a call of an account that is not in the set, as the provider says it. */
const NOT_HELD = { code: -32001, data: { code: 'NOT_TRACKED', pending: false } }

test('viem and wagmi tell an unknown method, a block and an account that are not held, and a closed database apart, and ask once', async () => {
  const page = await opened()
  const found = await page.evaluate(async ({ account, untracked, later, contract }) => {
    asked.length = 0
    const viem = {
      method: await failed(() => client.getGasPrice()),
      call: await failed(() => client.call({ to: contract, data: '0x' })),
      block: await failed(() => client.getBalance({ address: account, blockNumber: 1n })),
      pending: await failed(() => client.getTransactionCount({ address: account, blockTag: 'pending' })),
      untracked: await failed(() => client.getBalance({ address: untracked })),
    }
    const core = {
      method: await failed(() => wagmi.getBalance(multicalling, { address: account })),
      untracked: await failed(() => wagmi.getBalance(config, { address: untracked })),
      connect: await failed(() => wagmi.connect(config, { connector: config.connectors[0] })),
    }
    const calls = asked.splice(0)
    // Nobody can be asked for it, so it stays pending.
    for (const peer of peers) peer.close()
    db.track([later]).catch(() => {})
    viem.later = await failed(() => client.getBalance({ address: later }))
    const ended = new Promise((resolve) => provider.on('disconnect', resolve))
    await db.close()
    viem.closed = await failed(() => client.getBalance({ address: account }))
    const { code, data } = await ended
    return { viem, core, calls, ended: { code, data } }
  }, { account: addressOf(1), untracked: UNTRACKED, later: addressOf(22), contract: contractOf(0) })
  const { viem, core, calls, ended } = found

  assert.deepEqual([viem.method.names, viem.method.code], [['UnsupportedProviderMethodError', 'ProviderRpcError'], 4200])
  assert.deepEqual([viem.call.names, viem.call.own.code], [['CallExecutionError', 'UnsupportedProviderMethodError', 'ProviderRpcError'], 4200])
  assert.deepEqual(viem.block.names.slice(0, 2), ['ResourceNotFoundRpcError', 'ProviderRpcError'])
  assert.deepEqual(viem.block.own.data, { code: 'NO_SUCH_STATE', pending: false })
  assert.deepEqual([viem.pending.names[0], viem.pending.own.code], ['InvalidParamsRpcError', -32602])
  assert.deepEqual(viem.untracked.names.slice(0, 2), ['ResourceNotFoundRpcError', 'ProviderRpcError'])
  assert.deepEqual(withoutMessage(viem.untracked.own), NOT_HELD)
  assert.deepEqual(viem.later.own.data, { code: 'NOT_TRACKED', pending: true })
  assert.deepEqual([viem.closed.names[0], viem.closed.own.code, viem.closed.own.data], ['ProviderDisconnectedError', 4900, { code: 'CLOSED' }])
  assert.deepEqual(ended, { code: 4900, data: { code: 'CLOSED' } })

  // It is a call of Multicall3, which nothing proves.
  assert.deepEqual([core.method.names, core.method.own.code], [['CallExecutionError', 'UnsupportedProviderMethodError', 'ProviderRpcError'], 4200])
  assert.deepEqual([core.untracked.names[0], withoutMessage(core.untracked.own)], ['ResourceNotFoundRpcError', NOT_HELD])
  // It is no wallet.
  assert.deepEqual([core.connect.names, core.connect.code], [['ProviderRpcError'], 4200])
  assert.deepEqual(calls, [
    'eth_gasPrice', 'eth_call', 'eth_getBalance', 'eth_getTransactionCount', 'eth_getBalance',
    'eth_call', 'eth_getBalance', 'wallet_requestPermissions', 'eth_requestAccounts',
  ])
  assert.deepEqual(page.uncaught, [])
})

test('ethers tells an unknown method from what is not held, and finds the network by the provider', async () => {
  const page = await opened()
  const found = await page.evaluate(async ({ account, untracked, contract, id }) => {
    const errors = {
      method: await failed(() => browser.send('eth_gasPrice', [])),
      logs: await failed(() => browser.getLogs({})),
      call: await failed(() => browser.call({ to: contract, data: '0x' })),
      block: await failed(() => browser.getBalance(account, 1)),
      pending: await failed(() => browser.getTransactionCount(account, 'pending')),
      untracked: await failed(() => browser.getBalance(untracked)),
    }
    const { chainId } = await browser.getNetwork()
    const accounts = await browser.listAccounts()
    asked.length = 0
    // It believes the chain's number that it is given, so it asks for nothing else.
    const fixed = new ethers.BrowserProvider(provider, id, { staticNetwork: true })
    await fixed.getBalance(account)
    await fixed.getBlockNumber()
    return { errors, chainId, accounts: accounts.length, calls: asked }
  }, { account: addressOf(1), untracked: UNTRACKED, contract: contractOf(0), id: chain.chainId })
  const { errors } = found

  for (const { code, own } of [errors.method, errors.logs]) assert.deepEqual([code, own.code], ['UNSUPPORTED_OPERATION', 4200])
  // Whatever a call ends with, it takes for what the contract says. The provider's error is in it.
  assert.deepEqual([errors.call.code, errors.call.own.code], ['CALL_EXCEPTION', 4200])
  // It has no name for these. The provider's error is in it.
  assert.deepEqual([errors.block.code, errors.block.own.data], ['UNKNOWN_ERROR', { code: 'NO_SUCH_STATE', pending: false }])
  assert.deepEqual([errors.pending.code, errors.pending.own.code], ['UNKNOWN_ERROR', -32602])
  assert.deepEqual([errors.untracked.code, withoutMessage(errors.untracked.own)], ['UNKNOWN_ERROR', NOT_HELD])
  assert.deepEqual([found.chainId, found.accounts], [BigInt(chain.chainId), 0])
  assert.deepEqual(found.calls, ['eth_getBalance', 'eth_blockNumber'])
  assert.deepEqual(page.uncaught, [])
})

test('all three hear of each newer block that was proven, by asking for its number', async () => {
  const page = await opened({ block: chain.find(2) })
  const heard = await page.evaluate(async (hash) => {
    const begun = await Promise.all([client.getBlockNumber({ cacheTime: 0 }), browser.getBlockNumber(), wagmi.getBlockNumber(config, { cacheTime: 0 })])
    const newer = Promise.all([
      new Promise((resolve) => client.watchBlockNumber({ onBlockNumber: (number) => number > 2n && resolve(number) })),
      new Promise((resolve) => browser.on('block', (number) => number > 2 && resolve(number))),
      new Promise((resolve) => wagmi.watchBlockNumber(config, { onBlockNumber: (number) => number > 2n && resolve(number) })),
    ])
    await db.sync({ blockHash: hash })
    return { begun, newer: await newer }
  }, chain.head.hash)
  assert.deepEqual(heard, { begun: [2n, 2, 2n], newer: [3n, 3, 3n] })
  assert.deepEqual(page.uncaught, [])
})

test('while a chain is followed, viem and ethers get the proven header of its newest block, and the fallback gets only what asks for more', async () => {
  const page = await opened({ block: chain.find(2), options: { headers: true }, hasFallback: true })
  const { header, hash } = chain.head
  const peer = await providers.start('http', chain)
  const found = await page.evaluate(async (url) => {
    for await (const { state } of db.follow(url)) if (state === 'current') break
    const blocks = {
      viem: await client.getBlock(), byHash: await client.getBlock({ blockHash: db.complete.block.hash }),
      ethers: (await browser.getBlock('latest')).toJSON(),
    }
    const proven = unverified.splice(0)
    await failed(() => browser.getBlock('latest', true))
    return { blocks, proven, unverified: unverified.map(({ method }) => method) }
  }, peer.told.url)
  const { viem, byHash, ethers } = found.blocks
  assert.deepEqual(viem, byHash)
  for (const name of ['parentHash', 'stateRoot', 'extraData', 'mixHash', 'receiptsRoot', 'miner']) assert.equal(viem[name], header[name], name)
  for (const name of ['number', 'timestamp', 'gasLimit', 'baseFeePerGas']) assert.equal(viem[name], BigInt(header[name]), name)
  assert.deepEqual([viem.hash, viem.transactions], [hash, []])
  assert.deepEqual([ethers.hash, ethers.number, ethers.timestamp, ethers.parentHash], [hash, Number(header.number), Number(header.timestamp), header.parentHash])
  assert.deepEqual([found.proven, found.unverified], [[], ['eth_getBlockByNumber']])
  assert.deepEqual(page.uncaught, [])
})

test('with reads on demand all three read what is not in the set, as the chain has it, and the set stays as it is', async () => {
  const page = await opened({ options: { onDemand: true } })
  const before = await page.evaluate(() => db.tracked())
  for (const [library, read] of Object.entries(READERS)) assert.deepEqual(await read(page, OTHERS, null), await expected(library, chain.head, OTHERS), library)
  const { tracked, unverified, direct } = await page.evaluate(async (untracked) => ({
    tracked: await db.tracked(), unverified, direct: await failure(() => db.getAccount(untracked)),
  }), UNTRACKED)
  assert.deepEqual(tracked, before)
  assert.equal(direct.code, 'NOT_TRACKED')
  assert.deepEqual([unverified, page.uncaught], [[], []])
})

test('what cannot be proven goes to the fallback, marked, wagmi\'s balance by Multicall3 with it; what can be proven never does', async () => {
  const page = await opened({ hasFallback: true })
  const found = await page.evaluate(async ({ account, untracked, contract }) => {
    const balance = {
      called: (await wagmi.getBalance(multicalling, { address: account })).value,
      unverified: unverified.splice(0).map(({ method, params }) => [method, params[0].to]),
      proven: (await wagmi.getBalance(config, { address: account })).value,
    }
    const call = { viem: (await client.call({ to: contract, data: '0x' })).data, ethers: await browser.call({ to: contract, data: '0x' }) }
    const limit = await failed(() => client.request({ method: 'eth_gasPrice' }, { retryCount: 0 }))
    const notHeld = await failed(() => client.getBalance({ address: untracked }))
    return { balance, call, limit, notHeld, unverified: unverified.map(({ method }) => method), answered }
  }, { account: addressOf(1), untracked: UNTRACKED, contract: contractOf(0) })
  const [{ balance }] = await truth(chain, chain.head, [{ address: addressOf(1), slots: [] }])
  assert.deepEqual(found.balance, { called: 12345n, unverified: [['eth_call', MULTICALL3]], proven: balance })
  assert.deepEqual(found.call, { viem: word(12345), ethers: word(12345) })
  assert.deepEqual([found.limit.names[0], found.limit.code], ['LimitExceededRpcError', -32005])
  assert.deepEqual(withoutMessage(found.notHeld.own), NOT_HELD)
  assert.deepEqual(found.unverified, ['eth_call', 'eth_call', 'eth_gasPrice'])
  assert.deepEqual(found.answered, ['eth_call', ...found.unverified])
  assert.deepEqual(page.uncaught, [])
})

function withoutMessage({ code, data }) {
  return { code, data }
}
