/**
 * Runs the first examples of the READMEs as they are written, in a real page, and again after a
 * reload without a network. Only the provider's address is replaced.
 */

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Chain, startProvider } from '../../xtask/node/provider.mjs'
import { ROOT } from '../../xtask/node/serve.mjs'
import { setUp } from './lib/harness.mjs'

/** The example's network. Its genesis hash is no provider's business. */
const MAINNET = 1
const ADDRESS = /0x[0-9a-f]{40}(?![0-9a-f])/g

const world = setUp()

/** The first block of JavaScript in a README that imports the package. */
function example(file) {
  const readme = readFileSync(join(ROOT, file), 'utf8')
  const blocks = [...readme.matchAll(/```(?:js|javascript|ts|typescript)\n(.*?)```/gs)].map(([, code]) => code)
  const code = blocks.find((block) => /from ['"]snaplight['"]/.test(block))
  assert.ok(code, `${file} has no JavaScript block that imports snaplight`)
  return code
}

/** Runs a module in the page to its end. */
function run(page, module) {
  return page.evaluate((module) => new Promise((resolve, reject) => {
    window.addEventListener('error', ({ message }) => reject(new Error(message)))
    window.addEventListener('unhandledrejection', ({ reason }) => reject(reason))
    window.ended = resolve
    const script = document.createElement('script')
    script.type = 'module'
    script.textContent = `${module}\nwindow.ended()\n`
    script.onerror = () => reject(new Error('the module could not be loaded'))
    document.head.append(script)
  }), module)
}

for (const file of ['README.md', 'pkg/README.md']) {
  test(`the example in ${file} runs as it is written, and again after a reload without a network`, async (t) => {
    const chain = await Chain.generate()
    const block = await chain.advance(30)
    const provider = await startProvider(chain, { chainId: MAINNET })
    t.after(() => provider.close())
    const code = example(file)
    const accounts = code.match(ADDRESS)
    assert.equal(accounts.length, 3, 'the example names three accounts')
    assert.ok(code.split('\n').length <= 30, 'the example is short')
    // Each provider that it names is the one that runs here; all else is the README's own text.
    const module = code.replaceAll('https://rpc.example', provider.http)
    assert.notEqual(module, code, 'the example names a provider by its URL')

    const page = await world.context.newPage()
    const problems = []
    page.on('console', (message) => message.type() === 'error' && problems.push(message.text()))
    page.on('pageerror', (error) => problems.push(error.message))
    // The browser's driver has no text for a BigInt.
    await page.addInitScript(() => {
      window.logged = []
      console.log = (...words) => logged.push(words.join(' '))
    })
    await page.goto(`${world.origin}/blank`)
    await run(page, module)
    assert.deepEqual(problems, [])
    const logged = await page.evaluate(() => logged)
    assert.equal(logged.length, accounts.length)
    for (const [at, account] of accounts.entries()) {
      assert.ok(logged[at].startsWith(`${account} 0 wei, proven at block ${Number(block.header.number)}, `), logged[at])
    }

    await provider.close()
    await page.reload()
    await run(page, module)
    const withoutAges = (lines) => lines.map((line) => line.replace(/, \d+ s ago/, ''))
    assert.deepEqual(withoutAges(await page.evaluate(() => logged)), withoutAges(logged))
    await page.evaluate(() => import('/pkg/snaplight.js').then(({ deleteDatabase }) => deleteDatabase()))
  })
}
