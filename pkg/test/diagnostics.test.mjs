// `db.diagnostics()`: all that a bug report needs, and nothing of what was looked up or of whose
// node it was.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { Chain, TestProvider, addressOf, contractOf, word } from '../../xtask/node/provider.mjs'
import { open, version } from '../snaplight.js'
import { overPort } from './support/database.mjs'

const SLOT = 0xdecade
const API_KEY = 'sEcReT-kEy'
const HOST = '127.0.0.1:9'
const ENTRIES = 512

/** Every run of hexadecimal digits in the text that could be a part of a key or a hash. */
const hexIn = (text) => text.match(/[0-9a-f]{9,}/gi) ?? []

for (const [way, opening] of Object.entries({ here: () => open, 'through a worker': overPort })) {
  test(`diagnostics are plain JSON that names nothing of what was looked up, nor a node's URL, ${way}`, async (t) => {
    const chain = await Chain.generate()
    const db = await opening(t)({ network: { id: chain.chainId, genesisHash: chain.genesisHash }, memory: true, hold: 'set' })
    t.after(() => db.close())
    const provider = new TestProvider(chain)
    db.addPeer({ request: (call) => provider.request(call) }, { name: API_KEY })
    db.addPeer(`http://user:${API_KEY}@${HOST}/${API_KEY}?key=${API_KEY}`, { by: 'rpc' })
    const account = { address: contractOf(1), slots: [SLOT], code: true }
    const tracked = db.track([addressOf(1), account])
    const report = await db.sync({ blockHash: chain.head.hash })
    await tracked
    await db.getStorage(contractOf(1), SLOT)
    await assert.rejects(db.getAccount(addressOf(5)), { code: 'NOT_TRACKED' })
    const { proof } = await db.getProof(contractOf(1), [SLOT])

    const found = await db.diagnostics()
    const text = JSON.stringify(found)
    assert.deepEqual(JSON.parse(text), found)
    const { codeHash } = await db.getAccount(contractOf(1))
    const secrets = [
      addressOf(1), addressOf(5), contractOf(1), word(SLOT), SLOT.toString(16), `${SLOT}`, report.root, chain.head.hash, chain.genesisHash, codeHash,
      proof.storageHash, API_KEY, HOST, ...proof.accountProof,
    ]
    for (const secret of secrets) {
      const bare = secret.replace(/^0x0*/, '')
      assert.ok(!text.toLowerCase().includes(bare.toLowerCase()), `${secret} is in ${text}`)
    }
    assert.deepEqual(hexIn(text).filter((digits) => !/^\d+$/.test(digits)), [])

    assert.equal(found.version, version)
    assert.equal(version, JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).version)
    assert.deepEqual([found.error, found.isClosed, found.role, found.holds], [null, false, 'writer', 'set'])
    assert.equal(found.network.id, `${chain.chainId}`)
    assert.equal(found.counters.accounts, report.accounts)
    assert.deepEqual(found.states.map(({ number, accounts }) => [number, accounts]), [[report.block.number, report.accounts]])
    assert.ok(found.limits.batchBytes > 0)
    assert.equal(found.ignoredMessages, 0)
    const [peer] = found.peers
    assert.deepEqual([peer.id, peer.by, peer.state], [1, 'rpc', 'ready'])
    const what = new Set(found.journal.map((entry) => entry.what))
    for (const each of ['joined', 'ready', 'call', 'reply', 'target', 'commit', 'committed', 'done']) assert.ok(what.has(each), `no ${each} in ${[...what]}`)
    assert.ok(found.journal.some((entry) => entry.what === 'reply' && entry.connection === peer.connection))
    assert.ok(found.journal.length <= ENTRIES)
    assert.ok(found.journal.every(({ at }) => at <= found.now))
  })

  test(`a closed database gives what is known without the engine, ${way}`, async (t) => {
    const chain = await Chain.generate()
    const db = await opening(t)({ network: { id: chain.chainId, genesisHash: chain.genesisHash }, memory: true })
    await db.close()
    const found = await db.diagnostics()
    assert.deepEqual([found.version, found.isClosed, found.limits, found.journal], [version, true, null, []])
    assert.deepEqual(JSON.parse(JSON.stringify(found)), found)
  })
}

test('the journal is a ring: it has the last inputs and outputs, and no more', async (t) => {
  const chain = await Chain.generate()
  const db = await open({ network: { id: chain.chainId, genesisHash: chain.genesisHash }, memory: true, hold: 'set' })
  t.after(() => db.close())
  for (let round = 0; round < ENTRIES; round++) db.sync(`0x${'ab'.repeat(31)}${(round % 256).toString(16).padStart(2, '0')}`)
  const { journal } = await db.diagnostics()
  assert.equal(journal.length, ENTRIES)
  assert.equal(journal.filter(({ what }) => what === 'target').length > 100, true)
})
