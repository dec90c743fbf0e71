// Runs the README's example with `memory: true` several times: `readme.mjs PEER_URL RUNS`.

import { readFileSync } from 'node:fs'
import { WebSocket } from '../support/ws.mjs'

const [, , url, runs] = process.argv
// Node 22 has a WebSocket of its own; Node 20 has none.
globalThis.WebSocket = WebSocket
const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8')
const [, example] = /```js\n(import .*?)```/s.exec(readme)
const code = example
  .replace("'snaplight'", JSON.stringify(new URL('../../snaplight.js', import.meta.url).href))
  .replace('await open({', 'await open({ memory: true,')
  .replace('wss://peer.example', url)

for (let run = 1; run <= runs; run += 1) {
  // A comment makes it another module, because Node loads each module only once.
  await import(`data:text/javascript,${encodeURIComponent(`${code}\n// ${run}`)}`)
}
