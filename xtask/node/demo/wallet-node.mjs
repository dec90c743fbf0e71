/**
 * The node that a wallet's page asks: a real go-ethereum node that makes blocks, the test
 * provider's chain where Go is not installed, or the user's own provider.
 *
 * Each gives `{ upstream, local, network, watch, unused, call, stop }`:
 * - `upstream`: the provider's URL;
 * - `local`: whether the chain is the command's own, and begins anew each time;
 * - `network`: `{ id, genesisHash }`;
 * - `watch`: what the page watches at first, `[{ address, slots, label }]`;
 * - `unused`: an address that is added later;
 * - `call(method, params)` asks the node itself.
 */

import { WebSocket } from 'ws'
import { missing, startGeth, until } from '../geth.mjs'
import { Chain, TestProvider, addressOf, contractOf, startProvider, word } from '../provider.mjs'

/** How often a block is made: as fast as go-ethereum's timer allows. */
const EVERY_MS = 1_000
/** Few enough that transfers of a block meet a watched account now and then. */
const GETH = { accounts: 120, contracts: 6, huge: 0 }
const FIRST_BLOCK_WITHIN_MS = 30_000
const ANSWER_WITHIN_MS = 30_000
/** The contract of EIP-2935: block n writes its parent's hash into slot n - 1 (modulo 8,191). */
const HISTORY = '0x0000f90827f1c53a10cb7a02335b175320002935'
const NOBODY = `0x${'00'.repeat(20)}`
/** Addresses that people know, for a provider of mainnet. */
const MAINNET = [
  { address: '0xd8da6bf26964af9d7eed9e03e53415d37aa96045', slots: [], label: 'vitalik.eth' },
  // Slot 1 of Tether's token is its total supply.
  { address: '0xdac17f958d2ee523a2206206994597c13d831ec7', slots: ['0x1'], label: 'Tether (USDT), total supply' },
]

/** Addresses that people send to on every chain, without having them. */
const ELSEWHERE = [
  { address: NOBODY, slots: [], label: 'The zero address' },
  { address: `0x${'00'.repeat(18)}dead`, slots: [], label: 'The burn address' },
]

/**
 * @param {string} [url] the user's own provider
 */
export function startNode(url) {
  if (url) return ownProvider(url)
  const why = missing()
  if (!why) return gethNode()
  console.log(`a real go-ethereum node cannot be started (${why}): the test provider's own chain takes its place`)
  return testChain()
}

async function gethNode() {
  console.log(`starting go-ethereum, which makes a block every ${EVERY_MS / 1000} s`)
  const { rpc, rpcUrl, networkId, genesisHash, genesis, stop } = await startGeth({ ...GETH, everyMs: EVERY_MS })
  const payer = await payerOf(rpc)
  const plain = Object.keys(genesis).filter((address) => !genesis[address].code && address !== payer)
  const richest = plain.sort((a, b) => Number(BigInt(genesis[b].balance ?? 0) - BigInt(genesis[a].balance ?? 0)))
  const contract = Object.keys(genesis).find((address) => Object.keys(genesis[address].storage ?? {}).length > 2 && address !== HISTORY)
  return {
    upstream: rpcUrl,
    local: true,
    network: { id: networkId, genesisHash },
    watch: [
      { address: richest[0], slots: [], label: 'Savings' },
      { address: payer, slots: [], label: 'Faucet' },
      { address: NOBODY, slots: [], label: 'Fee income' },
      { address: contract, slots: Object.keys(genesis[contract].storage).slice(0, 2), label: 'A token’s contract' },
      { address: HISTORY, slots: ['0x3c'], label: 'Block hashes' },
    ],
    unused: richest[1],
    call: (method, params) => rpc.call(method, params),
    stop,
  }
}

/** Who pays for the transactions of each block. */
async function payerOf(rpc) {
  let block
  await until(FIRST_BLOCK_WITHIN_MS, 'the node made no block with transactions', async () => {
    block = await rpc.call('eth_getBlockByNumber', ['latest', true])
    return block.transactions.length > 0
  })
  return block.transactions[0].from
}

/**
 * The test provider's chain, with a block a second (or `makeBlock`, where `everyMs` is 0).
 * @param {{everyMs?: number}} [options]
 */
export async function testChain({ everyMs = EVERY_MS } = {}) {
  let last = 0
  // As of now, because the page shows ages. No two blocks have the same time.
  const timeOf = () => (last = Math.max(last + 1, Math.floor(Date.now() / 1000)))
  const chain = await Chain.generate({ timeOf })
  const server = await startProvider(chain)
  const plain = new TestProvider(chain)
  const [everyday, savings, token] = [addressOf(1), addressOf(150), contractOf(0)]
  const makeBlock = async () => {
    const number = BigInt(Number(chain.head.header.number) + 1)
    const { account } = chain.truth(everyday, [], chain.head)
    return chain.block(new Map([
      [everyday, { nonce: account.nonce + 1, balance: number * 10n ** 14n + 2n * 10n ** 18n }],
      [NOBODY, { balance: number * 3n * 10n ** 15n }],
      [token, { storage: new Map([[word(0), number * 1_000n]]) }],
      ...(number % 5n === 0n ? [[savings, { balance: number * 10n ** 16n + 7n * 10n ** 18n }]] : []),
    ]))
  }
  await makeBlock()
  let making = Promise.resolve()
  const timer = everyMs > 0 && setInterval(() => {
    making = making.then(makeBlock)
  }, everyMs)
  return {
    upstream: server.ws,
    local: true,
    network: { id: chain.chainId, genesisHash: chain.genesisHash },
    watch: [
      { address: savings, slots: [], label: 'Savings' },
      { address: everyday, slots: [], label: 'Everyday account' },
      { address: NOBODY, slots: [], label: 'Fee income' },
      { address: token, slots: [word(0), word(7)], label: 'A token’s contract' },
    ],
    unused: addressOf(99_999),
    makeBlock,
    call: (method, params) => plain.request({ method, params }),
    stop: async () => {
      clearInterval(timer)
      await making
      await server.close()
    },
  }
}

/** A provider that the user named. Its chain and its genesis block are believed. */
async function ownProvider(url) {
  const call = (method, params) => asked(url, method, params)
  const [id, genesis] = await Promise.all([call('eth_chainId', []), call('eth_getBlockByNumber', ['0x0', false])])
  if (!genesis?.hash) throw new Error(`${hostOf(url)} does not know its block 0, whose hash names the network`)
  return {
    upstream: url,
    local: false,
    network: { id: Number(id), genesisHash: genesis.hash },
    watch: Number(id) === 1 ? MAINNET : ELSEWHERE,
    unused: `0x${'00'.repeat(19)}01`,
    call,
    stop: async () => {},
  }
}

async function asked(url, method, params) {
  const call = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
  try {
    const { result, error } = JSON.parse(await (/^ws/.test(url) ? overSocket : overHttp)(url, call))
    if (error) throw new Error(`${method}: ${error.message}`)
    return result
  } catch (error) {
    throw new Error(`${hostOf(url)} does not answer as a provider: ${error.cause?.message ?? error.message}`)
  }
}

async function overHttp(url, body) {
  const signal = AbortSignal.timeout(ANSWER_WITHIN_MS)
  const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body, signal })
  const text = await response.text()
  if (!response.ok) throw new Error(`HTTP status ${response.status}`)
  return text
}

function overSocket(url, body) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, { handshakeTimeout: ANSWER_WITHIN_MS })
    const timer = setTimeout(() => socket.close(), ANSWER_WITHIN_MS)
    socket.on('open', () => socket.send(body))
    socket.on('message', (data) => {
      resolve(String(data))
      socket.close()
    })
    socket.on('error', reject)
    socket.on('close', () => {
      clearTimeout(timer)
      reject(new Error(`no answer within ${ANSWER_WITHIN_MS / 1000} s`))
    })
  })
}

/** The URL may hold a key, so only its host is printed. */
function hostOf(url) {
  return new URL(url).host
}
