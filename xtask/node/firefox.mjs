/**
 * Headless Firefox by puppeteer-core and WebDriver BiDi. The browser is the machine's own; nothing
 * is downloaded.
 *
 * playwright-core, which drives Chromium here, needs a newer Firefox than the one with long support:
 * its version 1.65 asks for `emulation.setMediaFeaturesOverride`, which Firefox 153 does not have.
 * puppeteer-core 25 needs Node 22, so this is its version 24.
 */

import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import puppeteer from 'puppeteer-core'
import { announced, killTree } from './processes.mjs'

const PROGRAM = process.env.SNAPLIGHT_FIREFOX ?? '/usr/bin/firefox-esr'

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP']

/**
 * What Firefox writes into a page's log as an error of its script and Chromium does not: no exception
 * is behind it.
 */
const NO_EXCEPTION = /^Firefox can’t establish a connection|^The connection to \S+ was interrupted/

/**
 * The browser's own services are not needed, so they must not use the network. Whatever asks all
 * the same is sent to a proxy at a port where nobody answers, with the name still to be resolved;
 * loopback is never sent to a proxy. A page in the background counts as one that a user looks at, as
 * in `launch` of `browser.mjs`: its timers are not held back. Nobody is asked anything, also after a
 * kill.
 */
const PREFERENCES = JSON.parse(readFileSync(new URL('../../webdriver-firefox.json', import.meta.url), 'utf8'))['moz:firefoxOptions'].prefs

/**
 * Starts a browser with a profile on disk, as users have one. What it returns has the form of what
 * `launch` of `browser.mjs` returns, as far as the tests use it.
 *
 * @param {{profile?: string, preferences?: Record<string, string | number | boolean>}} [options]
 *   `profile`: a folder to keep. Without it, a temporary one is used, and `close()` removes it.
 *   `preferences`: as in `about:config`; they stay in the profile
 * @returns {Promise<{context: Context, profile: string, close: () => Promise<void>, kill: () =>
 *   Promise<void>}>} `kill` ends all its processes at once, as a crash of the machine would.
 */
export async function launchFirefox({ profile, preferences = {} } = {}) {
  const folder = profile ?? (await mkdtemp(join(tmpdir(), 'snaplight-firefox-')))
  const all = { ...PREFERENCES, ...preferences }
  await writeFile(join(folder, 'user.js'), Object.entries(all).map(([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`).join(''))
  const child = spawn(PROGRAM, ['--headless', '--no-remote', '--profile', folder, '--remote-debugging-port=0'], {
    stdio: ['ignore', 'ignore', 'pipe'],
    // Its helper for crashes is no child of the browser, so a kill would leave it.
    env: { ...process.env, MOZ_CRASHREPORTER_DISABLE: '1' },
  })
  const gone = new Promise((resolve) => child.once('close', resolve))
  const end = () => child.kill('SIGKILL')
  const stop = () => process.exit(1)
  process.once('exit', end)
  // Node ends without an `exit` if a signal ends it, as it does a test file that takes too long.
  for (const signal of SIGNALS) process.once(signal, stop)
  try {
    const url = await announced(child, PROGRAM, /^WebDriver BiDi listening on (ws:\S+)/)
    const browser = await puppeteer.connect({
      browserWSEndpoint: `${url}/session`,
      protocol: 'webDriverBiDi',
      defaultViewport: null,
      // What a test waits for may take as long as the test's own limit.
      protocolTimeout: 0,
    })
    const ended = async (ending) => {
      await ending()
      await gone
      process.off('exit', end)
      for (const signal of SIGNALS) process.off(signal, stop)
    }
    return {
      context: new Context(browser),
      profile: folder,
      kill: () => ended(() => killTree(folder)),
      close: async () => {
        await ended(() => browser.close())
        if (!profile) await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 })
      },
    }
  } catch (error) {
    end()
    throw error
  }
}

/** The browser's tabs, by the names that playwright gives to their methods. */
class Context {
  #browser
  #scripts = []
  /** At most the tabs that a test opens. */
  #pages = new Set()

  constructor(browser) {
    this.#browser = browser
  }

  /** Runs in every page that is opened from now on, before its own scripts. */
  async addInitScript(script) {
    this.#scripts.push(script)
  }

  async newPage() {
    const page = await this.#browser.newPage()
    page.setDefaultTimeout(0)
    page.addInitScript = (script) => page.evaluateOnNewDocument(script)
    page.evaluate = settled(page.evaluate.bind(page))
    const on = page.on.bind(page)
    page.on = (type, listener) => on(type, type === 'pageerror' ? (error) => NO_EXCEPTION.test(error.message) || listener(error) : listener)
    const waitForFunction = page.waitForFunction.bind(page)
    page.waitForFunction = (work, value, options) => waitForFunction(work, options, value)
    for (const script of this.#scripts) await page.addInitScript(script)
    this.#pages.add(page)
    page.once('close', () => this.#pages.delete(page))
    return page
  }

  /** Whether the tabs that are open now have no network. */
  async setOffline(offline) {
    for (const page of this.#pages) await page.setOfflineMode(offline)
  }

  /** The tabs that `newPage` has opened and that are still there. */
  pages() {
    return [...this.#pages]
  }
}

/**
 * Firefox awaits what a function returns only if it is a promise, and not if it is something like
 * one, as a sync is.
 */
function settled(evaluate) {
  return (work, ...values) =>
    typeof work === 'function' ? evaluate(new Function('...values', `return Promise.resolve((${work})(...values))`), ...values) : evaluate(work)
}
