// A thread that opens a database over the port that it is given, as a page does.

import { workerData } from 'node:worker_threads'
import { openInWorker } from '../../worker.js'
import { NETWORK } from '../support/database.mjs'

const db = await openInWorker(workerData.port, { network: NETWORK, memory: true })
db.addPeer({ request: () => new Promise(() => workerData.port.postMessage('asked')) })
await db.sync({ blockHash: `0x${'ab'.repeat(32)}` })
