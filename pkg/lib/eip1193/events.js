// The events of the provider (EIP-1193).

import { call } from '../database.js'

export class Events {
  /** Listeners by event, in the order in which they were added. Bound: the caller's. */
  #listeners = new Map()

  on(event, listener) {
    this.#listeners.set(event, [...this.#of(event), listener])
  }

  /** Takes out the one that was added last, as Node's `EventEmitter` does. */
  removeListener(event, listener) {
    const listeners = this.#of(event)
    const at = listeners.lastIndexOf(listener)
    this.#listeners.set(event, listeners.filter((_, index) => index !== at))
  }

  /** An error that a listener throws is reported as uncaught, and reaches nobody else. */
  emit(event, argument) {
    for (const listener of this.#of(event)) call(listener, argument)
  }

  #of(event) {
    return this.#listeners.get(event) ?? []
  }
}
