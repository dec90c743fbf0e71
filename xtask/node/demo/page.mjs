/** The page in headless Chromium, and what every scene does with it. */

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { launch } from '../browser.mjs'
import { ROOT } from '../serve.mjs'

/** Where pictures are saved. */
export const TARGET = process.env.SNAPLIGHT_TARGET ?? join(ROOT, 'target')

/**
 * Runs `scene` with the page at `url`, and saves a picture of its end.
 *
 * @param {string} url
 * @param {string} picture the file's name
 * @param {(stage: Stage) => Promise<boolean>} scene
 * @returns {Promise<boolean>} what the scene returned
 */
export async function play(url, picture, scene) {
  console.log(`opening ${url}`)
  const profile = mkdtempSync(join(tmpdir(), 'snaplight-demo-'))
  const stage = new Stage(url, profile)
  const file = join(TARGET, picture)
  try {
    await stage.open()
    try {
      return await scene(stage)
    } finally {
      mkdirSync(dirname(file), { recursive: true })
      await stage.page.screenshot({ path: file, fullPage: true })
      console.log(`screenshot: ${file}`)
    }
  } finally {
    await stage.close()
    rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 })
  }
}

/** A page in a browser. Both may be replaced. */
class Stage {
  #browser
  #profile

  constructor(url, profile) {
    this.url = url
    this.#profile = profile
  }

  async open() {
    this.#browser = await launch({ profile: this.#profile, viewport: { width: 1180, height: 1280 } })
    this.page = await this.another()
  }

  /** Opens another tab with the same address. */
  async another() {
    const page = await this.#browser.context.newPage()
    page.on('pageerror', (error) => console.log(`  the page threw: ${error.message}`))
    page.on('console', (message) => {
      if (message.type() === 'error') console.log(`  the page says: ${message.text()}`)
    })
    await page.goto(this.url)
    return page
  }

  /**
   * Ends all processes of the browser at once, and opens the page in a new browser with the same
   * profile.
   */
  async killBrowser() {
    await this.#browser.kill()
    await this.open()
  }

  close() {
    return this.#browser?.close()
  }
}

/** The problem that the page shows, or nothing. */
export function problemOf(page) {
  return page.evaluate(() => document.querySelector('#phase[data-phase=problem]') && document.querySelector('#problem').textContent)
}

/** Looks up an account, so that the screenshot shows that the state can be used. */
export async function lookUpSomething(page) {
  const example = page.locator('#examples button').first()
  if ((await example.count()) === 0) return
  await example.click()
  await page.locator('#answer dl, #answer .error').first().waitFor()
}

export function number(value) {
  return Math.round(value).toLocaleString('en')
}

export function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
