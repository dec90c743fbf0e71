/**
 * The watch list's page. It uses only the package's public interface. This file connects the parts:
 * `keeper.js` keeps the list proven, `values.js` reads it, and the others show it.
 */

import { count, shortHash } from '../view/format.js'
import { announce, write } from '../view/say.js'
import { createAddForm } from './add.js'
import { createBook } from './book.js'
import { createChanges } from './changes.js'
import { createKeeper } from './keeper.js'
import { createLies } from './lies.js'
import { createList } from './list.js'
import { createPeers } from './peers.js'
import { providerProblem, queryFor, readSettings } from './settings.js'
import { summarize } from './summary.js'
import { readAll, standingOf } from './values.js'

/** How often ages and the providers' figures are written anew. */
const TICK_MS = 1_000

const find = (id) => document.getElementById(id)
const settings = readSettings(location.search)
/** One database per network, so that no network's values are shown as another's. */
const name = `snaplight-wallet-${settings.network.id}-${settings.network.genesisHash.slice(2, 10)}`

let keeper, book, changes, list, peers, lies
/** What was read last. */
let reads = []
let [reading, readAgain] = [false, false]
/** Why the follow ended, if it did by itself. */
let ended = ''
/** For a script outside (`cargo xtask demo --wallet --headless`). */
window.wallet = {
  settings,
  get db() {
    return keeper?.db
  },
  /** Each value with its standing, as it is shown. */
  get values() {
    return view()
  },
  get lies() {
    return lies?.named ?? []
  },
}

find('connect').addEventListener('submit', connect)
if (settings.providers.length === 0 || settings.problem) askForProvider()
else await begin()

/** Nothing can be opened: only the form that mends it is shown. */
function askForProvider() {
  find('connect').hidden = false
  const [state, title, words] = settings.problem
    ? ['problem', 'This page’s address has an error', settings.problem]
    : ['waiting', 'Not connected yet', 'The watch list begins with a provider’s URL.']
  find('summary').dataset.state = state
  write(find('headline'), title)
  write(find('subline'), words)
}

async function connect(submitted) {
  submitted.preventDefault()
  const { url } = find('connect').elements
  const say = (problem) => {
    write(find('connect-problem'), problem)
    url.toggleAttribute('aria-invalid', Boolean(problem))
  }
  const wrong = providerProblem(url.value.trim())
  if (wrong) return say(wrong)
  say('')
  try {
    location.search = await queryFor(url.value.trim())
  } catch (error) {
    say(`This provider cannot be used: ${error.message}.`)
  }
}

async function begin() {
  book = createBook(name, settings.watch)
  keeper = createKeeper(settings, name, { onEvent: heard, onStanding: render, onEnd: followEnded })
  peers = createPeers(find('peers'), find('cost'))
  lies = createLies({ toggle: find('lying'), words: find('lies-words'), list: find('lies') }, settings.control, (address) => book.find(address)?.label)
  list = createList(find('list'), { onTrack: track, onUntrack: untrack, onForget: forget })
  createAddForm(find('add'), add)
  find('plug').addEventListener('click', () => plug(!keeper.plugged))
  find('again').addEventListener('click', again)
  write(find('network'), `Network ${settings.network.id}, first block ${shortHash(settings.network.genesisHash)}`)
  try {
    await keeper.open()
  } catch (error) {
    return failed('The database could not be opened', error)
  }
  changes = createChanges(keeper.db, render)
  find('columns').hidden = false
  // All of it again: the database may be new, or have lost its set. What it holds already costs
  // nothing.
  ask(book.entries.filter(({ isTracked }) => isTracked))
  await refresh()
  setInterval(tick, TICK_MS)
}

/** Has entries kept from now on. The promise of `track` lasts until they are proven. */
function ask(entries) {
  const asked = entries.map(({ address, slots }) => ({ address, slots }))
  keeper.db.track(asked).then(refresh, (error) => {
    if (error.code !== 'CLOSED') problem(`The list could not be changed: ${error.message}`)
  })
}

function add(entry) {
  const wrong = book.add(entry)
  if (wrong) return wrong
  track(entry.address)
  announce(`${entry.label || entry.address} is watched from now on`)
  return ''
}

function track(address) {
  book.setTracked(address, true)
  ask([book.find(address)])
  refresh()
}

async function untrack(address) {
  book.setTracked(address, false)
  try {
    await keeper.db.untrack([address])
  } catch (error) {
    problem(`It could not be taken out of the set: ${error.message}`)
  }
  announce(`${book.find(address)?.label || address} is not tracked any more`)
  await refresh()
}

function forget(address) {
  book.remove(address)
  refresh()
}

function plug(isIn) {
  ended = ''
  keeper.plug(isIn)
  announce(isIn ? 'The network is connected' : 'All connections are closed. The values stay.')
  render()
}

function again() {
  ended = ''
  problem('')
  keeper.again()
  render()
}

/** Handles the events of the database. */
function heard(event) {
  if (event.type === 'lie') {
    lies.heard(event)
    peers?.lied(event.peer.id)
    announce(`${event.peer.name} lied about ${book.find(event.address)?.label || event.address}`, true)
  }
  if (event.type === 'peer' && event.state === 'closed') peers?.left(event.peer)
  if (event.type === 'complete') peers?.proved()
  if (event.type === 'disagreement') peers?.disagreed(event)
  if (event.type === 'ended') return failed('The database is gone', { message: `${event.message} Reload the page to begin anew.` })
  refresh()
}

function followEnded(error) {
  ended = `${error.message} What was proven is stored.`
  render()
}

/** Reads everything anew. Calls that come meanwhile are answered by one more read. */
async function refresh() {
  if (!changes) return
  if (reading) {
    readAgain = true
    return
  }
  reading = true
  try {
    do {
      readAgain = false
      reads = await readAll(keeper.db, book.entries)
    } while (readAgain)
  } catch (error) {
    return failed('The database can no longer be read', error)
  } finally {
    reading = false
  }
  changes.watch(book.entries.filter(({ isTracked }) => isTracked))
  render()
}

function tick() {
  if (!changes) return
  const waits = reads.some(({ account, slots }) => [account, ...slots].some(({ error }) => error))
  if (waits) refresh()
  else render()
}

/** Everything with its standing as of now. */
function view() {
  const context = { now: Date.now() / 1000, offline: offline() }
  return reads.map(({ entry, account, slots }) => {
    const show = (read) => ({ ...read, standing: standingOf(read, { ...context, isTracked: entry.isTracked }) })
    return { entry, account: show(account), slots: slots.map((read, at) => ({ slot: entry.slots[at], ...show(read) })) }
  })
}

/** Why no newer block can come, or an empty text. */
function offline() {
  if (!keeper?.db) return ''
  if (!keeper.plugged) return 'the network is unplugged'
  if (ended) return 'new blocks are not followed'
  if (keeper.db.role === 'follower') return ''
  const states = keeper.db.peers.map(({ state }) => state)
  if (states.length === 0) return 'every provider has been dismissed'
  return states.every((state) => state === 'waiting') ? 'no provider can be reached' : ''
}

function render() {
  if (!changes) return
  const values = view()
  const { db, plugged, standing } = keeper
  const now = { values, complete: db.complete, plugged, standing, ended, role: db.role, offline: offline(), hasPeers: db.peers.length > 0 }
  const { state, title, words, notice } = summarize(now)
  if (find('summary').dataset.state !== state) announce(title)
  find('summary').dataset.state = state
  write(find('headline'), title)
  write(find('subline'), words)
  find('notice').hidden = !notice
  write(find('notice'), notice)
  find('again').hidden = !(plugged && (ended || db.peers.length === 0))
  find('plug').setAttribute('aria-checked', String(plugged))
  write(find('plug-words'), plugged
    ? 'Plugged in: each new block is proven as it comes. Switch it off to pull the plug.'
    : 'Unplugged: every connection is closed, and no block is heard of. The values are read from this browser. Reload the page: they are still there.')
  const all = values.flatMap(({ account, slots }) => [account, ...slots])
  const proven = all.filter(({ standing }) => standing.state === 'proven' || standing.state === 'stale').length
  write(find('tally'), all.length > 0 ? `${count(proven)} of ${count(all.length)} values held` : '')
  find('empty').hidden = values.length > 0
  list.show(values, { changeOf: changes.of, lieAbout: lies.about })
  lies.show(values.find(({ entry }) => entry.isTracked)?.entry, plugged)
  peers.show(db.peers.map(({ stats }) => stats), plugged)
}

function problem(text) {
  find('problem').hidden = !text
  write(find('problem'), text)
}

/** Nothing goes on after this, so nothing is read or shown anew. */
function failed(title, error) {
  changes = undefined
  find('summary').dataset.state = 'problem'
  write(find('headline'), title)
  problem(error.message)
}
