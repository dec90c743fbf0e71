/**
 * The Ethereum project's conformance files (ethereum/execution-apis, `tests/`): a real go-ethereum
 * node has their chain, a tab syncs it, and the EIP-1193 provider answers the recorded questions as
 * recorded: results deep-equal, and errors with the same codes. Their texts may differ.
 */

import assert from 'node:assert/strict'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { missing, startRecorded } from '../../xtask/node/geth.mjs'
import { setUp } from './lib/harness.mjs'

const FOLDER = fileURLToPath(new URL('../../../shared/data/execution-apis', import.meta.url))
/** What the provider answers from proven state. The folder's other methods go to a fallback. */
const METHODS = [
  'eth_getBalance', 'eth_getCode', 'eth_getStorageAt', 'eth_getStorageValues', 'eth_getTransactionCount', 'eth_getProof', 'eth_chainId',
  'eth_blockNumber', 'net_version',
]
/**
 * What is not answered as recorded after a sync to the head alone: it asks for a block before the
 * head, and a state that was never synced to is not there. A sync to that block first has it.
 */
const OLDER = { 'eth_getBalance/get-balance-blockhash.io': 44 }
/** Ends before the test times out, because the error then has the sync's progress. */
const GIVE_UP_AFTER_MS = 60_000

const skip = missing() || (existsSync(FOLDER) ? false : 'the recorded questions of ../shared/data/execution-apis are not there')
const QUESTIONS = skip ? [] : METHODS.flatMap(recorded)
const world = setUp()
let node
before(async () => {
  if (!skip) node = await startRecorded(FOLDER)
})
after(() => node?.stop())

test('the files have questions of every method, and those of older blocks are the ones that are listed', { skip }, async () => {
  assert.deepEqual(METHODS.filter((name) => !QUESTIONS.some(({ method }) => method === name)), [])
  assert.ok(QUESTIONS.length >= 29, `${QUESTIONS.length} questions`)
  const older = {}
  for (const { name, params } of QUESTIONS) {
    const hash = params?.find((param) => /^0x[0-9a-f]{64}$/.test(param) && param !== node.head.hash)
    const block = hash && (await node.rpc.call('eth_getBlockByHash', [hash, false]))
    if (block) older[name] = Number(block.number)
  }
  assert.deepEqual(older, OLDER)
})

/** What the page holds, and from whom. */
const WAYS = {
  'everything, by snap through the gateway': { hold: 'everything', peerOf: ({ url }) => ({ url, by: 'snap' }) },
  'a set of what is asked for, by JSON-RPC over HTTP': { hold: 'set', peerOf: overHttp },
  'a set of what is asked for, by JSON-RPC over WebSocket': { hold: 'set', peerOf: ({ rpcUrl }) => ({ url: rpcUrl, by: 'rpc' }) },
  'a set of what is asked for, in a worker': { hold: 'set', peerOf: overHttp, worker: true },
}

for (const [way, { hold, peerOf, worker = false }] of Object.entries(WAYS)) {
  test(`${way}: at the head, all recorded questions have the recorded answers, but those of older blocks`, { skip }, async () => {
    const page = await world.page()
    await open(page, { name: `${way}, head`, hold, worker, ...peerOf(node) })
    await sync(page, node.head.hash)
    const answers = await asked(page, QUESTIONS)
    for (const [at, question] of QUESTIONS.entries()) {
      if (!(question.name in OLDER)) assertRecorded(answers[at], question)
      else {
        assert.equal(answers[at].error?.code, -32001, question.name)
        assert.deepEqual(answers[at].error.data, { code: 'NO_SUCH_STATE', pending: false }, question.name)
      }
    }
    await assertClean(page)
  })

  test(`${way}: after a sync to the older block first, all recorded questions have the recorded answers`, { skip }, async () => {
    const page = await world.page()
    await open(page, { name: `${way}, older`, hold, worker, ...peerOf(node) })
    const [number] = Object.values(OLDER)
    const { hash } = await node.rpc.call('eth_getBlockByNumber', [`0x${number.toString(16)}`, false])
    await sync(page, hash)
    const [before, after] = [QUESTIONS.filter(({ name }) => name in OLDER), QUESTIONS.filter(({ name }) => !(name in OLDER))]
    const check = (answers, questions) => questions.forEach((question, at) => assertRecorded(answers[at], question))
    check(await asked(page, before), before)
    await sync(page, node.head.hash)
    check(await asked(page, after), after)
    // A set keeps the older state. Of everything, the complete one is the only one.
    if (hold === 'set') check(await asked(page, before), before)
    await assertClean(page)
  })
}

test('a set that follows the finalized block answers the questions about the latest one by all three tags', { skip }, async () => {
  const page = await world.page()
  const { url, by } = overHttp(node)
  await open(page, { name: 'tags', hold: 'set', url, by })
  await page.evaluate(async ({ url, hash, ms }) => {
    const following = db.follow(url, { tag: 'finalized', everyMs: 100, signal: AbortSignal.timeout(ms) })
    for await (const { complete } of following) if (complete?.block?.hash === hash) return tracked
    throw new Error(`it stood at ${JSON.stringify(following.standing)}`)
  }, { url, hash: node.head.hash, ms: GIVE_UP_AFTER_MS })
  const questions = QUESTIONS.filter(({ params }) => params?.at(-1) === 'latest')
  assert.ok(questions.length >= 15, `${questions.length} questions about the latest block`)
  for (const tag of ['latest', 'safe', 'finalized']) {
    const answers = await asked(page, questions.map(({ params, ...question }) => ({ ...question, params: [...params.slice(0, -1), tag] })))
    questions.forEach((question, at) => assertRecorded(answers[at], question))
  }
  await assertClean(page)
})

function overHttp({ rpcUrl }) {
  return { url: rpcUrl.replace(/^ws/, 'http'), by: 'rpc' }
}

/**
 * The questions about a method as `{ name, method, params, answer }`. In the files, questions follow
 * `>>` and answers `<<`.
 */
function recorded(folder) {
  return readdirSync(join(FOLDER, folder)).flatMap((file) => {
    const lines = readFileSync(join(FOLDER, folder, file), 'utf8').split('\n')
    const read = (mark) => lines.filter((line) => line.startsWith(mark)).map((line) => JSON.parse(line.slice(mark.length)))
    const answers = read('<< ')
    return read('>> ').map(({ method, params }, at) => ({ name: `${folder}/${file}`, method, params, answer: answers[at] }))
  })
}

/** Opens a database, and has it track what the questions name if it holds a set. */
function open(page, { name, hold, url, by, worker }) {
  const { networkId, genesisHash } = node
  return page.evaluate(async ({ name, hold, url, by, worker, set, network }) => {
    const { open } = worker ? await import('snaplight/worker') : snaplight
    const { createProvider } = await import('snaplight/provider')
    window.db = await open({ name, network, hold })
    db.addPeer(url, { by })
    window.tracked = hold === 'set' && db.track(set)
    window.provider = createProvider(db)
    window.unverified = []
    provider.on('unverified', ({ method }) => unverified.push(method))
  }, { name, hold, url, by, worker, set: setOf(QUESTIONS), network: { id: networkId, genesisHash } })
}

function sync(page, blockHash) {
  return page.evaluate(async ({ blockHash, ms }) => {
    try {
      await db.sync({ blockHash }, { signal: AbortSignal.timeout(ms) })
    } catch (error) {
      throw new Error(`${error.message}; it stood at ${JSON.stringify(db.progress())}`, { cause: error })
    }
    await tracked
  }, { blockHash, ms: GIVE_UP_AFTER_MS })
}

/** What the provider answers, all at once: `{ result }` or `{ error }` for each. */
function asked(page, questions) {
  return page.evaluate((calls) => Promise.all(calls.map(async (call) => {
    try {
      return { result: await provider.request(call) }
    } catch (error) {
      const { code, message, data } = error
      return { error: { code, message, data, isError: error instanceof Error } }
    }
  })), questions.map(({ method, params }) => ({ method, params })))
}

function assertRecorded({ result, error }, { name, answer }) {
  if (!answer.error) return assert.deepEqual({ result, error }, { result: answer.result, error: undefined }, name)
  assert.equal(error?.code, answer.error.code, `${name}: ${JSON.stringify(result ?? error)}`)
  assert.ok(error.isError && error.message.length > 0, name)
}

/** Nothing went to a fallback, and nothing threw. */
async function assertClean(page) {
  assert.deepEqual(await page.evaluate(() => unverified), [])
  assert.deepEqual(page.uncaught, [])
}

/** All accounts, slots and codes that the questions name. What is no slot's number is left out. */
function setOf(questions) {
  const set = new Map()
  const add = (address, slots, code = false) => {
    const entry = set.get(address) ?? { address, slots: [], code: false }
    entry.slots.push(...slots.filter((slot) => /^0x[0-9a-f]{1,64}$/.test(slot) && !entry.slots.includes(slot)))
    entry.code ||= code
    set.set(address, entry)
  }
  for (const { method, params } of questions) {
    if (method === 'eth_getStorageValues') for (const [address, slots] of Object.entries(params[0])) add(address, slots)
    else if (method === 'eth_getStorageAt') add(params[0], [params[1]])
    else if (method === 'eth_getProof') add(params[0], params[1])
    else if (params) add(params[0], [], method === 'eth_getCode')
  }
  return [...set.values()]
}
