// What is given out with bigints can be made JSON, which shows them as decimal strings.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Chain, TestProvider, addressOf, contractOf } from '../../xtask/node/provider.mjs'
import { open } from '../snaplight.js'

const throughJson = (value) => JSON.parse(JSON.stringify(value))

test('accounts, slots, changes, proofs, progress, events and the network are made JSON', async (t) => {
  const chain = await Chain.generate()
  const events = []
  const network = { id: chain.chainId, genesisHash: chain.genesisHash, chainId: BigInt(chain.chainId) }
  const db = await open({ network, memory: true, hold: 'set', onEvent: (event) => events.push(event) })
  t.after(() => db.close())
  const provider = new TestProvider(chain)
  db.addPeer({ request: (call) => provider.request(call) })
  const tracked = db.track([addressOf(1), { address: contractOf(1), slots: [0, 7], code: true }])
  const report = await db.sync({ blockHash: chain.head.hash })
  await tracked

  const account = await db.getAccount(addressOf(1))
  const shown = throughJson(account)
  assert.deepEqual([shown.balance, shown.nonce], [`${account.balance}`, `${account.nonce}`])
  assert.equal(BigInt(shown.balance), account.balance)
  assert.deepEqual({ ...shown, balance: account.balance, nonce: account.nonce }, { ...account })
  // A structured clone is what it was.
  assert.deepEqual(structuredClone(account), account)
  const [slot] = await db.getStorage(contractOf(1), [7])
  assert.equal(throughJson(slot).value, `${slot.value}`)
  const { value: change } = await db.watch(addressOf(1)).next()
  assert.equal(throughJson(change).new.balance, `${account.balance}`)
  assert.equal(throughJson(await db.at(db.complete.root).getAccount(addressOf(1))).balance, `${account.balance}`)
  assert.deepEqual(throughJson(db.network), { id: `${chain.chainId}`, genesisHash: db.network.genesisHash, chainId: `${chain.chainId}` })
  const rest = [await db.getProof(contractOf(1), [7]), await db.tracked(), db.complete, db.states, db.progress(), report, events, db.peers.map(({ stats }) => stats)]
  for (const value of rest) assert.ok(JSON.stringify(value).length > 2)
})
