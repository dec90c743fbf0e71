/**
 * The package as an app ships it: bundled and minified, with the module and the worker beside the
 * bundle, where `new URL(..., import.meta.url)` finds them.
 */

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { writeApp } from '../../xtask/node/bundle.mjs'
import { Chain, addressOf } from '../../xtask/node/provider.mjs'
import { setUp } from './lib/harness.mjs'
import { Providers, network, truth } from './lib/providers.mjs'

const APP = `
export { open } from 'snaplight'
export { openInWorker } from 'snaplight/worker'
export { ProviderRpcError, createProvider } from 'snaplight/provider'
`
const ACCOUNT = addressOf(1)

const world = setUp()
const providers = new Providers()
let chain
before(async () => {
  await writeApp('app', APP)
  chain = await Chain.generate({ accounts: 20, contracts: 1, slots: 3 })
})
after(() => providers.stop())

for (const [where, name] of [['the page', 'open'], ['a worker', 'openInWorker']]) {
  test(`a bundled and minified app reads a proven balance by its provider, with the work in ${where}`, async () => {
    const { told } = await providers.start('http', chain)
    const page = await world.open(`${world.origin}/blank`)
    const loaded = []
    page.on('request', (request) => loaded.push(new URL(request.url()).pathname))
    const found = await page.evaluate(async ({ name, network, url, hash, account }) => {
      const app = await import('/bundles/app.js')
      const options = { network, memory: true, hold: 'set' }
      const db = name === 'open' ? await app.open(options) : await app.openInWorker(undefined, options)
      db.addPeer(url, { by: 'rpc' })
      const tracked = db.track([account])
      await db.sync({ blockHash: hash })
      await tracked
      const provider = app.createProvider(db)
      const balance = await provider.request({ method: 'eth_getBalance', params: [account, 'latest'] })
      const refused = await provider.request({ method: 'eth_call', params: [] }).catch((error) => error)
      await db.close()
      return { balance: BigInt(balance), refused: [refused instanceof app.ProviderRpcError, refused.name, refused.code] }
    }, { name, network: network(chain), url: told.url, hash: chain.head.hash, account: ACCOUNT })
    const [{ balance }] = await truth(chain, chain.head, [{ address: ACCOUNT, slots: [] }])
    assert.deepEqual(found, { balance, refused: [true, 'ProviderRpcError', 4200] })
    assert.ok(loaded.includes('/bundles/app.js'), `the page loaded ${loaded}`)
    assert.deepEqual(loaded.filter((path) => path.startsWith('/pkg/')), [], 'nothing outside of the bundle was loaded')
    assert.deepEqual(page.uncaught, [])
  })
}
