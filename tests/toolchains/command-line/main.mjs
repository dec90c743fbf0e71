// For runtimes that are no browsers: what is wanted is the last argument, and nothing is stored.

import { readInBoth } from './wallet.js'

const given = (globalThis.Deno ? Deno.args : process.argv).at(-1)
console.log(JSON.stringify(await readInBoth({ ...JSON.parse(given), memory: true })))
