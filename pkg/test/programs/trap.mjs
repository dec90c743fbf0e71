// Makes the module trap, in the way that the argument names, and prints what becomes of everything.

import { crash } from '../../lib/crash.js'
import { load } from '../../lib/module.js'
import { deleteDatabase, open } from '../../snaplight.js'
import { EMPTY_ROOT, NETWORK, SOME_ADDRESS, SOME_ROOT, turn } from '../support/database.mjs'
import { HandlerSocket, bytes } from '../support/sockets.mjs'

const unhandled = []
process.on('unhandledRejection', (error) => unhandled.push(`unhandled: ${error}`))
process.on('uncaughtException', (error) => unhandled.push(`uncaught: ${error}`))

/** Calls into the module itself, from wherever they come. */
let entered = 0
const { instantiate } = WebAssembly
WebAssembly.instantiate = async (...args) => {
  const instantiated = await instantiate(...args)
  const { instance, module } = instantiated
  // Node has modules of its own.
  if (!instance) return instantiated
  const counted = ([name, value]) => [name, typeof value === 'function' ? (...rest) => (entered++, value(...rest)) : value]
  return { module, instance: { exports: Object.fromEntries(Object.entries(instance.exports).map(counted)) } }
}

/** What the module wants to be called later. Tasks are kept back while `isKeeping`. */
const [tasks, timers, handles] = [[], [], []]
let isKeeping = false
const { queueMicrotask, setTimeout } = globalThis
globalThis.queueMicrotask = (task) => (isKeeping ? void tasks.push(task) : queueMicrotask(task))
globalThis.setTimeout = (callback, ...rest) => {
  timers.push(callback)
  const handle = setTimeout(callback, ...rest)
  handles.push(handle)
  return handle
}

const code = (promise) => promise.then(() => 'no error', (error) => error.code)
const thrown = async (call) => call()

const db = await open({ network: NETWORK, memory: true, hold: 'set' })
const other = await open({ network: NETWORK, memory: true })
const socket = new HandlerSocket()
const peer = db.addPeer(socket)
await other.sync(EMPTY_ROOT)
const tracking = code(db.track([SOME_ADDRESS]))
const sync = code(db.sync(SOME_ROOT))
await turn()
isKeeping = true
const reads = [db.getAccount(SOME_ADDRESS), other.getAccount(SOME_ADDRESS)].map(code)
const { memory } = await (await load()).default()

const hear = () => socket.emit('message', { data: bytes(2, 0xc0).buffer })
const runTask = () => tasks[0]()

/** From now on every pointer in memory is wrong. */
function ruined(work) {
  new Uint8Array(memory.buffer).fill(0xff)
  work()
}

/** Calls `work` until the module has stopped, first where the stack is full, then where it is less full. */
function onFullStack(work) {
  try {
    onFullStack(work)
  } catch {
    // The stack is full.
  }
  try {
    if (!crash) work()
  } catch {
    // There is still too little room.
  }
}

const ways = {
  'in a call': () => ruined(() => thrown(() => other.sync(SOME_ROOT)).catch(() => {})),
  'in a spawned task': () => ruined(runTask),
  'in the callback of a socket': () => ruined(hear),
  'in a timer': () => ruined(() => timers.forEach((timer) => timer())),
  'by an overflow of the stack, in the callback of a socket': () => onFullStack(hear),
  'by an overflow of the stack, in a spawned task': () => onFullStack(runTask),
}
ways[process.argv[2]]()
isKeeping = false
entered = 0
// What was under way may still come, and everything else may be tried.
hear()
for (const late of [...tasks, ...timers]) late()
const later = [
  thrown(() => db.addPeer(new HandlerSocket())),
  thrown(() => other.sync(SOME_ROOT)),
  other.getAccount(SOME_ADDRESS),
  open({ network: NETWORK, memory: true }),
  load(),
  deleteDatabase('any'),
].map(code)
const outcome = {
  crash: crash.message,
  sync: await sync,
  tracking: await tracking,
  reads: await Promise.all(reads),
  peer: (await peer.closed).by,
  isSocketClosed: socket.closedWith !== null,
  later: await Promise.all(later),
  phase: typeof db.progress().phase,
  diagnosed: (await db.diagnostics()).error.code,
}
await Promise.all([db.close(), other.close()])
// The module cannot clear its timers any more, and they would keep the process alive.
handles.forEach(clearTimeout)
for (let turns = 0; turns < 3; turns++) await turn()
console.log(JSON.stringify({ ...outcome, entered, unhandled }))
