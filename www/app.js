/**
 * The demo page. It is told by its address what to sync and from whom:
 *
 * `?root=0x…&network=1&genesis=0x…&peers=ws://a,ws://b`, and `start` to begin at once.
 * `thread=main` runs everything in the page's own thread instead of a worker.
 *
 * It uses nothing but the package's public interface.
 */

import { deleteDatabase, open } from '/pkg/snaplight.js'
import { openInWorker } from '/pkg/worker.js'
import { createCounters } from './view/counters.js'
import { count, duration, percent, shortHash } from './view/format.js'
import { createKeySpace } from './view/keyspace.js'
import { createLookup } from './view/lookup.js'
import { createPeers } from './view/peers.js'

const PHASES = {
  idle: 'Ready',
  connecting: 'Connecting',
  ranges: 'Syncing',
  healing: 'Filling gaps',
  finishing: 'Storing the rest',
  done: 'Complete',
  problem: 'Stopped',
}

const given = new URLSearchParams(location.search)
const target = {
  root: given.get('root') ?? '0xd7f8974fb5ac78d9ac099b9ad5018bedc2ce0a72dad1827a1709da30580f0544',
  network: {
    id: Number(given.get('network') ?? 1),
    genesisHash: given.get('genesis') ?? '0xd4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3',
  },
  peers: (given.get('peers') ?? '').split(',').filter(Boolean),
}
/** One database per network, so that the page can be pointed at another one without losing the first. */
const name = `snaplight-demo-${target.network.id}-${target.network.genesisHash.slice(2, 10)}`

const find = (id) => document.getElementById(id)
const keySpace = createKeySpace(find('keyspace'))
const counters = createCounters(document)
const peerTable = createPeers(find('peers'))
const lookup = createLookup({ form: find('lookup'), examples: find('examples'), answer: find('answer') }, () => session.db)

/** What this page holds. `demo` is how a script outside (`cargo xtask demo --headless`) follows it. */
const session = { db: undefined, sync: undefined }
window.demo = { progress: undefined, report: undefined, error: undefined }

find('target').textContent = `Network ${target.network.id}, state root ${target.root}`
find('start').addEventListener('click', start)
find('cancel').addEventListener('click', () => session.sync?.cancel('the user pressed Cancel'))
find('reset').addEventListener('click', reset)
find('add-peer').addEventListener('submit', (event) => {
  event.preventDefault()
  addPeer(event.target.elements.url.value.trim())
  event.target.reset()
})

await begin()

async function begin() {
  const options = { network: target.network, name }
  try {
    session.db = given.get('thread') === 'main' ? await open(options) : await openInWorker(undefined, options)
  } catch (error) {
    problem(error)
    phase('problem')
    headline('The database could not be opened')
    find('reset').disabled = error.code === 'LOCKED'
    return
  }
  peerTable.clear()
  target.peers.forEach(addPeer)
  idle()
  if (given.has('start') && session.db.complete?.root !== target.root) start()
}

/** Nothing is under way: says what is there already. */
function idle() {
  const complete = session.db.complete
  buttons(false)
  if (!complete) {
    phase('idle')
    headline('Nothing is stored yet', `Start syncs the state ${shortHash(target.root)} from the peers below.`)
    return
  }
  phase('done')
  headline(`${count(complete.accounts)} accounts, proven and stored`, `State root ${complete.root}`)
  keySpace.show(new Uint8Array(256).fill(255))
  lookup.offer(complete.root)
  for (const [of, value] of Object.entries({ accounts: complete.accounts, slots: complete.slots, codes: complete.codes })) {
    document.querySelector(`[data-count=${of}]`).textContent = count(value)
  }
}

async function start() {
  problem()
  counters.restart()
  lookup.clear()
  window.demo.report = window.demo.error = undefined
  try {
    session.sync = session.db.sync(target.root, { onProgress: show })
    buttons(true)
    const report = await session.sync
    show(session.db.progress())
    idle()
    find('subline').textContent = `in ${duration(report.elapsedMs)}, under state root ${report.root}`
    window.demo.report = report
  } catch (error) {
    buttons(false)
    if (error.code === 'CANCELLED') {
      phase('idle')
      headline('Cancelled', 'What was proven is stored. Start goes on from there.')
    } else {
      phase('problem')
      headline('The sync stopped', 'What was proven is stored. Start goes on from there.')
      problem(error)
    }
    window.demo.error = { code: error.code, message: error.message }
  } finally {
    session.sync = undefined
  }
}

function show(progress) {
  window.demo.progress = { ...progress, keySpace: undefined }
  const share = keySpace.show(progress.keySpace)
  const done = progress.phase === 'done'
  counters.show(progress, done)
  peerTable.show(progress.peers)
  if (done) return
  phase(progress.phase)
  const items = `${count(progress.accounts)} accounts proven`
  headline(
    progress.waiting ? `Waiting: ${progress.waiting}` : items,
    progress.waiting ? items : `${percent(share)} of the key space of state ${shortHash(target.root)}`,
  )
}

function addPeer(url) {
  try {
    const peer = session.db.addPeer(url)
    const refresh = () => peerTable.show([peer.stats])
    refresh()
    peer.closed.then(refresh)
    // While nothing syncs there is no progress to show it.
    const timer = setInterval(() => (peer.state === 'closed' ? clearInterval(timer) : refresh()), 500)
  } catch (error) {
    problem(error)
  }
}

async function reset() {
  buttons(true)
  find('cancel').disabled = true
  problem()
  try {
    await session.db?.close()
    await deleteDatabase(name)
    location.reload()
  } catch (error) {
    problem(error)
    buttons(false)
  }
}

function buttons(busy) {
  find('start').disabled = busy || !session.db || session.db.complete?.root === target.root
  find('cancel').disabled = !busy
  find('reset').disabled = busy
}

function phase(name) {
  find('phase').dataset.phase = name
  find('phase').textContent = PHASES[name]
}

function headline(text, below = '') {
  find('headline').textContent = text
  find('subline').textContent = below
}

function problem(error) {
  find('problem').hidden = !error
  find('problem').textContent = error ? `${error.message}${error.code ? ` (${error.code})` : ''}` : ''
}
