/**
 * The demo page. Its address has what to sync and the peers to sync from (`target.js`). It uses
 * only the package's public interface. This file connects the parts; `view/` has what is shown.
 */

import { deleteDatabase } from '/pkg/snaplight.js'
import { createConnections } from './connections.js'
import { createFollower } from './follow.js'
import { announcedHead } from './heads.js'
import { createSession } from './session.js'
import { readTarget } from './target.js'
import { createBlocks } from './view/blocks.js'
import { createChain } from './view/chain.js'
import { createCounters } from './view/counters.js'
import { brief, count, duration, percent, shortHash } from './view/format.js'
import { createKeySpace } from './view/keyspace.js'
import { createKills } from './view/kills.js'
import { createLookup } from './view/lookup.js'
import { createPeers } from './view/peers.js'
import { announce, buttons, headline, notice, phase, problem } from './view/say.js'
import { createSetup } from './view/setup.js'
import { createStanding } from './view/standing.js'

const target = readTarget(location.search)
const { follow } = target
/**
 * One database per network, so that the page can switch to another network without losing the
 * first.
 */
const name = `snaplight-demo-${target.network.id}-${target.network.genesisHash.slice(2, 10)}`

const find = (id) => document.getElementById(id)
document.body.dataset.mode = follow ? 'follow' : 'state'
const session = createSession({ network: target.network, name, onEvent: heard }, target.thread)
const database = () => session.db
const keySpace = createKeySpace(find('keyspace'))
const counters = createCounters(document)
const peerTable = createPeers(find('peers'))
const lookup = createLookup({ form: find('lookup'), examples: find('examples'), answer: find('answer') }, database)
const connections = createConnections(database, peerTable, problem)
const chain = createChain(find('chain'))
const blocks = createBlocks({ body: find('blocks'), median: find('blocks-median'), all: find('all-blocks') })
const kills = createKills({ card: find('kills'), story: find('kill-story') })
const standing = createStanding(document)
const setup = createSetup({ details: find('connection'), form: find('setup') }, target)

/**
 * For a script outside (`cargo xtask demo --headless`) that follows the page and reads from `db`.
 */
window.demo = {
  progress: undefined, report: undefined, error: undefined, standing: undefined, blocks: [], kills: [],
  get db() {
    return session.db
  },
}

/** The running sync to one state. In follow mode the follower has its own. */
let sync
/**
 * The sums over all syncs that have ended since the page was opened, and the running one. A sync
 * counts what it took in earlier sessions, too, and goes on counting after a kill.
 */
let [received, stored, current] = [0, 0, undefined]

/** The node whose head is followed. Without one, the head is what the peers announce. */
const { node } = target
const follower = follow && createFollower(database, node ?? announcedHead, {
  onProgress: show,
  onBlock: blockDone,
  onChange: showStanding,
  onEnd: followEnded,
})

find('target').textContent = Object.keys(target.problems).length > 0 ? '' : follow
  ? `Network ${target.network.id}, genesis block ${target.network.genesisHash}`
  : `Network ${target.network.id}, ${target.sync.root ? `state root ${target.sync.root}` : `block ${target.sync.blockHash}`}`
if (follow) {
  find('start').textContent = 'Follow'
  find('cancel').textContent = 'Pause'
  if (node) find('head-of').textContent = 'Your node’s head'
  find('trust').textContent = node
    ? `The head comes from ${node}, which is trusted. Everything under it is proven.`
    : 'The head is what the peers announce; a wallet takes it from a light client. Everything under it is proven.'
}
find('start').addEventListener('click', start)
find('cancel').addEventListener('click', () => (follow ? follower.pause() : sync?.cancel('the user pressed Cancel')))
find('kill').addEventListener('click', killAndReopen)
find('reset').addEventListener('click', reset)
setup.onPeer(find('add-peer'), connections.connect)

await begin()

async function begin() {
  const wrong = Object.values(target.problems)
  if (wrong.length > 0) {
    phase('problem')
    headline('This page’s address has an error', 'The fields below show what is wrong.')
    problem({ message: wrong.join(' ') })
    setup.open()
    document.body.dataset.mode = 'setup'
    return
  }
  if (!(await openDatabase())) return
  if (target.peers.length === 0 && !session.db.complete) setup.open()
  if (target.start && (follow || !isComplete())) start()
}

/**
 * @param {boolean} [patiently] whether to wait for the lock, which the browser frees after a kill
 */
async function openDatabase(patiently) {
  try {
    await session.open(patiently)
  } catch (error) {
    problem(error)
    phase('problem')
    headline('The database could not be opened')
    find('reset').disabled = error.code === 'LOCKED'
    return false
  }
  peerTable.clear()
  target.peers.forEach(({ url, by }) => connections.connect(url, by))
  idle()
  notice(readsAlong())
  return true
}

/** Shows what is held while nothing is under way. */
function idle() {
  const { complete } = session.db
  enable(false)
  if (!complete) {
    phase('idle')
    headline('Nothing is stored yet', follow ? 'Follow syncs the newest block from the peers below, and each one after it.' : `Start syncs the state ${asked()} from the peers below.`)
    return
  }
  phase(follow ? 'paused' : 'done')
  showComplete(complete)
}

function showComplete(complete) {
  if (complete.block) headline(`Block ${count(complete.block.number)}`, `${shortHash(complete.block.hash)} · ${count(complete.accounts)} accounts, proven and stored`)
  else headline(`${count(complete.accounts)} accounts, proven and stored`, `State root ${complete.root}`)
  keySpace.show(new Uint8Array(256).fill(255))
  counters.hold(complete)
  lookup.offer(complete.root, target.examples)
}

async function start() {
  problem()
  enable(true)
  if (follow) {
    phase('connecting')
    follower.start()
    return
  }
  counters.restart()
  lookup.clear()
  window.demo.report = window.demo.error = undefined
  try {
    sync = session.db.sync(target.sync, { onProgress: show })
    const report = await sync
    show(session.db.progress())
    idle()
    find('subline').textContent = `in ${duration(report.elapsedMs)}, under state root ${report.root}`
    announce(`Complete: ${count(report.accounts)} accounts in ${duration(report.elapsedMs)}`)
    window.demo.report = report
  } catch (error) {
    enable(false)
    stopped(error)
  } finally {
    sync = undefined
  }
}

/** Handles the events of the database. */
function heard({ type }) {
  if (type === 'role') notice(readsAlong())
}

function readsAlong() {
  return session.db?.role === 'follower'
    ? 'Another tab of this browser syncs this database. This one reads what the other completes, and takes over when it closes.'
    : ''
}

/** Handles the failure of a sync. */
function stopped(error) {
  window.demo.error = { code: error.code, message: error.message }
  const again = `What was proven is stored. ${follow ? 'Follow' : 'Start'} goes on from there.`
  if (error.code === 'CANCELLED') {
    phase('idle')
    headline('Cancelled', again)
    return
  }
  phase('problem')
  headline('The sync stopped', again)
  problem(error)
}

function show(progress) {
  window.demo.progress = { ...progress, keySpace: undefined, peers: progress.peers.map((peer) => ({ ...peer })) }
  const share = keySpace.show(progress.keySpace)
  const done = progress.phase === 'done'
  current = done ? undefined : progress
  counters.show(follow ? totals(progress) : progress, done, follow)
  peerTable.show(progress.peers)
  kills.progress(progress)
  if (done) return
  phase(progress.phase, progress.waiting)
  notice(words(progress))
  const items = `${count(progress.accounts)} accounts proven`
  const all = follow ? 'the newest state' : `state ${asked()}`
  const below = `${percent(share)} of the key space of ${all}${progress.etaMs ? ` · about ${duration(progress.etaMs)} to go` : ''}`
  if (follow && session.db.complete) return
  if (progress.waiting) headline(`Waiting: ${brief(progress.waiting)}`, items)
  else headline(items, below)
}

/** Returns a notice for the user while the sync runs, or an empty text. */
function words({ outrun, needNewRoot, waiting }) {
  if (outrun) {
    return `The chain outruns the sync, which needs about ${count(outrun.neededPerSecond)} trie nodes and leaves a second and gets ` +
      `${count(outrun.healedPerSecond)}. Faster or more peers help; what is stored stays readable.`
  }
  if (needNewRoot) {
    const who = needNewRoot.peers.map((peer) => peer.name).join(', ')
    return `No peer has the state ${shortHash(needNewRoot.root)} (asked: ${who || 'all'}). ` +
      (follow ? 'The sync goes on with the next block.' : 'Peers keep only the newest states. Choose another one below; what was proven is used for it.')
  }
  const reason = readsAlong() || (waiting ? connections.problem() : '')
  return reason || (follow && waiting ? `Waiting: ${brief(waiting)}.` : '')
}

function blockDone(report) {
  const { complete } = session.db
  if (report) {
    received += report.received.bytes
    stored += report.bytesStored
    current = undefined
    show({ ...session.db.progress(), keySpace: new Uint8Array(256).fill(255) })
    blocks.add(report, kills.blockDone(report))
    announce(`Block ${count(report.block.number)} is proven`, true)
  } else if (complete?.block) {
    blocks.addElsewhere(complete.block)
  }
  window.demo.blocks = blocks.rows
  window.demo.kills = kills.list
  if (complete) showComplete(complete)
  notice('')
  lookup.refresh()
}

function showStanding(now) {
  window.demo.standing = { ...now, complete: session.db?.complete ?? null }
  standing.show(now, blocks.rows.at(-1))
  chain.show(now, blocks.rows)
  lookup.knows(blocks.rows)
  if (now.role === 'follower') {
    phase('follower')
    notice(readsAlong())
  } else if (now.following && !now.target) {
    const reason = now.head ? '' : nodeProblem(now) || connections.problem()
    phase(now.head ? 'instep' : 'connecting', Boolean(reason))
    notice(reason)
    if (!now.held) waitForHead(reason)
  }
}

/** Says why the trusted node names no head, or returns an empty text. */
function nodeProblem({ waiting }) {
  return node && waiting && !waiting.endsWith(': no answer yet') ? `The node does not report its head: ${waiting}.` : ''
}

/** Says why the newest block is unknown, while nothing is held. */
function waitForHead(reason) {
  if (reason) headline(nodeProblem(standing.latest) ? 'The head is not known' : 'No peer can be asked', 'The page goes on as soon as one can. Peers are added below.')
  else if (node) headline('Waiting for a head', 'The trusted node has not named its newest block yet.')
  else headline('Waiting for a head', 'The sync begins with the first newest block that a peer announces.')
}

function followEnded(error) {
  current = undefined
  enable(false)
  if (error && error.code !== 'CANCELLED') return stopped(error)
  notice('')
  idle()
}

/** Kills the worker while it works, as a browser may do at any moment. */
async function killAndReopen() {
  enable(true)
  kills.killed(session.db.complete, current, standing.latest)
  current = undefined
  session.kill()
  follower.forget()
  connections.clear()
  phase('problem', 'Killed')
  announce('The database’s worker was killed. Opening it again.')
  if (!(await openDatabase(true))) return
  kills.reopened(session.db.complete)
  start()
}

/** Progress with the bytes of all syncs since the page was opened. */
function totals(progress) {
  const running = current ? 1 : 0
  return {
    ...progress,
    received: { ...progress.received, bytes: received + running * progress.received.bytes },
    bytesStored: stored + running * progress.bytesStored,
  }
}

async function reset() {
  enable(true)
  find('cancel').disabled = true
  problem()
  try {
    await session.db?.close()
    session.kill()
    await deleteDatabase(name)
    location.reload()
  } catch (error) {
    problem(error)
    enable(false)
  }
}

function enable(busy) {
  buttons({
    start: !busy && session.db && (follow || !isComplete()),
    cancel: busy,
    kill: busy && session.killable,
    reset: !busy,
  })
}

function isComplete() {
  const { complete } = session.db
  return complete && (complete.root === target.sync.root || complete.block?.hash === target.sync.blockHash)
}

function asked() {
  return target.sync.root ? shortHash(target.sync.root) : `of block ${shortHash(target.sync.blockHash)}`
}
