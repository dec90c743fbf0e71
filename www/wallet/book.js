/**
 * The watch list: `{ address, slots, label, isTracked }`. It is the page's own and is stored beside
 * the database, which knows no labels, and forgets what is not tracked. What is not tracked any
 * more stays in the list until it is removed.
 */

const ADDRESS = /^(0x)?[0-9a-f]{40}$/i
const SLOT = /^(\d+|0x[0-9a-f]{1,64})$/i
/** Most entries, and slots of one, that a person can look at. */
const MOST_ENTRIES = 50
const MOST_SLOTS = 20

/**
 * @param {string} name the database's name
 * @param {object[]} first what is watched where nothing is stored yet
 */
export function createBook(name, first) {
  const key = `${name}-list`
  let entries = stored(key) ?? first.slice(0, MOST_ENTRIES).flatMap(({ address, slots, label }) => {
    const { entry } = readEntry({ address, slots: slots.join(' '), label })
    return entry ? [entry] : []
  })

  const save = () => {
    try {
      localStorage.setItem(key, JSON.stringify(entries))
    } catch {
      // Without storage the labels last as long as the page.
    }
  }
  save()

  return {
    get entries() {
      return entries
    },

    find: (address) => entries.find((entry) => entry.address === address),

    /** Adds an entry, or slots to the one of this address. Returns a problem, or nothing. */
    add(entry) {
      const before = this.find(entry.address)
      if (!before && entries.length >= MOST_ENTRIES) return `The list is full: it holds ${MOST_ENTRIES} addresses. Remove one first.`
      const slots = [...new Set([...(before?.slots ?? []), ...entry.slots])]
      if (slots.length > MOST_SLOTS) return `An address has at most ${MOST_SLOTS} slots in this list.`
      if (before) Object.assign(before, { slots, label: entry.label || before.label, isTracked: true })
      else entries = [...entries, { ...entry, slots }]
      save()
      return ''
    },

    setTracked(address, isTracked) {
      this.find(address).isTracked = isTracked
      save()
    },

    remove(address) {
      entries = entries.filter((entry) => entry.address !== address)
      save()
    },
  }
}

/**
 * Reads what somebody typed.
 * @returns {{entry?: object, problems: {address?: string, slots?: string}}}
 */
export function readEntry({ address, slots, label }) {
  const problems = {}
  const digits = address.trim()
  if (!ADDRESS.test(digits)) problems.address = addressProblem(digits)
  const numbers = slots.split(/[\s,;]+/).filter(Boolean)
  const wrong = numbers.find((slot) => !SLOT.test(slot) || BigInt(slot) >= 1n << 256n)
  if (wrong) problems.slots = `“${wrong}” is no slot. A slot is a number such as 3, or 0x and hexadecimal digits.`
  else if (numbers.length > MOST_SLOTS) problems.slots = `These are ${numbers.length} slots. At most ${MOST_SLOTS} fit in one entry.`
  if (Object.keys(problems).length > 0) return { problems }
  const written = `0x${digits.replace(/^0x/i, '').toLowerCase()}`
  return { problems, entry: { address: written, slots: [...new Set(numbers.map((slot) => `0x${BigInt(slot).toString(16)}`))], label: label.trim(), isTracked: true } }
}

function addressProblem(text) {
  if (text === '') return 'Write the address to watch: 0x and 40 hexadecimal digits.'
  if (/\.eth$/i.test(text)) return 'Names such as this one are not looked up here. Write the address itself: 0x and 40 hexadecimal digits.'
  const digits = text.replace(/^0x/i, '')
  const found = /^[0-9a-f]*$/i.test(digits) ? `this has ${digits.length}` : 'this has other characters'
  return `An address is 0x and 40 hexadecimal digits; ${found}.`
}

function stored(key) {
  try {
    const list = JSON.parse(localStorage.getItem(key))
    return Array.isArray(list) ? list.map(({ address, slots, label, isTracked }) => ({ address: String(address), slots: slots.map(String), label: String(label), isTracked: isTracked !== false })) : undefined
  } catch {
    return undefined
  }
}
