/** A form that looks up any account, and a storage slot of it, in the last complete state. */

import { bytes, count, duration, ether } from './format.js'

const EMPTY_CODE = '0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470'
/**
 * Accounts of Ethereum mainnet's genesis state: the largest, another one, and one that provably
 * does not exist.
 */
const EXAMPLES = {
  '0xd7f8974fb5ac78d9ac099b9ad5018bedc2ce0a72dad1827a1709da30580f0544': [
    '0x5abfec25f74cd88437631a7731906932776356f9',
    '0x000d836201318ec6899a67540690382780743280',
    '0xd8da6bf26964af9d7eed9e03e53415d37aa96045',
  ],
}

/** @param database a function that returns the open database, or nothing */
export function createLookup({ form, examples, answer }, database) {
  /** The last question and its answer. It is asked again whenever a newer block is complete. */
  let asked, shown
  /** Blocks by their state root. */
  let blocks = new Map()
  let offered = ''

  form.addEventListener('submit', (event) => {
    event.preventDefault()
    asked = { address: form.elements.address.value.trim(), slot: form.elements.slot.value.trim() }
    shown = undefined
    answer.setAttribute('aria-live', 'polite')
    look(asked)
  })

  async function look(question) {
    const { address, slot } = question
    const started = performance.now()
    try {
      const db = database()
      if (!db) throw new Error('The database is not open.')
      const account = await db.getAccount(address)
      const held = account.codeHash === EMPTY_CODE ? undefined : await db.getCode(account.address)
      const stored = slot === '' ? undefined : await db.getStorage(address, /^\d+$/.test(slot) ? BigInt(slot) : slot)
      if (question === asked) show(account, held, stored, performance.now() - started)
    } catch (error) {
      // If the database was just killed or closed, it is asked again later, and the answer that is
      // shown still holds.
      if (question !== asked || (shown && ['CLOSED', 'CRASHED'].includes(error.code))) return
      const line = document.createElement('p')
      line.className = 'error'
      line.textContent = error.message
      answer.replaceChildren(line)
    }
  }

  function show(account, held, stored, took) {
    const list = document.createElement('dl')
    const add = (term, text, className = '') => {
      const [dt, dd] = [document.createElement('dt'), document.createElement('dd')]
      dt.textContent = term
      dd.textContent = text
      dd.className = className
      list.append(dt, dd)
    }
    const now = JSON.stringify([account.exists, `${account.balance}`, `${account.nonce}`, account.codeHash, account.storageRoot, `${stored?.value}`])
    const block = blocks.get(account.root)
    const changed = shown && shown.now !== now ? block : shown?.changed
    shown = { now, changed }
    add('Account', account.address)
    if (account.exists) {
      add('Balance', `${ether(account.balance)} ETH`, 'big')
      add('Nonce', account.nonce.toString())
      add('Code', held ? `${bytes(held.code.length)}, hash ${held.codeHash}` : 'none')
      add('Storage root', account.storageRoot)
    } else {
      add('Balance', 'Not in this state: its absence is proven', 'big')
    }
    if (stored) add(`Slot ${stored.slot}`, `0x${stored.value.toString(16)}`)
    if (changed) add('Changed', `by block ${count(changed.number)}, while this answer was shown`)
    if (block) add('Proven by', `block ${count(block.number)}, ${block.hash}`, 'proof')
    add(block ? 'Its state root' : 'Proven by', block ? account.root : `state root ${account.root}`, block ? '' : 'proof')
    add('Took', `${duration(Math.max(took, 1))}, from this browser’s database`)
    answer.replaceChildren(list)
  }

  return {
    /** Offers addresses to try: those given, or some where this page knows the state. */
    offer(root, given) {
      const addresses = given.length > 0 ? given : (EXAMPLES[root] ?? [])
      if (offered === addresses.join()) return
      offered = addresses.join()
      for (const button of examples.querySelectorAll('button')) button.remove()
      examples.hidden = addresses.length === 0
      for (const address of addresses) {
        const button = document.createElement('button')
        button.type = 'button'
        button.textContent = `${address.slice(0, 8)}…${address.slice(-4)}`
        button.addEventListener('click', () => {
          form.elements.address.value = address
          form.elements.slot.value = ''
          form.requestSubmit()
        })
        examples.append(button)
      }
    },

    /**
     * @param {{root: string, number: number, hash: string}[]} rows blocks that may be named as
     *   proof
     */
    knows(rows) {
      blocks = new Map(rows.map((row) => [row.root, row]))
    },

    /** Asks again when a newer state is complete. */
    refresh() {
      if (!asked) return
      // A screen reader need not read the answer again with every block.
      answer.setAttribute('aria-live', 'off')
      look(asked)
    },

    clear() {
      asked = shown = undefined
      answer.replaceChildren()
    },
  }
}
