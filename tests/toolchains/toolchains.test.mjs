/** The toolchains that every change is tried in. The others are in by-hand.test.mjs. */

import { test } from 'node:test'
import { STRICTLY, build, setUp } from './lib.mjs'

const world = setUp()

test('Vite 7: the development server finds module and worker, untouched', () => world.developedProves('vite', { options: STRICTLY }))
test('Vite 7: the build takes module and worker along, untouched', () => world.builtProves('vite'))
test('webpack: the build takes module and worker along, untouched', () => world.builtProves('webpack'))
test('Next: the build takes module and worker along, untouched', () => world.builtProves('next', { site: 'out' }))
test('an import map is all that a page without a bundler needs', () => world.builtProves('import-map', { site: '.' }))

test('an extension: page, service worker, offscreen document and their workers, with the policy of the docs', async () => {
  const folder = await world.installed('extension')
  await build(folder)
  await world.extensionProves(`${folder}/dist`, ['here', 'worker', 'background', 'offscreenPage', 'offscreenWorker'])
})
