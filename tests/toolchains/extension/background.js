// The service worker. It has no Worker of its own, so it opens the database in its own thread.

import { open } from 'snaplight'
import { read } from './wallet.js'

chrome.runtime.onMessage.addListener((message, _sender, answer) => {
  if (message.to !== 'background') return false
  read(open, 'background', message.wanted).then(answer, (error) => answer(String(error)))
  return true
})
