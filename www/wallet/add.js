/** The form that adds an address. What is wrong with a field is said below it. */

import { write } from '../view/say.js'
import { readEntry } from './book.js'

/**
 * @param {HTMLFormElement} form
 * @param {(entry: object) => string} onAdd returns a problem in words, or an empty text
 */
export function createAddForm(form, onAdd) {
  const show = (problems) => {
    for (const field of ['address', 'slots']) {
      write(form.querySelector(`#${field}-problem`), problems[field] ?? '')
      form.elements[field].setAttribute('aria-invalid', String(Boolean(problems[field])))
    }
  }
  form.addEventListener('submit', (submitted) => {
    submitted.preventDefault()
    const { address, label, slots } = form.elements
    const { entry, problems } = readEntry({ address: address.value, label: label.value, slots: slots.value })
    show(problems)
    if (!entry) return (problems.address ? address : slots).focus()
    const wrong = onAdd(entry)
    if (wrong) return show({ address: wrong })
    form.reset()
    return address.focus()
  })
}
