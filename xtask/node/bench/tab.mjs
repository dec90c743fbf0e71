/** A tab in a headless browser with a profile on disk, and what it costs to do something in it. */

import { launch } from '../browser.mjs'
import { serve } from '../serve.mjs'
import { KNOWS_CPU, between, watchCpu } from './cpu.mjs'

/**
 * The browser is looked at this often until it is idle: IndexedDB tidies up after it has answered.
 */
const LOOK_EVERY_MS = 200
/** What an idle browser uses between two looks, at most. */
const IDLE_SECONDS = 0.01
/** On a busy machine, the browser may never become idle. */
const AT_REST_WITHIN_MS = 10_000

/**
 * @param {{start?: typeof launch}} [options] `start`: starts the browser; Chromium by default
 * @returns {Promise<{page: object, measured: (what: Function, setting: object) => Promise<object>,
 *   another: () => Promise<object>, close: () => Promise<void>}>} `measured` runs a function in the
 *   page, which returns `{memory, ...}`, and adds `cpu`. `another` opens another tab in the same
 *   browser.
 */
export async function openTab({ start = launch } = {}) {
  const server = await serve()
  const browser = await start()
  const cpu = KNOWS_CPU && watchCpu(browser.profile)
  await browser.context.addInitScript(inPageHelpers)
  const open = async (close) => {
    const page = await browser.context.newPage()
    await page.goto(`${server.origin}/blank`)
    if (cpu) await atRest(cpu)
    const measured = async (what, setting) => {
      const before = cpu && cpu.look()
      const value = await page.evaluate(what, setting)
      return cpu ? { ...value, cpu: between(before, await atRest(cpu)) } : value
    }
    return { page, measured, close: close ?? (() => page.close()) }
  }
  const tab = await open(async () => {
    await browser.close()
    await server.close()
  })
  return { ...tab, another: () => open() }
}

/** Waits until the browser is idle. */
async function atRest(cpu) {
  const end = Date.now() + AT_REST_WITHIN_MS
  for (let last = cpu.look(); ;) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))
    const now = cpu.look()
    if (between(last, now).all <= IDLE_SECONDS || Date.now() > end) return now
    last = now
  }
}

/** Runs in every page before anything else, so it can use nothing from outside. */
function inPageHelpers() {
  /**
   * The module's memory changes within milliseconds but never shrinks, so a later look sees what an
   * earlier one missed.
   */
  const EVERY_MS = 50
  /** The glue is one module per realm: importing it again gives the instance that works there. */
  const here = async () => (await (await import('/pkg/wasm/snaplight.js')).default()).memory.buffer.byteLength

  /**
   * Follows the wasm memory from now on, which is after `open`. `stop` returns bytes: at the start,
   * at most, and at the end.
   */
  window.watchMemory = async (look = here) => {
    const start = await look()
    let peak = start
    const timer = setInterval(async () => (peak = Math.max(peak, await look())), EVERY_MS)
    return {
      stop: async () => {
        clearInterval(timer)
        const end = await look()
        return { start, peak: Math.max(peak, end), end }
      },
    }
  }

  /** A worker for databases that also reports how much memory its module has. */
  window.startWorker = () => {
    const { origin } = location
    const text = `
      import '${origin}/pkg/worker-entry.js'
      import glue from '${origin}/pkg/wasm/snaplight.js'
      const channel = new BroadcastChannel('memory')
      channel.onmessage = async () => channel.postMessage((await glue()).memory.buffer.byteLength)`
    const url = URL.createObjectURL(new Blob([text], { type: 'text/javascript' }))
    const worker = new Worker(url, { type: 'module' })
    const channel = new BroadcastChannel('memory')
    const waiting = []
    channel.onmessage = ({ data }) => waiting.shift()?.(data)
    const look = () => new Promise((resolve) => {
      waiting.push(resolve)
      channel.postMessage('?')
    })
    const end = () => {
      worker.terminate()
      channel.close()
      URL.revokeObjectURL(url)
    }
    return { worker, look, end }
  }
}
