/**
 * The key space as a map: sixteen blocks, one for each first digit, of sixteen cells, one for each
 * second digit.
 */

import { percent } from './format.js'

export function createKeySpace(element) {
  const cells = []
  for (let first = 0; first < 16; first++) {
    const block = document.createElement('div')
    for (let second = 0; second < 16; second++) {
      const cell = document.createElement('i')
      cell.title = `0x${first.toString(16)}${second.toString(16)}…`
      cells.push(cell)
      block.append(cell)
    }
    const label = document.createElement('b')
    label.textContent = first.toString(16)
    block.append(label)
    element.append(block)
  }
  const shown = new Uint8Array(256)

  return {
    /** @param {Uint8Array} levels 256 of them, 0 for nothing known to 255 for all */
    show(levels) {
      let sum = 0
      levels.forEach((level, at) => {
        sum += level
        // This is called ten times a second, and most cells have not changed.
        if (level === shown[at]) return
        shown[at] = level
        cells[at].style.setProperty('--fill', (level / 255).toFixed(3))
      })
      const share = sum / (levels.length * 255)
      element.setAttribute('aria-label', `The key space, ${percent(share)} proven`)
      return share
    },
  }
}
