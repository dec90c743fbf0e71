import { open } from 'snaplight'
import { read } from '../wallet.js'

export default defineBackground(() => {
  chrome.runtime.onMessage.addListener((message, _sender, answer) => {
    read(open, 'background', message.wanted).then(answer, (error) => answer(String(error)))
    return true
  })
})
