/**
 * The toolchains that are tried by hand, with `cargo xtask toolchains`: the table of
 * docs/toolchains.md. SvelteKit 3 and Nuxt 4 need Node 22: SNAPLIGHT_NODE may say where it is.
 */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { STRICTLY, build, developing, setUp } from './lib.mjs'

const world = setUp()
/** Some listen to one of 127.0.0.1 and ::1 only. */
const ON_LOOPBACK = (port) => ['--port', port, '--host', 'localhost']

for (const version of ['5.4.9', '6.4.6', '8.3.8']) {
  const versions = { vite: version }
  test(`Vite ${version}, development server, untouched`, () => world.developedProves('vite', { versions, options: STRICTLY }))
  test(`Vite ${version}, build, untouched`, () => world.builtProves('vite', { versions }))
}
test('Next, development server, untouched', () => world.developedProves('next', { options: (port) => ['-p', port] }))
test('Rspack, build, untouched', () => world.builtProves('rspack'))
test('Rollup, build, with the worker as a second input and the module copied', () => world.builtProves('rollup'))
test('esbuild, build, with the worker as a second input and the module copied', () => world.builtProves('esbuild'))
test('Parcel, development server, untouched', () => world.developedProves('parcel'))
test('Parcel, build, untouched', () => world.builtProves('parcel'))
test('SvelteKit, development server, untouched', () => world.developedProves('sveltekit', { options: STRICTLY }))
test('SvelteKit, build, untouched', () => world.builtProves('sveltekit', { site: 'build' }))
test('Nuxt, development server, untouched', () => world.developedProves('nuxt', { options: ON_LOOPBACK }))
test('Nuxt, build, untouched', () => world.builtProves('nuxt', { site: '.output/public' }))

test('WXT, build, with the policy', async () => {
  const folder = await world.installed('wxt')
  await build(folder)
  await world.extensionProves(`${folder}/.output/chrome-mv3`, ['here', 'worker', 'background'])
})

test('WXT, development server, with the policy', async () => {
  const folder = await world.installed('wxt')
  const server = await developing(folder, [], (output) => output.includes('Built extension'))
  await world.extensionProves(`${folder}/.output/chrome-mv3-dev`, ['here', 'worker', 'background']).finally(server.stop)
})

for (const [runtime, binary] of [['deno', 'node_modules/@deno/linux-x64-glibc/deno'], ['bun', 'node_modules/@oven/bun-linux-x64/bin/bun']]) {
  test(`${runtime}, in memory, untouched`, async () => {
    const folder = await world.installed('command-line')
    const words = { deno: ['run', '-A', 'main.mjs'], bun: ['main.mjs'] }[runtime]
    const child = spawn(`${folder}/${binary}`, [...words, JSON.stringify(world.wanted)], { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] })
    let output = ''
    child.stdout.on('data', (data) => (output += data))
    const [code] = await once(child, 'close')
    assert.deepEqual([code, JSON.parse(output)], [0, { here: world.truth, worker: world.truth }])
  })
}
