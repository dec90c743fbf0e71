// The end of the WebAssembly module of this realm. After a panic or a trap its memory is half
// changed, so nothing may enter it again, and every promise that waits for it rejects.

import { CrashError } from './errors.js'

/** The CrashError, once the module has stopped. */
export let crash = null
/** Functions to be called with it. Bound: the databases and calls in flight. */
const listeners = new Set()
/** What ended the module: `{ thrown }`. It is set before the CrashError is made, which needs stack. */
let end = null
let isTold = false
/** How many calls into the module are on the stack. */
let depth = 0

/**
 * Calls `listener` with the CrashError when the module stops. Returns a function that unsubscribes
 * it.
 */
export function onCrash(listener) {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

/**
 * Notes the end; only the first call counts. The listeners are called later, on a stack of their
 * own: this may be called from within the module, and where the stack is full.
 */
export function crashed(message, cause) {
  end ??= {}
  crash ??= new CrashError(
    'CRASHED',
    `Snaplight stopped because of a defect of its own; please report it: ${message}. What was committed is intact: reload the page.`,
    cause === undefined ? undefined : { cause },
  )
  if (isTold) return
  queueMicrotask(() => {
    for (const listener of [...listeners]) listener(crash)
  })
  isTold = true
}

/**
 * The module's exports, as the glue uses them: every way from JavaScript into the module leads
 * through here, also those of timers, sockets, IndexedDB and tasks. Whatever is thrown out of the
 * module has cut off Rust code in the middle, so it is the end: a trap, an overflow of the stack,
 * an error of a function that was called without care. The glue throws the errors that the module
 * returns, so they do not come through here.
 */
export function guarded(exports) {
  return Object.fromEntries(Object.entries(exports).map(([name, value]) => [name, typeof value === 'function' ? entry(value) : value]))
}

function entry(enter) {
  return (...args) => {
    if (end) return refuse()
    depth += 1
    try {
      return enter(...args)
    } catch (thrown) {
      end = { thrown }
    } finally {
      depth -= 1
    }
    return refuse()
  }
}

/**
 * Ends the calls that are on the stack. Timers, sockets and tasks that come later find nothing to
 * do; callers of the package get the CrashError by `guard` of module.js. The glue looks for an
 * error among the values that are returned, and finds none in an empty array.
 *
 * Where the stack has overflowed, there may be no room for this yet. The next call that comes makes
 * up for it.
 */
function refuse() {
  if (!isTold) crashed(end.thrown?.message ?? end.thrown, end.thrown)
  if (depth > 0) throw crash
  return []
}
