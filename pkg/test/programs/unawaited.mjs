// Prints what is unhandled when a database is closed while calls are under way that nobody awaits.
// With
// `port`, the database is behind a port.

import { open } from '../../snaplight.js'
import { NETWORK, SOME_ADDRESS, SOME_ROOT, overPort, turn } from '../support/database.mjs'

const unhandled = []
process.on('unhandledRejection', ({ code }) => unhandled.push(code))
const ends = []
const opening = process.argv[2] === 'port' ? overPort({ after: (end) => ends.push(end) }) : open

const db = await opening({ network: NETWORK, memory: true, hold: 'set' })
db.track([SOME_ADDRESS])
db.sync(SOME_ROOT)
// One that is superseded, and one that is cancelled.
db.sync(`0x${'01'.repeat(32)}`).cancel()
await turn()
db.sync(SOME_ROOT)
db.follow(() => null)
db.follow(() => null)
db.untrack([`0x${'02'.repeat(20)}`])
db.tracked()
db.watch(SOME_ADDRESS).next()
await db.close()
db.tracked()
db.track([SOME_ADDRESS])
db.getAccount(SOME_ADDRESS)
db.getStorage(SOME_ADDRESS, 1)
db.getCode(SOME_ADDRESS)
db.getProof(SOME_ADDRESS)
for (let turns = 0; turns < 3; turns++) await turn()

// What the caller has not caused is told.
const other = await opening({ network: NETWORK, memory: true })
other.getAccount(SOME_ADDRESS)
while (unhandled.length === 0) await turn()
await other.close()
for (const end of ends) end()
console.log(JSON.stringify(unhandled))
