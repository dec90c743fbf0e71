// The provider that answers from proven state (EIP-1193), on databases of sets in memory. What is
// right is what the test chain says, and what a provider over it answers to `eth_getProof`.

import assert from 'node:assert/strict'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { before, test } from 'node:test'
import { Chain, TestProvider, addressOf, contractOf, word } from '../../xtask/node/provider.mjs'
import { quantity } from '../../xtask/node/provider/chain.mjs'
import { random } from '../../xtask/node/random.mjs'
import { makeError } from '../lib/errors.js'
import { toRpcError } from '../lib/eip1193/errors.js'
import { ProviderRpcError, createProvider } from '../provider.js'
import { NotTrackedError, Snaplight, open } from '../snaplight.js'
import { overPort, EMPTY_ROOT, turn } from './support/database.mjs'

const RECORDED = new URL('../../../shared/data/execution-apis/', import.meta.url)
const ZERO_HASH = `0x${'00'.repeat(32)}`
const NO_ADDRESS = `0x${'ee'.repeat(20)}`
const PLAIN = addressOf(3)
const TOKEN = contractOf(0)
/** A slot that is set in block 0, one that is set later, and one that never is. */
const SLOTS = [word(0), word(10_002), word(77)]

let chain
before(async () => {
  chain = await Chain.generate({ accounts: 20, contracts: 2, slots: 4 })
  for (let at = 1; at <= 3; at++) {
    const storage = new Map([[word(0), BigInt(100 + at)], ...(at === 2 ? [[word(10_002), 5n]] : [])])
    await chain.block(new Map([[PLAIN, { nonce: at, balance: 10n ** 21n + BigInt(at) }], [TOKEN, { storage }]]))
  }
})

const blockAt = (number) => chain.find(number)

/** A set in memory, with the chain as its peer, that was synced to these blocks. */
async function synced(t, numbers = [0, 1, 2, 3], options = {}) {
  const db = await open({ network: { id: chain.chainId, genesisHash: chain.genesisHash }, memory: true, hold: 'set', ...options })
  t.after(() => db.close())
  db.addPeer(new TestProvider(chain))
  // It is proven by the first sync, if there is one.
  db.track([PLAIN, NO_ADDRESS, { address: TOKEN, slots: SLOTS, code: true }, { address: contractOf(1), slots: [1] }]).catch(() => {})
  for (const number of numbers) await db.sync({ blockHash: blockAt(number).hash })
  return db
}

const asking = (provider) => (method, ...params) => provider.request({ method, params })
const rpcError = (code, data) => (error) => {
  assert.deepEqual([error.name, error.code, error.data], ['ProviderRpcError', code, data], error.message)
  assert.ok(error instanceof Error && error.message.length > 0)
  return true
}
const notThere = (code, pending = false) => rpcError(-32001, { code, pending })
const unsupported = (method) => (error) => rpcError(4200, undefined)(error) && error.message === `the method ${method} does not exist/is not available`

/** What a listener of the event gets next. */
const heard = (provider, event) => new Promise((resolve) => provider.on(event, resolve))

test('chain id, network id, accounts and the newest block are those of the database', async (t) => {
  const db = await synced(t, [0, 2], { network: { id: 7, genesisHash: chain.genesisHash, chainId: 1337 } })
  const ask = asking(createProvider(db))
  assert.equal(await ask('eth_chainId'), '0x539')
  assert.equal(await ask('net_version'), '7')
  assert.deepEqual(await ask('eth_accounts'), [])
  assert.equal(await ask('eth_blockNumber'), '0x2')
  await db.sync({ blockHash: blockAt(3).hash })
  assert.equal(await ask('eth_blockNumber'), '0x3')
})

test('a block is a number, a hash, an object of EIP-1898 or a tag, and each method reads that very block', async (t) => {
  const ask = asking(createProvider(await synced(t)))
  const named = ({ header, hash }) => [header.number, hash, hash.toUpperCase().replace('0X', '0x'), { blockNumber: header.number }, { blockHash: hash }, { blockHash: hash, requireCanonical: true }, { blockHash: hash, requireCanonical: false }]
  const references = [
    ...[0, 1, 2, 3].flatMap((number) => named(blockAt(number)).map((reference) => [reference, blockAt(number)])),
    ...['latest', { blockNumber: 'latest' }, null, undefined].map((reference) => [reference, chain.head]),
    ['earliest', blockAt(0)],
  ]
  for (const [reference, block] of references) {
    const { account, slots } = chain.truth(TOKEN, SLOTS, block)
    const plain = chain.truth(PLAIN, [], block).account
    assert.equal(await ask('eth_getBalance', PLAIN, reference), quantity(plain.balance))
    assert.equal(await ask('eth_getTransactionCount', PLAIN, reference), quantity(plain.nonce))
    assert.equal(await ask('eth_getCode', TOKEN, reference), chain.code(TOKEN, block))
    for (const [at, slot] of SLOTS.entries()) assert.equal(await ask('eth_getStorageAt', TOKEN, slot, reference), word(slots[at]))
    assert.deepEqual(await ask('eth_getStorageValues', { [TOKEN]: SLOTS, [contractOf(1)]: [word(1)] }, reference), {
      [TOKEN]: slots.map(word),
      [contractOf(1)]: [word(chain.truth(contractOf(1), [word(1)], block).slots[0])],
    })
    const proof = await ask('eth_getProof', TOKEN, SLOTS, reference)
    assert.deepEqual(proof, await new TestProvider(chain).request({ method: 'eth_getProof', params: [TOKEN, SLOTS, { blockHash: block.hash }] }))
    assert.equal(proof.storageHash, account.storageHash)
  }
})

test('left out, the block is the newest complete state', async (t) => {
  const ask = asking(createProvider(await synced(t, [0, 2])))
  assert.equal(await ask('eth_getBalance', PLAIN), quantity(10n ** 21n + 2n))
  assert.equal(await ask('eth_getCode', TOKEN), chain.code(TOKEN, blockAt(2)))
  assert.equal(await ask('eth_getStorageAt', TOKEN, '0x0'), word(102))
  assert.deepEqual(await ask('eth_getStorageValues', { [TOKEN]: ['0x0'] }), { [TOKEN]: [word(102)] })
  assert.equal((await ask('eth_getProof', TOKEN, [])).storageHash, chain.truth(TOKEN, [], blockAt(2)).account.storageHash)
})

test('an account that does not exist has nothing, as go-ethereum writes it', async (t) => {
  const ask = asking(createProvider(await synced(t, [1])))
  assert.equal(await ask('eth_getBalance', NO_ADDRESS, 'latest'), '0x0')
  assert.equal(await ask('eth_getTransactionCount', NO_ADDRESS, 'latest'), '0x0')
  // Nor has one whose code is not tracked, if it has none.
  for (const address of [NO_ADDRESS, PLAIN]) assert.equal(await ask('eth_getCode', address, 'latest'), '0x')
  const proof = await ask('eth_getProof', NO_ADDRESS, [], 'latest')
  assert.deepEqual([proof.codeHash, proof.storageHash, proof.balance], [ZERO_HASH, ZERO_HASH, '0x0'])
  assert.deepEqual(proof, await new TestProvider(chain).request({ method: 'eth_getProof', params: [NO_ADDRESS, [], blockAt(1).header.number] }))
})

test('an empty state of everything answers zeros, and a proof of nothing', async (t) => {
  const db = await open({ network: { id: 1, genesisHash: chain.genesisHash }, memory: true })
  t.after(() => db.close())
  const ask = asking(createProvider(db))
  await db.sync(EMPTY_ROOT)
  assert.equal(await ask('eth_getBalance', PLAIN), '0x0')
  assert.equal(await ask('eth_getCode', PLAIN), '0x')
  assert.equal(await ask('eth_getStorageAt', PLAIN, '0x1'), word(0))
  assert.deepEqual(await ask('eth_getProof', PLAIN, ['0x01']), {
    address: PLAIN, accountProof: null, balance: '0x0', codeHash: ZERO_HASH, nonce: '0x0', storageHash: ZERO_HASH, storageProof: [{ key: '0x1', value: '0x0', proof: [] }],
  })
})

test('a proof gives its keys back as go-ethereum does: whole if they had 32 bytes, else as numbers', async (t) => {
  const ask = asking(createProvider(await synced(t, [2])))
  const digits = word(77).slice(2)
  const keys = [
    ['0x4d', '0x4d'], ['0x04D', '0x4d'], ['0X4d', '0x4d'], ['4d', '0x4d'], ['0x0', '0x0'], ['0x', '0x0'], ['', '0x0'], ['0x00', '0x0'],
    [`0x${digits}`, word(77)], [`0X${digits.toUpperCase()}`, word(77)], [digits, word(77)], [`0x${digits.slice(1)}`, word(77)], [`0x${digits.slice(2)}`, '0x4d'],
  ]
  const { storageProof } = await ask('eth_getProof', TOKEN, keys.map(([given]) => given), 'latest')
  assert.deepEqual(storageProof.map(({ key }) => key), keys.map(([, echoed]) => echoed))
  for (const [given, echoed] of keys) assert.equal(await ask('eth_getStorageAt', TOKEN, given), word(BigInt(echoed) === 77n ? 0 : 102), given)
})

test('addresses may have capital letters, and the answers name them in small ones', async (t) => {
  const ask = asking(createProvider(await synced(t, [1])))
  const capital = `0X${TOKEN.slice(2).toUpperCase()}`
  assert.deepEqual(await ask('eth_getStorageValues', { [capital]: ['0x0'], [PLAIN.toUpperCase()]: [] }), { [TOKEN]: [word(101)], [PLAIN]: [] })
  assert.equal((await ask('eth_getProof', capital, [])).address, TOKEN)
})

test('1,024 storage keys are answered, and one more is refused', async (t) => {
  const ask = asking(createProvider(await synced(t, [1])))
  const keys = Array(1_024).fill('0x0')
  assert.equal((await ask('eth_getProof', TOKEN, keys)).storageProof.length, 1_024)
  assert.equal((await ask('eth_getStorageValues', { [TOKEN]: keys }))[TOKEN].length, 1_024)
  await assert.rejects(ask('eth_getProof', TOKEN, [...keys, '0x0']), rpcError(-32602))
  await assert.rejects(ask('eth_getStorageValues', { [TOKEN]: keys, [contractOf(1)]: ['0x1'] }), rpcError(-32602))
})

test('parameters that are none are refused with -32602, whatever they are', async (t) => {
  const provider = createProvider(await synced(t, [1]))
  const failing = { get blockHash() { throw new Error('the caller’s own') } }
  const proxy = new Proxy({}, { get() { throw new Error('get') }, ownKeys() { throw new Error('keys') } })
  const proxied = new Proxy([], { get() { throw new Error('get') } })
  const odd = [7, true, {}, [], 'x', '0x', Symbol('s'), 5n, () => {}, proxy]
  const addresses = [undefined, null, ...odd, `${PLAIN}00`, PLAIN.slice(2)]
  const blocks = [...odd, failing, '', '0x01', '0xg', '1', '-0x1', 'newest', 'LATEST', `0x8${'0'.repeat(15)}`, `0x${'1'.repeat(70)}`, `0x${'z'.repeat(64)}`, 'pending', { blockNumber: 'pending' },
    { blockNumber: '0x1', blockHash: blockAt(1).hash }, { blockNumber: 1 }, { blockHash: '0x1' }, { blockHash: null }, { requireCanonical: true }, { blockHash: { toString() { throw new Error('no') } } }]
  const keys = [undefined, null, 7, 1n, {}, [], proxy, Symbol('s'), '0xasdf', `0x${'0'.repeat(65)}`, '0x0x', '-1', ' 0x1']
  const lists = ['0x0', 7, {}, proxy, proxied, [7], [null], ['0xzz'], [[]], ['0x1', proxy], { length: 1, 0: '0x0' }]
  const calls = [
    ...['eth_getBalance', 'eth_getTransactionCount', 'eth_getCode'].flatMap((method) => [...addresses.map((each) => [method, [each]]), ...blocks.map((each) => [method, [PLAIN, each]]), [method, [PLAIN, 'latest', 'more']]]),
    ...addresses.map((each) => ['eth_getStorageAt', [each, '0x0']]), ...keys.map((each) => ['eth_getStorageAt', [TOKEN, each]]), ...blocks.map((each) => ['eth_getStorageAt', [TOKEN, '0x0', each]]),
    ...addresses.map((each) => ['eth_getProof', [each, []]]), ...lists.map((each) => ['eth_getProof', [TOKEN, each]]), ...blocks.map((each) => ['eth_getProof', [TOKEN, [], each]]),
    ...[undefined, null, 7, 'x', [], {}, proxy, { [TOKEN]: [] }, { x: ['0x0'] }].map((each) => ['eth_getStorageValues', [each]]), ...lists.map((each) => ['eth_getStorageValues', [{ [TOKEN]: each }]]),
    ...[{}, proxy, proxied, 'x', 7, true, 1n, Symbol('s'), () => {}].map((params) => ['eth_getBalance', params]),
    ['eth_getBalance', undefined], ['eth_getBalance', null],
  ]
  for (const [method, params] of calls) await assert.rejects(provider.request({ method, params }), rpcError(-32602))
})

test('whatever is asked for, a call ends with an answer or with an error that has one of the codes', async (t) => {
  const provider = createProvider(await synced(t, [0, 1]), { headers: true })
  const next = random(7)
  const pick = (values) => values[Math.floor(next() * values.length)]
  const methods = ['eth_chainId', 'net_version', 'eth_accounts', 'eth_blockNumber', 'eth_getBalance', 'eth_getTransactionCount', 'eth_getCode', 'eth_getStorageAt', 'eth_getStorageValues', 'eth_getProof',
    'eth_getBlockByNumber', 'eth_getBlockByHash', 'eth_call', '']
  const leaves = [PLAIN, TOKEN, NO_ADDRESS, 'latest', 'pending', 'safe', 'earliest', '0x0', '0x1', '0x', '', blockAt(0).hash, blockAt(1).hash, ZERO_HASH, null, undefined, true, 0, -1, 1.5, NaN, 5n, Symbol('s'), () => {}, new Date(NaN), new Uint8Array(20)]
  const value = (depth) => {
    const kind = depth > 2 ? 0 : Math.floor(next() * 8)
    if (kind < 5) return pick(leaves)
    const values = Array.from({ length: Math.floor(next() * 4) }, () => value(depth + 1))
    return kind === 5 ? Object.fromEntries(values.map((each) => [pick([PLAIN, TOKEN, 'blockHash', 'blockNumber', 'requireCanonical', 'length', '0']), each])) : values
  }
  const codes = new Map()
  for (let at = 0; at < 5_000; at++) {
    const params = pick([value, () => [pick([PLAIN, TOKEN]), value(1), value(1)], () => [value(1), value(1)]])(0)
    const outcome = await provider.request({ method: pick(methods), params }).then(() => 0, (error) => {
      assert.ok(error instanceof ProviderRpcError && !/defect/.test(error.message), error)
      return error.code
    })
    codes.set(outcome, (codes.get(outcome) ?? 0) + 1)
  }
  assert.deepEqual([...codes.keys()].sort(), [-32001, -32602, 0, 4200].sort())
})

test('an error of the database becomes one with a code, and says which it was', () => {
  for (const [error, code, data] of [
    [makeError('CRASHED', 'a'), 4900, { code: 'CRASHED' }], [makeError('CLOSED', 'a'), 4900, { code: 'CLOSED' }], [makeError('DAMAGED', 'a'), -32603, { code: 'DAMAGED' }],
    [makeError('STORE_FAILED', 'a'), -32603, { code: 'STORE_FAILED' }], [makeError('QUOTA', 'a'), -32603, { code: 'QUOTA' }], [makeError('NOT_TRACKED', 'a', { pending: true }), -32001, { code: 'NOT_TRACKED', pending: true }],
    [new TypeError('a'), -32603, undefined], [undefined, -32603, undefined],
  ]) {
    const made = toRpcError(error)
    assert.ok(rpcError(code, data)(made))
    assert.equal(made.cause, error)
    assert.equal(toRpcError(made), made)
  }
})

test('a request that is none is refused with -32600', async (t) => {
  const provider = createProvider(await synced(t, [1]))
  const failing = { get method() { throw new Error('the caller’s own') } }
  for (const request of [undefined, null, 7, 'eth_chainId', {}, { method: 7 }, { method: null }, { method: ['eth_chainId'] }, failing, new Proxy({}, { get() { throw new Error('get') } })]) {
    await assert.rejects(provider.request(request), rpcError(-32600))
  }
})

test('a method that is not answered is refused in the words that ethers knows', async (t) => {
  const ask = asking(createProvider(await synced(t, [1])))
  for (const method of ['eth_call', 'eth_sendTransaction', 'eth_getBlockByNumber', 'eth_getBlockByHash', 'eth_subscribe', 'constructor', '__proto__', 'toString', '']) {
    await assert.rejects(ask(method), unsupported(method))
  }
})

test('a block that is not kept is an error, and never a neighbour', async (t) => {
  const db = await synced(t, [0, 2])
  const ask = asking(createProvider(db))
  for (const reference of ['0x1', '0x3', blockAt(1).hash, { blockHash: blockAt(1).hash }, { blockNumber: '0x1' }, '0x7fffffffffffffff', { blockHash: db.complete.root }]) {
    await assert.rejects(ask('eth_getBalance', PLAIN, reference), notThere('NO_SUCH_STATE'))
    await assert.rejects(ask('eth_getStorageValues', { [TOKEN]: ['0x0'] }, reference), notThere('NO_SUCH_STATE'))
  }
})

test('what is not tracked is an error, and so is what is tracked and not proven yet', async (t) => {
  const db = await synced(t, [1])
  const ask = asking(createProvider(db))
  await assert.rejects(ask('eth_getBalance', addressOf(9)), notThere('NOT_TRACKED'))
  await assert.rejects(ask('eth_getCode', contractOf(1)), notThere('NOT_TRACKED'))
  await assert.rejects(ask('eth_getStorageAt', TOKEN, '0x1'), notThere('NOT_TRACKED'))
  await assert.rejects(ask('eth_getStorageValues', { [TOKEN]: ['0x0'], [contractOf(1)]: ['0x2'] }), notThere('NOT_TRACKED'))
  await assert.rejects(ask('eth_getProof', TOKEN, ['0x1']), notThere('NOT_TRACKED'))
  for (const peer of db.peers) peer.close()
  db.track([addressOf(9)]).catch(() => {})
  await assert.rejects(ask('eth_getBalance', addressOf(9)), notThere('NOT_TRACKED', true))
})

test('without a complete state, or without its block, there is no number', async (t) => {
  const db = await synced(t, [])
  const ask = asking(createProvider(db))
  for (const call of [['eth_blockNumber'], ['eth_getBalance', PLAIN], ['eth_getStorageValues', { [TOKEN]: ['0x0'] }, 'latest']]) {
    await assert.rejects(ask(...call), notThere('NO_STATE'))
  }
  await db.sync(chain.head.header.stateRoot)
  await assert.rejects(ask('eth_blockNumber'), notThere('NO_STATE'))
  assert.equal(await ask('eth_getBalance', PLAIN), quantity(10n ** 21n + 3n))
  assert.equal(await ask('eth_chainId'), '0x539')
})

test('safe and finalized are the blocks that were followed by these tags', async (t) => {
  const db = await synced(t, [0, 1, 2])
  const ask = asking(createProvider(db))
  for (const tag of ['safe', 'finalized']) await assert.rejects(ask('eth_getBalance', PLAIN, tag), notThere('NO_SUCH_STATE'))
  const follow = async (tag, number) => {
    const { header, hash } = blockAt(number)
    const following = db.follow(async () => ({ header: { ...header, hash } }), { tag, backwards: true })
    for await (const { state, complete } of following) if (state === 'current' && complete.block.number === number) break
    following.stop()
  }
  const balances = () => Promise.all(['safe', 'finalized'].map((tag) => ask('eth_getBalance', PLAIN, tag)))
  const balance = (number) => quantity(chain.truth(PLAIN, [], blockAt(number)).account.balance)
  await follow('finalized', 0)
  assert.deepEqual(await balances(), [balance(0), balance(0)])
  await follow('safe', 1)
  assert.deepEqual(await balances(), [balance(1), balance(0)])
  // What is final is safe, also if it is newer than what was followed as safe.
  await follow('finalized', 2)
  assert.deepEqual(await balances(), [balance(2), balance(2)])
  assert.equal(await ask('eth_getBalance', PLAIN, { blockNumber: 'finalized' }), balance(2))
})

test('a block that another one with its number replaced is read, unless it has to be canonical', async (t) => {
  const other = await Chain.generate({ accounts: 20, contracts: 2, slots: 4 })
  await other.block(new Map([[PLAIN, { nonce: 9, balance: 9n }]]))
  const db = await synced(t, [0, 1])
  db.addPeer(new TestProvider(other))
  await db.sync({ blockHash: other.head.hash })
  const ask = asking(createProvider(db))
  const old = { blockHash: blockAt(1).hash }
  assert.equal(await ask('eth_getBalance', PLAIN, '0x1'), '0x9')
  assert.equal(await ask('eth_getBalance', PLAIN, { blockHash: other.head.hash, requireCanonical: true }), '0x9')
  assert.equal(await ask('eth_getBalance', PLAIN, old), quantity(10n ** 21n + 1n))
  await assert.rejects(ask('eth_getBalance', PLAIN, { ...old, requireCanonical: true }), notThere('NO_SUCH_STATE'))
})

test('all values of one answer are of one state, while others are completed', async (t) => {
  const db = await synced(t, [0])
  const ask = asking(createProvider(db))
  const seen = []
  const reading = (async () => {
    while (db.complete.block.number < 3) {
      seen.push(await ask('eth_getStorageValues', { [TOKEN]: SLOTS, [contractOf(1)]: ['0x1'] }))
      // Reads of what is in memory let nothing else happen.
      await turn()
    }
  })()
  for (const number of [1, 2, 3]) await db.sync({ blockHash: blockAt(number).hash })
  await reading
  const states = [0, 1, 2, 3].map((number) => JSON.stringify(chain.truth(TOKEN, SLOTS, blockAt(number)).slots.map(word)))
  assert.ok(seen.length > 0)
  for (const answer of seen) assert.ok(states.includes(JSON.stringify(answer[TOKEN])))
})

for (const kind of ['page', 'worker']) {
  test(`${kind}: on demand, what is not tracked is proven for this once, and what fails is an error`, async (t) => {
    const opening = kind === 'page' ? open : overPort(t)
    const db = await opening({ network: { id: chain.chainId, genesisHash: chain.genesisHash }, memory: true, hold: 'set' })
    t.after(() => db.close())
    const peer = new TestProvider(chain)
    db.addPeer({ request: (call) => peer.request(call) })
    const tracked = db.track([{ address: TOKEN, slots: [SLOTS[0]] }])
    for (const number of [1, 2, 3]) await db.sync({ blockHash: blockAt(number).hash })
    await tracked
    const ask = asking(createProvider(db, { onDemand: true }))
    const before = peer.calls.eth_getProof
    assert.equal(await ask('eth_getStorageAt', TOKEN, SLOTS[0]), word(103))
    assert.equal(peer.calls.eth_getProof, before)

    const block = blockAt(3)
    const { balance, nonce } = chain.truth(PLAIN, [], block).account
    assert.deepEqual(await Promise.all([ask('eth_getBalance', PLAIN), ask('eth_getTransactionCount', PLAIN, 'latest'), ask('eth_getCode', TOKEN), ask('eth_getBalance', NO_ADDRESS)]),
      [quantity(balance), quantity(nonce), chain.code(TOKEN, block), '0x0'])
    assert.deepEqual(await ask('eth_getStorageValues', { [TOKEN]: SLOTS.slice(0, 1), [contractOf(1)]: ['0x1', '0x2'] }),
      { [TOKEN]: [word(103)], [contractOf(1)]: chain.truth(contractOf(1), [word(1), word(2)], block).slots.map(word) })
    assert.deepEqual(await ask('eth_getProof', TOKEN, SLOTS), await peer.request({ method: 'eth_getProof', params: [TOKEN, SLOTS, { blockHash: block.hash }] }))
    // A block before is proven too, as long as its state is kept.
    assert.equal(await ask('eth_getBalance', PLAIN, '0x2'), quantity(chain.truth(PLAIN, [], blockAt(2)).account.balance))
    await assert.rejects(ask('eth_getBalance', PLAIN, '0x0'), notThere('NO_SUCH_STATE'))
    assert.deepEqual((await db.tracked()).map(({ address }) => address), [TOKEN])

    for (const each of db.peers) each.close()
    await assert.rejects(ask('eth_getBalance', addressOf(12)), notThere('NOT_TRACKED'))
  })
}

test('on demand, nothing is fetched after the database was closed', async (t) => {
  const db = await synced(t, [1])
  const provider = createProvider(db, { onDemand: true })
  const call = provider.request({ method: 'eth_getBalance', params: [addressOf(9)] })
  await Promise.all([assert.rejects(call, rpcError(4900, { code: 'CLOSED' })), db.close()])
})

test('a read of the newest state that is replaced meanwhile reads the next one', async (t) => {
  const db = await synced(t, [1])
  const ask = asking(createProvider(db))
  // As in a database of everything, where the state before is gone at once.
  const at = Snaplight.prototype.at
  const mocked = t.mock.method(Snaplight.prototype, 'at', function (state) {
    const snapshot = at.call(this, state)
    snapshot.getAccount = async () => {
      mocked.mock.restore()
      await db.sync({ blockHash: blockAt(2).hash })
      throw new NotTrackedError('NO_SUCH_STATE', 'gone')
    }
    return snapshot
  })
  assert.equal(await ask('eth_getBalance', PLAIN), quantity(10n ** 21n + 2n))
})

test('headers are answered with what their hash covers, if the caller wants them', async (t) => {
  const db = await synced(t, [0])
  const { header, hash } = blockAt(1)
  const json = { ...header, hash, gasLimit: Number(header.gasLimit), size: '0x1', transactions: ['0x1'], withdrawals: [{}] }
  await db.sync({ header: json })
  const expected = { ...header, hash, transactions: [], uncles: [], withdrawals: [] }
  const ask = asking(createProvider(db, { headers: true }))
  for (const reference of ['0x1', 'latest']) assert.deepEqual(await ask('eth_getBlockByNumber', reference, false), expected)
  assert.deepEqual(await ask('eth_getBlockByHash', hash, false), expected)
  assert.deepEqual(await ask('eth_getBlockByHash', hash), expected)
  await assert.rejects(ask('eth_getBlockByNumber', '0x2', false), notThere('NO_SUCH_STATE'))
  await assert.rejects(ask('eth_getBlockByNumber', 'earliest', false), notThere('NO_SUCH_STATE'))
  await assert.rejects(ask('eth_getBlockByHash', ZERO_HASH, false), notThere('NO_SUCH_STATE'))
  await assert.rejects(ask('eth_getBlockByNumber', 'pending', false), rpcError(-32602))
  await assert.rejects(ask('eth_getBlockByNumber', '0x1', 'yes'), rpcError(-32602))
  await assert.rejects(ask('eth_getBlockByHash', '0x1', false), rpcError(-32602))
  await assert.rejects(ask('eth_getBlockByNumber', '0x1', true), unsupported('eth_getBlockByNumber'))

  const fallback = { request: async ({ params }) => ({ asked: params }) }
  const withFallback = asking(createProvider(db, { headers: true, fallback }))
  assert.deepEqual(await withFallback('eth_getBlockByNumber', '0x1', false), expected)
  for (const params of [['0x1', true], ['0x2', false], ['pending', false], ['safe', false]]) assert.deepEqual(await withFallback('eth_getBlockByNumber', ...params), { asked: params })
})

test('only a database and options that are some make a provider', async (t) => {
  const db = await synced(t, [])
  const misuse = { name: 'MisuseError', code: 'BAD_ARGUMENT' }
  for (const wrong of [undefined, null, {}, 'x', { states: [] }]) assert.throws(() => createProvider(wrong), misuse)
  for (const options of [null, 'x', { onDemand: 1 }, { headers: 'yes' }, { fallback: 7 }, { fallback: {} }, { fallback: 'x' }, { fallback: 'ftp://x' }]) assert.throws(() => createProvider(db, options), misuse)
  const provider = createProvider(db)
  for (const listener of [undefined, null, {}]) assert.throws(() => provider.on('connect', listener), misuse)
  await db.close()
  assert.throws(() => createProvider(db), { name: 'ClosedError', code: 'CLOSED' })
})

test('connect comes once, and listeners get nothing more after they were removed', async (t) => {
  const db = await synced(t, [])
  const provider = createProvider(db, { fallback: { request: async () => null } })
  const got = []
  const listener = (event) => got.push(event)
  assert.equal(provider.on('connect', listener).on('unverified', listener).on('unverified', listener).on('message', listener), provider)
  assert.deepEqual(await heard(provider, 'connect'), { chainId: '0x539' })
  await provider.request({ method: 'eth_call', params: [1] })
  assert.equal(provider.removeListener('unverified', listener).removeListener('unverified', () => {}), provider)
  await provider.request({ method: 'eth_gasPrice' })
  provider.removeListener('unverified', listener).removeListener('unverified', listener)
  await provider.request({ method: 'eth_call', params: [2] })
  assert.deepEqual(got, [{ chainId: '0x539' }, { method: 'eth_call', params: [1] }, { method: 'eth_call', params: [1] }, { method: 'eth_gasPrice' }])
})

test('a listener that throws is reported as uncaught, and harms neither the call nor the others', async (t) => {
  const provider = createProvider(await synced(t, []), { fallback: { request: async () => '0x1' } })
  const reported = []
  globalThis.reportError = ({ message }) => reported.push(message)
  t.after(() => delete globalThis.reportError)
  provider.on('unverified', () => { throw new Error('the caller’s own') })
  const next = heard(provider, 'unverified')
  assert.equal(await provider.request({ method: 'eth_gasPrice' }), '0x1')
  assert.deepEqual(await next, { method: 'eth_gasPrice' })
  assert.deepEqual(reported, ['the caller’s own'])
})

test('when the database is closed, the provider says so once and answers nothing more', async (t) => {
  const db = await synced(t, [1])
  let calls = 0
  const provider = createProvider(db, { fallback: { request: async () => (calls += 1) } })
  const connected = []
  provider.on('connect', () => connected.push(1))
  const ends = []
  // A listener may call the database, also to close it again.
  provider.on('disconnect', (error) => ends.push(error) && db.close())
  const ended = heard(provider, 'disconnect')
  await db.close()
  assert.ok(rpcError(4900, { code: 'CLOSED' })(await ended))
  for (const method of ['eth_chainId', 'eth_getBalance', 'eth_call', 'eth_blockNumber']) {
    await assert.rejects(provider.request({ method, params: [] }), rpcError(4900, { code: 'CLOSED' }))
  }
  assert.deepEqual([ends.length, calls], [1, 0])
})

test('`request` works without its object, and through a proxy of it', async (t) => {
  const provider = createProvider(await synced(t, [1]))
  const { request } = provider
  assert.equal(await request({ method: 'eth_blockNumber' }), '0x1')
  assert.equal(await new Proxy(provider, {}).request({ method: 'eth_blockNumber', params: [] }), '0x1')
})

const skip = existsSync(RECORDED) ? false : 'the recorded questions of ../shared/data are not there'
test('what the Ethereum project recorded as wrong parameters has the recorded code', { skip }, async (t) => {
  const provider = createProvider(await synced(t, []))
  const asked = []
  for (const folder of readdirSync(RECORDED, { withFileTypes: true }).filter((each) => each.isDirectory() && !/eth_call|eth_getBlockBy/.test(each.name))) {
    for (const file of readdirSync(new URL(`${folder.name}/`, RECORDED))) {
      const lines = readFileSync(new URL(`${folder.name}/${file}`, RECORDED), 'utf8').split('\n')
      const [question, answer] = ['>>', '<<'].map((mark) => JSON.parse(lines.find((line) => line.startsWith(mark)).slice(2)))
      if (!answer.error) continue
      asked.push(file)
      await assert.rejects(provider.request(question), rpcError(answer.error.code))
    }
  }
  assert.ok(asked.length >= 3, asked.join())
})
