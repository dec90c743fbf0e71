/**
 * The forms that point the page at another chain and other peers. What is wrong with a field is
 * said below it.
 */

import { listed, peerProblem, problemsOf, writeTarget } from '../target.js'
import { write } from './say.js'

const HASH_OF = { root: 'State root', block: 'Hash of the block', node: 'URL of its JSON-RPC' }
const EXAMPLE = { node: 'ws://127.0.0.1:8546' }
const HASH_EXAMPLE = '0x… (64 hexadecimal digits)'

export function createSetup({ details, form }, target) {
  const fields = form.elements
  fields.peers.value = target.fields.peers.join('\n')
  fields.hashPeers.value = target.fields.hashPeers.join('\n')
  fields.network.value = target.fields.network
  fields.genesis.value = target.fields.genesis
  fields.want.value = target.fields.want
  fields.hash.value = target.fields.hash
  fields.peers.rows = Math.max(target.fields.peers.length, 2)
  fields.hashPeers.rows = Math.max(target.fields.hashPeers.length, 1)
  showHash()
  form.addEventListener('change', showHash)

  form.addEventListener('submit', (event) => {
    event.preventDefault()
    const given = read()
    const problems = problemsOf(given)
    if (given.peers.length + given.hashPeers.length === 0) problems.peers = 'At least one peer is needed. A native peer and a gateway print their URL when they start.'
    if (showProblems(problems)) location.assign(writeTarget(given))
  })

  function read() {
    const text = (name) => fields[name].value.trim()
    return {
      peers: listed(text('peers')), hashPeers: listed(text('hashPeers')), network: text('network'), genesis: text('genesis'),
      want: fields.want.value, hash: text('hash'),
    }
  }

  /**
   * Shows the field for a hash or a node's URL, except for the peers' head, which needs neither.
   */
  function showHash() {
    const label = HASH_OF[fields.want.value]
    form.querySelector('#hash-field').hidden = !label
    if (label) write(form.querySelector('#hash-field span'), label)
    fields.hash.placeholder = EXAMPLE[fields.want.value] ?? HASH_EXAMPLE
  }

  /** Shows the problem of each field below it. Returns whether there is none. */
  function showProblems(problems) {
    let first
    for (const name of ['peers', 'hashPeers', 'network', 'genesis', 'want', 'hash']) {
      write(form.querySelector(`#${name}-problem`), problems[name] ?? '')
      if (name === 'want') continue
      if (problems[name]) fields[name].setAttribute('aria-invalid', 'true')
      else fields[name].removeAttribute('aria-invalid')
      if (problems[name]) first ??= fields[name]
    }
    first?.focus()
    return Object.keys(problems).length === 0
  }

  return {
    /** @param form the form that adds one peer to those that are there */
    onPeer(form, connect) {
      const input = form.elements.url
      form.addEventListener('submit', (event) => {
        event.preventDefault()
        const url = input.value.trim()
        const wrong = url === '' ? 'The peer’s URL is missing.' : peerProblem(url)
        write(form.querySelector('.field-problem'), wrong ?? '')
        if (wrong) {
          input.setAttribute('aria-invalid', 'true')
          input.focus()
          return
        }
        input.removeAttribute('aria-invalid')
        connect(url, form.elements.by.value)
        form.reset()
      })
    },

    /** Shows the form, with what is wrong in the page's address. */
    open() {
      details.open = true
      showProblems(target.problems)
    },
  }
}
