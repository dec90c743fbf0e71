/**
 * Parts that all end-to-end tests share: a server, a browser with a profile on disk, peers, and
 * pages with the package loaded.
 */

import { after, afterEach, before } from 'node:test'
import { launch, launchHideable } from '../../../xtask/node/browser.mjs'
import { launchFirefox } from '../../../xtask/node/firefox.mjs'
import { startPeer } from '../../../xtask/node/peers.mjs'
import { serve } from '../../../xtask/node/serve.mjs'

/**
 * Defines the helpers that the tests' functions use inside a page. Runs in every page before its
 * own scripts.
 */
function inPageHelpers() {
  /** What an error is, in a form that can leave the page. */
  window.described = (error) => ({
    code: error?.code,
    name: error?.name,
    message: error?.message,
    isError: error instanceof Error,
    isSnaplight: error instanceof window.snaplight.SnaplightError,
    classes: ['MisuseError', 'NotTrackedError', 'StoreError', 'QuotaError', 'DamagedError', 'CancelledError', 'ClosedError', 'LockedError']
      .filter((name) => error instanceof window.snaplight[name]),
    cause: error?.cause === undefined ? undefined : String(error.cause?.message ?? error.cause),
  })
  /** The error that a call throws or rejects with. */
  window.failure = async (call) => {
    try {
      await call()
    } catch (error) {
      return window.described(error)
    }
    return { code: 'NO ERROR', classes: [] }
  }
  /**
   * Waits for the next turn of the event loop. Answers from the cache come so fast that nothing
   * else would get a turn.
   */
  window.turn = () => new Promise((resolve) => setTimeout(resolve))
  /**
   * A listener for `open({ onEvent })` that keeps all events; `next(type)` waits for an event that
   * has not come yet.
   */
  window.listen = () => {
    const [heard, waiting] = [[], []]
    const onEvent = (event) => {
      heard.push(event)
      for (const wait of waiting.splice(0)) if (!wait(event)) waiting.push(wait)
    }
    const next = (type) => new Promise((resolve) => waiting.push((event) => event.type === type && (resolve(event), true)))
    return { heard, onEvent, next }
  }
}

/**
 * The browser that a file's tests run in, unless the file names one: `SNAPLIGHT_BROWSER=firefox`
 * runs a file in Firefox that is run in Chromium otherwise.
 */
const BROWSER = process.env.SNAPLIGHT_BROWSER ?? 'chromium'
const LAUNCHES = { chromium: launch, firefox: launchFirefox }

/**
 * Sets a test file up: `const world = setUp()`. Pages are closed after each test, and everything
 * after the file's last.
 *
 * @param {{profile?: string, browser?: 'chromium' | 'firefox', sideBySide?: boolean, hideable?:
 *   boolean}} [options] `profile`: a folder to keep; `sideBySide`: tests of this file run at the
 *   same time and close their pages themselves; `hideable`: a page behind another one is hidden, as
 *   a user's is, in Chromium
 */
export function setUp({ profile, browser = BROWSER, sideBySide = false, hideable = false } = {}) {
  if (!Object.hasOwn(LAUNCHES, browser)) throw new Error(`SNAPLIGHT_BROWSER is ${Object.keys(LAUNCHES).join(' or ')}, not "${browser}"`)
  const world = new World(hideable ? launchHideable : (options) => LAUNCHES[browser]({ profile, ...options }), hideable)
  before(() => world.begin())
  if (!sideBySide) afterEach(() => world.closePages())
  after(() => world.end())
  return world
}

class World {
  #launch
  #hideable
  #server
  #browser
  #peers = []

  constructor(launch, hideable) {
    this.#launch = launch
    this.#hideable = hideable
  }

  async begin() {
    this.#server = await serve()
    await this.startBrowser()
  }

  async end() {
    await this.#browser?.close()
    await Promise.all(this.#peers.map((peer) => peer.stop()))
    await this.#server?.close()
  }

  get origin() {
    return this.#server.origin
  }

  get context() {
    return this.#browser.context
  }

  /** `options` are the browser's own, for this start only. */
  async startBrowser(options = {}) {
    this.#browser = await this.#launch(options)
    await this.context.addInitScript(inPageHelpers)
  }

  /** Kills the browser without notice. Only a profile that `setUp` was given is left. */
  async killBrowser() {
    await this.#browser.kill()
  }

  /** A peer that lives until the file's end, or until `stop()`. */
  async peer(...options) {
    const peer = await startPeer(options)
    this.#peers.push(peer)
    return peer
  }

  /**
   * Closes what a test has left open, so that a failed test holds no lock that the next one needs.
   */
  async closePages() {
    await Promise.all(this.context.pages().map((page) => page.url() !== 'about:blank' && page.close()))
  }

  /** A page with the package in `window.snaplight`. */
  async page() {
    const page = await this.open(`${this.origin}/blank`)
    await load(page)
    return page
  }

  /** A page in a tab of its own. Uncaught errors are kept in `page.uncaught`. */
  async open(url) {
    const page = await this.context.newPage()
    page.uncaught = []
    page.on('pageerror', (error) => page.uncaught.push(error.message))
    // Such a browser does not run the context's scripts in new pages.
    if (this.#hideable) await page.addInitScript(inPageHelpers)
    await page.goto(url)
    return page
  }
}

/** Loads the package into a page that was just opened or reloaded. */
export async function load(page) {
  await page.evaluate(async () => {
    window.snaplight = await import('snaplight')
  })
}

/** What `open` and `sync` need to know of a peer, as a value that can be passed to a page. */
export function chain(peer) {
  return { url: peer.url, root: peer.root, block: peer.block, network: { id: peer.networkId, genesisHash: peer.genesisHash } }
}

/**
 * Opens `name`, syncs it to the peers' root and returns the report. The database stays open as
 * `window.db`.
 *
 * @param {import('playwright-core').Page} page
 * @param {string} name
 * @param {...object} peers
 */
export async function syncedPage(page, name, ...peers) {
  return page.evaluate(
    async ({ name, chains }) => {
      const [{ root, network }] = chains
      window.db = await window.snaplight.open({ name, network })
      for (const { url } of chains) window.db.addPeer(url)
      return window.db.sync(root)
    },
    { name, chains: peers.map(chain) },
  )
}
