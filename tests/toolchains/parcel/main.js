import { readInBoth, wanted } from './wallet.js'

window.found = readInBoth(wanted())
