/** The watch list: of each entry its values, and of each value its badge. */

import { count } from '../view/format.js'
import { write } from '../view/say.js'
import { ago, amount, difference, shortAddress, slotName, slotValue, word } from './format.js'

/** The hash of no code. */
const NO_CODE = '0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470'
const NAMES = { proven: 'Proven', stale: 'Stale', pending: 'Pending', untracked: 'Not tracked', damaged: 'Damaged', unreadable: 'Unreadable' }

/**
 * @param {HTMLElement} list
 * @param {{onTrack: Function, onUntrack: Function, onForget: Function}} act given an address each
 */
export function createList(list, { onTrack, onUntrack, onForget }) {
  /** By address. Rows are made once and rewritten, so that a selection and the focus stay. */
  const items = new Map()

  function itemOf(entry) {
    const found = items.get(entry.address)
    if (found) return found
    const item = document.createElement('li')
    item.innerHTML = `<div class="who"><h3></h3><code></code><span class="acts"><button class="quiet"></button><button class="quiet"></button></span></div><dl></dl>`
    const [first, second] = item.querySelectorAll('button')
    first.addEventListener('click', () => (item.dataset.tracked === 'yes' ? onUntrack : onTrack)(entry.address))
    second.addEventListener('click', () => onForget(entry.address))
    items.set(entry.address, item)
    return item
  }

  return {
    show(values, { changeOf, lieAbout }) {
      const wanted = new Set(values.map(({ entry }) => entry.address))
      for (const [address, item] of items) {
        if (wanted.has(address)) continue
        item.remove()
        items.delete(address)
      }
      values.forEach(({ entry, account, slots }, at) => {
        const item = itemOf(entry)
        if (list.children[at] !== item) list.insertBefore(item, list.children[at] ?? null)
        const { address, isTracked } = entry
        item.dataset.tracked = isTracked ? 'yes' : 'no'
        const [title, code] = item.querySelectorAll('h3, code')
        write(title, entry.label || shortAddress(address))
        write(code, entry.label ? shortAddress(address) : '')
        code.title = title.title = address
        const [first, second] = item.querySelectorAll('button')
        const named = entry.label || address
        name(first, isTracked ? 'Stop tracking' : 'Track again', named)
        name(second, 'Remove', named)
        second.hidden = isTracked
        const rows = item.querySelector('dl')
        while (rows.children.length > 1 + slots.length) rows.lastChild.remove()
        showRow(rows, 0, balanceRow(account, changeOf(address), lieAbout(address)))
        slots.forEach((read, place) => showRow(rows, place + 1, slotRow(read, changeOf(address, read.slot), lieAbout(address, read.slot))))
      })
    },
  }
}

function balanceRow({ value, standing }, change, lie) {
  const row = { name: 'Balance', standing, lie, text: value ? amount(value.balance) : '', title: value ? `${value.balance} wei` : '' }
  if (!value) return row
  const notes = [kindOf(value)]
  const [before, after] = [change?.old, change?.new]
  // A contract's account is another one, too, when only its storage is.
  const isOther = change && (before.balance !== after.balance || before.nonce !== after.nonce)
  if (isOther && before.balance !== after.balance) notes.push(`${difference(before.balance, after.balance)} in block ${count(after.block?.number ?? 0)}`)
  return { ...row, note: notes.join(' · '), isNew: isOther && change.isNew }
}

/** What an account is, in words. */
function kindOf({ exists, nonce, codeHash }) {
  if (!exists) return 'Never used: proven not to be in the state'
  if (codeHash !== NO_CODE) return 'A contract'
  return `${count(Number(nonce))} ${nonce === 1n ? 'transaction' : 'transactions'} sent`
}

function slotRow({ slot, value, standing }, change, lie) {
  const row = { name: slotName(slot), standing, lie, text: value ? slotValue(value.value) : '', title: value ? word(value.value) : '' }
  const before = change?.old?.value
  const note = before === undefined ? '' : `It was ${slotValue(before)} before block ${count(change.new.block?.number ?? 0)}`
  return { ...row, note, isNew: change?.isNew }
}

function showRow(rows, at, { name, standing, text, title, note = '', lie, isNew = false }) {
  const row = rows.children[at] ?? rows.appendChild(newRow())
  const [term, value, badge] = row.children
  const [main, small, claim] = value.children
  write(term, name)
  row.dataset.state = standing.state
  row.dataset.new = isNew ? 'yes' : 'no'
  write(main, text || '–')
  main.title = title
  write(small, note)
  write(claim, lie)
  const [mark, words] = badge.querySelectorAll('.badge, small')
  mark.dataset.state = standing.state
  write(mark.lastChild, NAMES[standing.state])
  write(words, badgeWords(standing))
}

/** What is said beside a badge. */
function badgeWords({ state, block, age, why }) {
  if (state === 'proven' || state === 'stale') return block ? `block ${count(block.number)}, ${ago(age)}` : 'of an unknown block'
  return why
}

function name(button, text, entry) {
  write(button, text)
  button.setAttribute('aria-label', `${text}: ${entry}`)
}

function newRow() {
  const row = document.createElement('div')
  row.innerHTML = '<dt></dt><dd class="value"><b></b><small></small><small class="claim"></small></dd><dd class="state"><span class="badge"><i></i><span></span></span><small></small></dd>'
  return row
}
