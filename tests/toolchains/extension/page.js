// The popup, which is a page like any other. It asks the other two as well.

import { readInBoth, wanted } from './wallet.js'

window.found = readEverywhere(wanted())

async function readEverywhere(wanted) {
  const page = await readInBoth(wanted)
  const background = await chrome.runtime.sendMessage({ to: 'background', wanted })
  if (!(await chrome.offscreen.hasDocument())) {
    await chrome.offscreen.createDocument({ url: 'offscreen.html', reasons: ['WORKERS'], justification: 'It syncs and proves state in a worker.' })
  }
  const offscreen = await chrome.runtime.sendMessage({ to: 'offscreen', wanted })
  return { ...page, background, offscreenPage: offscreen.here, offscreenWorker: offscreen.worker }
}
