// A document that nobody sees. It lives longer than the service worker, and may start workers.

import { readInBoth } from './wallet.js'

chrome.runtime.onMessage.addListener((message, _sender, answer) => {
  if (message.to !== 'offscreen') return false
  readInBoth(message.wanted).then(answer, (error) => answer(String(error)))
  return true
})
