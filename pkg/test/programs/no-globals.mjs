// Imports the package where most globals are missing, as in the environments of test runners. What is
// deleted is named by argv.

import assert from 'node:assert/strict'

const NETWORK = { id: 1, genesisHash: `0x${'11'.repeat(32)}` }
const names = process.argv.slice(2)
const given = names.map((name) => Object.getOwnPropertyDescriptor(globalThis, name))
for (const name of names) assert.ok(delete globalThis[name], name)

const { open } = await import('../../snaplight.js')
const { openInWorker } = await import('../../worker.js')
await import('../../provider.js')

await assert.rejects(open({ network: NETWORK, memory: true }), ({ code, message }) => code === 'UNSUPPORTED' && /WebAssembly, TextDecoder, TextEncoder, crypto, MessageChannel\. Use/.test(message))
await assert.rejects(openInWorker(undefined, { network: NETWORK }), { code: 'UNSUPPORTED' })

// They may come after the import.
names.forEach((name, index) => given[index] && Object.defineProperty(globalThis, name, given[index]))
const db = await open({ network: NETWORK, memory: true, name: 'größer' })
assert.equal(db.role, 'writer')
await db.close()
