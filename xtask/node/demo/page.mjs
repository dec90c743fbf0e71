/** The page in headless Chromium, and what every scene does with it. */

import { mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { launch } from '../browser.mjs'
import { ROOT } from '../serve.mjs'

const TARGET = process.env.SNAPLIGHT_TARGET ?? join(ROOT, 'target')

/**
 * Plays `scene` with the page at `url`, and keeps a picture of its end.
 *
 * @param {string} url
 * @param {string} picture the file's name
 * @param {(page: import('playwright-core').Page, context: import('playwright-core').BrowserContext) => Promise<boolean>} scene
 * @returns {Promise<boolean>} what the scene answered
 */
export async function play(url, picture, scene) {
  console.log(`opening ${url}`)
  const browser = await launch({ viewport: { width: 1180, height: 1280 } })
  const file = join(TARGET, picture)
  try {
    const page = await browser.context.newPage()
    page.on('pageerror', (error) => console.log(`  the page threw: ${error.message}`))
    page.on('console', (message) => {
      if (message.type() === 'error') console.log(`  the page says: ${message.text()}`)
    })
    await page.goto(url)
    try {
      return await scene(page, browser.context)
    } finally {
      mkdirSync(dirname(file), { recursive: true })
      await page.screenshot({ path: file, fullPage: true })
      console.log(`screenshot: ${file}`)
    }
  } finally {
    await browser.close()
  }
}

/** What the page shows as a problem, or nothing. */
export function problemOf(page) {
  return page.evaluate(() => document.querySelector('#phase[data-phase=problem]') && document.querySelector('#problem').textContent)
}

/** The screenshot should show that the state can be used, too. */
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
