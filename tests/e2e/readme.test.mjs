/**
 * Runs the examples in the READMEs as they are written, in a real page. Only the peer's address is
 * replaced.
 */

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { GENESIS } from '../../xtask/node/peers.mjs'
import { ROOT } from '../../xtask/node/serve.mjs'
import { setUp } from './lib/harness.mjs'

const world = setUp()

/** The first block of JavaScript in a README that imports the package. */
function example(file) {
  const readme = readFileSync(join(ROOT, file), 'utf8')
  const blocks = [...readme.matchAll(/```(?:js|javascript|ts|typescript)\n(.*?)```/gs)].map(([, code]) => code)
  const code = blocks.find((block) => /from ['"]snaplight['"]/.test(block))
  assert.ok(code, `${file} has no JavaScript block that imports snaplight`)
  return code
}

for (const file of ['README.md', 'pkg/README.md']) {
  test(`the example in ${file} runs as it is written`, async () => {
    const peer = await world.peer('--genesis', GENESIS)
    const code = example(file)
    assert.match(code, /wss?:\/\//, 'the example names a peer by its URL')
    assert.ok(code.split('\n').length <= 30, 'the example is short')

    const page = await world.context.newPage()
    const [logged, problems] = [[], []]
    page.on('console', (message) => (message.type() === 'error' ? problems : logged).push(message.text()))
    page.on('pageerror', (error) => problems.push(error.message))
    await page.goto(`${world.origin}/blank`)
    // Every peer it names is the one that runs here; everything else is the README's own text.
    const module = `${code.replace(/wss?:\/\/[^'"`\s]+/g, peer.url)}\nwindow.ended = true\n`
    await page.evaluate(
      (module) =>
        new Promise((resolve, reject) => {
          window.addEventListener('error', ({ message }) => reject(new Error(message)))
          window.addEventListener('unhandledrejection', ({ reason }) => reject(reason))
          const script = document.createElement('script')
          script.type = 'module'
          script.textContent = module
          script.onerror = () => reject(new Error('the module could not be loaded'))
          document.head.append(script)
          const timer = setInterval(() => {
            if (!window.ended) return
            clearInterval(timer)
            resolve()
          }, 20)
        }),
      module,
    )
    assert.deepEqual(problems, [])
    assert.ok(logged.length > 0, 'an example shows something')
  })
}
