// Runs the package README's example of a whole state with `memory: true` several times:
// `readme.mjs PEER RUNS [own]`, where PEER is the JSON of what the peer says of itself. With `own`, by
// Node's own WebSocket, else by that of the npm package `ws`.

import { readFileSync } from 'node:fs'
import { WebSocket } from '../support/ws.mjs'

const [, , told, runs, own] = process.argv
const { url, networkId, genesisHash, root } = JSON.parse(told)
if (!own) globalThis.WebSocket = WebSocket
globalThis.given = { network: { id: networkId, genesisHash }, root }
const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')
const [, example] = /```js\n(import [^`]*wss:.*?)```/s.exec(readme)
const code = example
  .replace("'snaplight'", JSON.stringify(new URL('../../snaplight.js', import.meta.url).href))
  .replace('await open({', 'await open({ memory: true,')
  .replace('wss://peer.example', url)

for (let run = 1; run <= runs; run += 1) {
  // A comment makes it another module, because Node loads each module only once.
  await import(`data:text/javascript,${encodeURIComponent(`const { network, root } = given\n${code}\n// ${run}`)}`)
}
