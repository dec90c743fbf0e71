// What a database holds, as its backend has told it last: the states that can be read, the scopes
// that they were built for, and what is to be held. And the callers who wait for a state or a scope.

import { NotTrackedError } from './errors.js'
import { hashBytes, toHex } from './input.js'

export class Held {
  #told = { states: [], scope: 0, holds: 'everything' }
  /** The CompleteStates of these, frozen. Bound: MAX_KEPT of src/state/record.rs. */
  #states = Object.freeze([])
  /** Changes of the set that are not answered yet, and the newest version that an answer named. */
  #changes = 0
  #changedTo = 0
  /** Callers who wait. Bound: their calls. */
  #waiting = new Set()
  /** Why nobody can wait any more. */
  #ended = null

  get states() {
    return this.#states
  }

  get complete() {
    return this.#states[0] ?? null
  }

  get holds() {
    return this.#told.holds
  }

  /** Whether the complete state has all that is to be held. */
  get isWhole() {
    return this.#told.states[0]?.scope >= this.#told.scope
  }

  /** Another text when a read of the complete state may have another answer. */
  get version() {
    const { states, scope, holds } = this.#told
    return [states[0]?.root, states[0]?.scope, scope, holds].join()
  }

  /** Whether somebody waits for a state that has what is to be held. */
  get isAwaited() {
    return this.#waiting.size > 0
  }

  /** Whether no change of the set is on its way to a worker or to the tab that writes, or back. */
  get isSettled() {
    return this.#changes === 0 && this.#told.scope >= this.#changedTo
  }

  /** Takes what the backend tells. Returns whether another state is complete, or that of another block. */
  take(told) {
    const before = this.complete
    this.#told = told
    this.#states = Object.freeze(told.states.map(({ scope, block, ...state }) => Object.freeze({ ...state, block: block && Object.freeze(block) })))
    const { complete } = this
    // New counts of the same state are none: codes that it does not name were deleted, or the set was
    // changed.
    return complete?.root !== before?.root || complete?.block?.hash !== before?.block?.hash
  }

  /** Resolves for those who waited for what was taken. */
  wake() {
    for (const waiting of this.#waiting) {
      if (!waiting.isThere()) continue
      this.#waiting.delete(waiting)
      waiting.resolve()
    }
  }

  /** The state that `at` names. */
  find(state) {
    const isNumber = Number.isSafeInteger(state) || typeof state === 'bigint'
    const hash = isNumber ? null : toHex(hashBytes(state, 'state, if it is no block number,'))
    const isIt = ({ root, block }) => (isNumber ? block && BigInt(block.number) === BigInt(state) : root === hash || block?.hash === hash)
    const found = this.#states.find(isIt)
    if (found) return found
    throw new NotTrackedError('NO_SUCH_STATE', `There is no state ${hash ?? state} here. ${readable(this.#states)}`)
  }

  /** Counts a change of the set until the backend has answered it. Resolves to its version. */
  async changing(change) {
    this.#changes += 1
    try {
      const version = await change
      this.#changedTo = Math.max(this.#changedTo, version)
      return version
    } finally {
      this.#changes -= 1
    }
  }

  /** Resolves to the complete state when it was built for the scope of this version. */
  async proven(version) {
    await this.#until(() => this.#told.states[0]?.scope >= version)
    return this.complete
  }

  /** Resolves when the scope of this version is what is to be held. */
  scoped(version) {
    return this.#until(() => this.#told.scope >= version)
  }

  /** Rejects for all who wait. */
  fail(error) {
    for (const { reject } of this.#waiting) reject(error)
    this.#waiting.clear()
  }

  /** The same, and for all who would wait from now on. */
  end(error) {
    this.#ended = error
    this.fail(error)
  }

  #until(isThere) {
    return new Promise((resolve, reject) => {
      if (isThere()) resolve()
      else if (this.#ended) reject(this.#ended)
      else this.#waiting.add({ isThere, resolve, reject })
    })
  }
}

/** Says which of these can be read, for somebody who named another one. */
export function readable(states) {
  return `Those that can be read: ${states.map(({ root, block }) => block?.number ?? root).join(', ') || 'none'}.`
}
