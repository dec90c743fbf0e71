/**
 * The lies of providers, named field by field, and the switch that makes the local provider lie.
 * A provider says what an account's fields are, and proves it. Where both differ, it lied.
 */

import { count } from '../view/format.js'
import { write } from '../view/say.js'
import { amount, shortAddress, slotName, slotValue } from './format.js'
import { shortHash } from '../view/format.js'

/** How long a lie is shown beside the value. */
const FRESH_MS = 15_000
/** Lies of one field are counted as one. Most fields that are kept. */
const MOST_FIELDS = 20

const FIELDS = {
  balance: 'balance', nonce: 'number of transactions', codeHash: 'code', storageHash: 'storage', storageProof: 'value',
}

/**
 * @param {{toggle: HTMLElement, words: HTMLElement, list: HTMLElement}} elements
 * @param {string | null} control the URL of the go-between that can be told to lie
 * @param {(address: string) => string | undefined} labelOf
 */
export function createLies({ toggle, words, list }, control, labelOf) {
  /** By address, field and slot, the last one heard last. */
  const named = new Map()
  let lieAbout = null
  /** The entry that the switch would lie about. */
  let target
  let problem = ''

  toggle.hidden = !control
  toggle.addEventListener('click', () => tell(lieAbout ? null : target?.address ?? null))
  if (control) tell()

  /** Tells the go-between what to lie about, or asks what it does. */
  async function tell(...address) {
    try {
      const body = address.length > 0 ? { method: 'POST', body: JSON.stringify({ lieAbout: address[0] }) } : {}
      lieAbout = (await (await fetch(control, { ...body, cache: 'no-store' })).json()).lieAbout
      problem = ''
    } catch {
      problem = 'The program that lies on demand cannot be reached. Is `cargo xtask demo --wallet` still running?'
    }
    show()
  }

  function explain(plugged) {
    if (problem) return problem
    if (lieAbout) {
      const about = labelOf(lieAbout) || shortAddress(lieAbout)
      return `The provider adds 1,000 ETH to the balance of “${about}”.${plugged === false ? ' It is unplugged now, so nobody hears it.' : ''}`
    }
    if (named.size > 0) return 'The provider says what it proves again. These lies were found:'
    const checked = 'A provider’s answer says something, and proves it. Both are compared.'
    return control ? `${checked} Switch this on to make the provider lie about one balance.` : `${checked} No lie was found so far.`
  }

  function show(plugged) {
    toggle.setAttribute('aria-checked', String(Boolean(lieAbout)))
    toggle.disabled = !lieAbout && !target
    write(words, explain(plugged))
    const lies = [...named.values()].reverse()
    while (list.children.length > lies.length) list.lastChild.remove()
    lies.forEach((lie, at) => showOne(list.children[at] ?? list.appendChild(newItem()), lie))
  }

  function showOne(item, { address, field, slot, claimed, proven, peer, times }) {
    const [title, facts, foot] = item.children
    const what = field === 'storageProof' ? slotName(slot) : `the ${FIELDS[field]}`
    write(title, `${labelOf(address) || shortAddress(address)}: ${what}`)
    title.title = address
    const [claim, truth] = facts.querySelectorAll('dd')
    write(claim, shown(field, claimed))
    write(truth, shown(field, proven))
    write(foot, `${peer} said so ${times === 1 ? 'once' : `${count(times)} times`}. The proven value is what is shown and stored.`)
  }

  return {
    get named() {
      return [...named.values()]
    },

    /** Takes an event in. */
    heard({ peer, address, field, slot, claimed, proven }) {
      const key = `${address} ${field} ${slot ?? ''}`
      const times = (named.get(key)?.times ?? 0) + 1
      named.delete(key)
      named.set(key, { address, field, slot, claimed, proven, peer: peer.name, times, at: performance.now() })
      if (named.size > MOST_FIELDS) named.delete(named.keys().next().value)
    },

    /** What was claimed of a value just now, in words; nothing if it was the truth. */
    about(address, slot) {
      const isIt = (lie) => lie.address === address && (slot === undefined ? lie.field === 'balance' : lie.slot && BigInt(lie.slot) === BigInt(slot))
      const lie = [...named.values()].find(isIt)
      return lie && performance.now() - lie.at < FRESH_MS ? `The provider claimed ${shown(lie.field, lie.claimed)}` : ''
    },

    /** @param {object} [entry] the one that the switch is about */
    show(entry, plugged) {
      target = entry
      show(plugged)
    },
  }
}

function shown(field, value) {
  if (field === 'balance') return amount(BigInt(value))
  if (field === 'nonce') return count(Number(BigInt(value)))
  return field === 'storageProof' ? slotValue(BigInt(value)) : shortHash(value)
}

function newItem() {
  const item = document.createElement('li')
  item.innerHTML = '<h3></h3><dl><dt>Claimed</dt><dd class="claimed"></dd><dt>Proven</dt><dd class="truth"></dd></dl><p></p>'
  return item
}
