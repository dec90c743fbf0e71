/**
 * The demo: peers, the page, and with `--headless` a browser that goes through it to the end.
 *
 * `node demo.mjs ((--genesis=FILE | --state-of=N) [--by-hash] | --chain | --geth |
 * --wallet [--provider=URL]) [--accounts=N] [--port=PORT]
 * [--headless [--blocks=10] [--kills=1] [--keys=300]]`
 */

import { spawn } from 'node:child_process'
import { parseArgs } from 'node:util'
import { startChain } from './demo/chain.mjs'
import { follow } from './demo/following.mjs'
import { startGethChain } from './demo/geth.mjs'
import { syncOnce } from './demo/one-state.mjs'
import { prepareWallet } from './demo/wallet.mjs'
import { startPeers } from './peers.mjs'
import { serve } from './serve.mjs'

/** What a sync of Ethereum mainnet's genesis state must end with. */
const MAINNET = {
  root: '0xd7f8974fb5ac78d9ac099b9ad5018bedc2ce0a72dad1827a1709da30580f0544',
  accounts: 8893,
}
const CHAIN_ACCOUNTS = 100_000
/**
 * How often blocks are made: by native peers as often as on Ethereum's layers, by go-ethereum as
 * fast as its timer allows.
 */
const CHAIN_EVERY_MS = 2_000
const GETH_EVERY_MS = 1_000

const { values: options } = parseArgs({
  options: {
    genesis: { type: 'string' },
    'state-of': { type: 'string' },
    'by-hash': { type: 'boolean', default: false },
    chain: { type: 'boolean', default: false },
    geth: { type: 'boolean', default: false },
    wallet: { type: 'boolean', default: false },
    provider: { type: 'string' },
    accounts: { type: 'string' },
    headless: { type: 'boolean', default: false },
    blocks: { type: 'string', default: '10' },
    kills: { type: 'string', default: '1' },
    keys: { type: 'string', default: '300' },
    port: { type: 'string', default: '0' },
  },
})
const accounts = Number(options.accounts ?? CHAIN_ACCOUNTS)
const server = await serve({ port: Number(options.port) })
const scene = await (options.wallet ? prepareWallet({ provider: options.provider, origin: server.origin }) : prepared()).catch((error) => {
  console.log(`\nNOT STARTED: ${error.message}`)
  process.exit(1)
})
const url = scene.url ?? addressOf(scene)

if (options.headless) {
  const reached = await scene.play(url).catch((error) => {
    console.log(`\nNOT COMPLETE: ${error.message}`)
    return false
  })
  await Promise.all([server.close(), scene.stop()])
  process.exitCode = reached ? 0 : 1
} else {
  console.log(`\n  ${url}\n\nopening it; press Ctrl-C to end the demo`)
  showInBrowser(url)
}

/** The page's address. Colons and commas are allowed in a query, and are easier to read. */
function addressOf({ query, flags }) {
  const readable = new URLSearchParams(query).toString().replace(/%2C/g, ',').replace(/%3A/g, ':').replace(/%2F/g, '/')
  return `${server.origin}/?${readable}&${flags}`
}

/** Which peers are asked, what is in the page's address, and which scene is run. */
async function prepared() {
  if (options.chain || options.geth) {
    const everyMs = options.geth ? GETH_EVERY_MS : CHAIN_EVERY_MS
    const chain = await (options.geth ? startGethChain : startChain)({ accounts, everyMs })
    const plan = { blocks: Number(options.blocks), kills: Number(options.kills), keys: Number(options.keys), everyMs }
    const { urls, networkId, genesisHash, examples, follow: node = '' } = chain
    return {
      query: { network: networkId, genesis: genesisHash, peers: urls.join(','), examples: examples.join(',') },
      flags: `follow${node && `=${node}`}&start`,
      play: (url) => follow({ url, picture: options.geth ? 'demo-geth.png' : 'demo-chain.png', chain, plan }),
      stop: () => chain.stop(),
    }
  }
  const state = options.genesis
    ? ['--genesis', options.genesis]
    : ['--accounts', options['state-of'], '--contracts', '0.15', '--huge', '2:20000']
  const byHash = options['by-hash']
  const what = options.genesis ? "mainnet's genesis state" : `${options['state-of']} generated accounts`
  console.log(`starting two peers with ${what}${byHash ? ', which answer by hash only' : ''}`)
  const peers = await startPeers(2, byHash ? [...state, '--by', 'hash'] : state)
  const [{ root, accounts: held, networkId, genesisHash }] = peers
  const urls = peers.map((peer) => peer.url).join(',')
  return {
    query: { root, network: networkId, genesis: genesisHash, [byHash ? 'hash-peers' : 'peers']: urls },
    flags: 'start',
    play: (url) => syncOnce({ url, wanted: options.genesis ? MAINNET : { root, accounts: held }, byHash }),
    stop: () => Promise.all(peers.map((peer) => peer.stop())),
  }
}

/** Opens the developer's own browser. If there is none, the printed address is enough. */
function showInBrowser(address) {
  const [program, ...before] = { darwin: ['open'], win32: ['cmd', '/c', 'start', ''] }[process.platform] ?? ['xdg-open']
  const child = spawn(program, [...before, address], { stdio: 'ignore', detached: true })
  const advise = () => console.log('no browser could be opened from here: open the address above in one')
  child.on('error', advise)
  child.on('exit', (code) => code !== 0 && advise())
  child.unref()
}
