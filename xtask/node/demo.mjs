/**
 * The demo: two native peers, the page, and with `--headless` a browser that follows it to the end.
 *
 * `node demo.mjs (--genesis=FILE | --accounts=N) [--headless] [--port=PORT]`
 */

import { spawn } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { launch } from './browser.mjs'
import { startPeers } from './peers.mjs'
import { ROOT, serve } from './serve.mjs'

/** What a sync of Ethereum mainnet's genesis state must end with. */
const MAINNET = {
  root: '0xd7f8974fb5ac78d9ac099b9ad5018bedc2ce0a72dad1827a1709da30580f0544',
  accounts: 8893,
}
const SCREENSHOT = join(process.env.SNAPLIGHT_TARGET ?? join(ROOT, 'target'), 'demo.png')
/** The genesis state takes a second or two; a million generated accounts stay well below this. */
const GIVE_UP_AFTER_MS = 300_000

const { values: options } = parseArgs({
  options: {
    genesis: { type: 'string' },
    accounts: { type: 'string' },
    headless: { type: 'boolean', default: false },
    port: { type: 'string', default: '0' },
  },
})
if (!options.genesis === !options.accounts) throw new Error('demo.mjs needs either --genesis=FILE or --accounts=N')
const state = options.genesis ? ['--genesis', options.genesis] : ['--accounts', options.accounts]

console.log(`starting two peers with ${options.genesis ? "mainnet's genesis state" : `${options.accounts} generated accounts`}`)
const peers = await startPeers(2, state)
const server = await serve({ port: Number(options.port) })
const [{ root, accounts, networkId, genesisHash }] = peers
const query = new URLSearchParams({
  root,
  network: networkId,
  genesis: genesisHash,
  peers: peers.map((peer) => peer.url).join(','),
})
// Colons and commas are fine in a query, and an address without escapes can be read.
const url = `${server.origin}/?${query.toString().replace(/%2C/g, ',').replace(/%3A/g, ':').replace(/%2F/g, '/')}&start`

if (options.headless) {
  const reached = await follow()
  await Promise.all([server.close(), ...peers.map((peer) => peer.stop())])
  process.exitCode = reached ? 0 : 1
} else {
  console.log(`\n  ${url}\n\nopening it; press Ctrl-C to end the demo`)
  showInBrowser(url)
}

/** Plays the page in headless Chromium, and judges what it ends with. */
async function follow() {
  console.log(`opening ${url}`)
  const browser = await launch({ viewport: { width: 1180, height: 1280 } })
  try {
    const page = await browser.context.newPage()
    page.on('pageerror', (error) => console.log(`  the page threw: ${error.message}`))
    page.on('console', (message) => {
      if (message.type() === 'error') console.log(`  the page says: ${message.text()}`)
    })
    await page.goto(url)
    const { progress, report, error } = await untilDone(page)
    if (report) await lookUpSomething(page)
    mkdirSync(dirname(SCREENSHOT), { recursive: true })
    await page.screenshot({ path: SCREENSHOT, fullPage: true })
    console.log(`screenshot: ${SCREENSHOT}`)
    if (!report) {
      const words = error ? `${error.message} (${error.code})` : `no end after ${GIVE_UP_AFTER_MS / 1000} s`
      console.log(`\nNOT COMPLETE: ${words}`)
      for (const peer of progress?.peers ?? []) console.log(`  ${peer.name}: ${peer.state}, ${peer.lastFault ?? 'no fault'}`)
      return false
    }
    return judge(report)
  } finally {
    await browser.close()
  }
}

async function untilDone(page) {
  const started = Date.now()
  let latest = ''
  for (;;) {
    const demo = await page.evaluate(() => window.demo)
    const line = demo?.progress && progressLine(demo.progress)
    if (line && line !== latest) console.log(`  ${line}`)
    latest = line
    // A page that failed before the sync began says so in words only.
    const problem = await page.evaluate(() => document.querySelector('[data-phase=problem]') && document.body.querySelector('#problem').textContent)
    if (demo?.report || demo?.error) return demo
    if (problem) return { error: { message: problem, code: 'page' } }
    if (Date.now() - started > GIVE_UP_AFTER_MS) return { progress: demo?.progress }
    await new Promise((resolve) => setTimeout(resolve, 250))
  }
}

function progressLine({ phase, accounts, slots, codes, bytesReceived, bytesStored, waiting }) {
  const items = `${number(accounts)} accounts, ${number(slots)} slots, ${number(codes)} codes`
  const sizes = `${number(bytesReceived / 1000)} kB received, ${number(bytesStored / 1000)} kB stored`
  return `${phase.padEnd(10)} ${items}; ${sizes}${waiting ? `; waiting: ${waiting}` : ''}`
}

/** The screenshot should show that the state can be used, too. */
async function lookUpSomething(page) {
  const example = page.locator('#examples button').first()
  if ((await example.count()) === 0) return
  await example.click()
  await page.locator('#answer dl, #answer .error').first().waitFor()
}

function judge(report) {
  const rate = (report.accounts + report.slots) / Math.max(report.elapsedMs / 1000, 0.001)
  console.log(`
  root       ${report.root}
  accounts   ${number(report.accounts)}, slots ${number(report.slots)}, codes ${number(report.codes)}
  took       ${number(report.elapsedMs)} ms (${number(rate)} accounts and slots a second)
  received   ${number(report.bytesReceived)} bytes in ${number(report.requests)} requests; ${number(report.nodesHealed)} nodes left to heal
  stored     ${number(report.bytesStored)} bytes in ${number(report.pagesStored)} pages
`)
  const wanted = options.genesis ? MAINNET : { root, accounts }
  const reached = report.root === wanted.root && report.accounts === wanted.accounts
  console.log(reached
    ? `COMPLETE: all ${number(wanted.accounts)} accounts under ${wanted.root}`
    : `WRONG: expected ${number(wanted.accounts)} accounts under ${wanted.root}`)
  return reached
}

function number(value) {
  return Math.round(value).toLocaleString('en')
}

/** Opens the developer's own browser. Where there is none, the printed address is enough. */
function showInBrowser(address) {
  const [program, ...before] = { darwin: ['open'], win32: ['cmd', '/c', 'start', ''] }[process.platform] ?? ['xdg-open']
  const child = spawn(program, [...before, address], { stdio: 'ignore', detached: true })
  const advise = () => console.log('no browser could be opened from here: open the address above in one')
  child.on('error', advise)
  child.on('exit', (code) => code !== 0 && advise())
  child.unref()
}
