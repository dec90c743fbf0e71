/**
 * Headless Chromium by playwright-core. The browser is the machine's own; nothing is downloaded.
 */

import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium } from 'playwright-core'
import { announced, killTree } from './processes.mjs'

const PROGRAM = process.env.SNAPLIGHT_CHROMIUM ?? '/usr/bin/chromium'

/** The browser's own services are not needed, so they must not use the network. */
const QUIET = [
  '--no-first-run',
  '--disable-quic',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-gpu',
]
/**
 * A page in the background counts as visible, so that its timers run as those of a page that a user
 * looks at.
 */
const ALWAYS_VISIBLE = [
  '--disable-background-timer-throttling',
  '--disable-renderer-backgrounding',
  '--disable-backgrounding-occluded-windows',
]

/**
 * Starts a browser with a profile on disk, as users have one: what a page stores is really written.
 *
 * @param {{profile?: string, headless?: boolean, features?: string[], viewport?: {width: number,
 *   height: number}, colorScheme?: 'light' | 'dark', extension?: string}} [options]
 *   `profile`: a folder to keep. Without it, a temporary one is used, and `close()` removes it.
 *   `features`: Chromium's features to turn on. `extension`: the folder of an extension to load.
 * @returns {Promise<{context: import('playwright-core').BrowserContext, profile: string,
 *   close: () => Promise<void>, kill: () => Promise<void>}>} `kill` ends all its processes at once,
 *   as a crash of the machine would.
 */
export async function launch({ profile, headless = true, features = [], extension, ...page } = {}) {
  const folder = profile ?? (await mkdtemp(join(tmpdir(), 'snaplight-profile-')))
  const context = await chromium.launchPersistentContext(folder, {
    executablePath: PROGRAM,
    headless,
    // Chromium's sandbox refuses to run as root.
    chromiumSandbox: process.getuid?.() !== 0,
    args: [
      ...QUIET,
      ...ALWAYS_VISIBLE,
      ...(features.length > 0 ? [`--enable-features=${features.join(',')}`] : []),
      ...(extension ? [`--disable-extensions-except=${extension}`, `--load-extension=${extension}`] : []),
    ],
    // Playwright turns extensions off.
    ...(extension && { ignoreDefaultArgs: ['--disable-extensions'] }),
    ...page,
  })
  return {
    context,
    profile: folder,
    kill: async () => {
      const gone = new Promise((resolve) => context.once('close', resolve))
      await killTree(`--user-data-dir=${folder}`)
      await gone
    },
    close: async () => {
      await context.close()
      if (!profile) await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 })
    },
  }
}

/**
 * Starts a browser whose pages are really hidden while another one is in front: `visibilityState`
 * is `hidden`, and timers are throttled. In a browser that playwright has started, every page
 * counts as visible and focused, so this one is started without it, and only driven by it.
 *
 * @returns {Promise<{context: import('playwright-core').BrowserContext, profile: string, close: ()
 *   => Promise<void>}>}
 */
export async function launchHideable() {
  const profile = await mkdtemp(join(tmpdir(), 'snaplight-profile-'))
  const child = spawn(PROGRAM, [
    '--headless', ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []), '--remote-debugging-port=0', `--user-data-dir=${profile}`,
    ...QUIET, 'about:blank',
  ], { stdio: ['ignore', 'ignore', 'pipe'] })
  const gone = new Promise((resolve) => child.once('close', resolve))
  const kill = () => child.kill('SIGKILL')
  process.once('exit', kill)
  try {
    const url = await announced(child, PROGRAM, /^DevTools listening on (ws:\S+)/)
    const browser = await chromium.connectOverCDP(url, { noDefaults: true })
    return {
      context: browser.contexts()[0],
      profile,
      close: async () => {
        const session = await browser.newBrowserCDPSession()
        await session.send('Browser.close').catch(() => {})
        await gone
        process.off('exit', kill)
        await rm(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 })
      },
    }
  } catch (error) {
    kill()
    throw error
  }
}
