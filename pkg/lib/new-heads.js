// Subscriptions to new heads: `newHeads` of eth_subscribe.

export const SUBSCRIBE = { method: 'eth_subscribe', params: ['newHeads'] }
/** Characters of a subscription's id: go-ethereum's has 34. */
const LONGEST_ID = 100

/** What calls `onHead` with the header, when it is called with what a subscription brings. */
export function subscriber(id, onHead) {
  const isId = typeof id === 'string' && id.length <= LONGEST_ID
  return (notice) => {
    const { subscription, result } = Object(notice)
    if (isId && subscription === id && result) onHead(result)
  }
}

/** Listens to an object of the caller's that has the events of EIP-1193, and may do anything. */
export class NewHeads {
  #target
  #request
  #onHead
  #onChain
  /** The subscription, once it is confirmed. */
  #id
  #hasEnded = false

  /**
   * @param {(request: object) => Promise<object>} request Resolves to `{ result }` or `{ error }`.
   * @param {(header: object) => void} onHead Gets each new head, which may be any plain JSON.
   * @param {() => void} onChain The chain has changed.
   */
  constructor(target, request, onHead, onChain) {
    this.#target = target
    this.#request = request
    this.#onHead = onHead
    this.#onChain = onChain
  }

  #hear = (message) => {
    try {
      // As text in between, because getters could call back.
      if (message.type === 'eth_subscription') subscriber(this.#id, this.#onHead)(JSON.parse(JSON.stringify(message.data)))
    } catch {
      // It says nothing that could be read.
    }
  }

  async begin() {
    try {
      if (typeof this.#target.on !== 'function' || typeof this.#target.removeListener !== 'function') return
      for (const [event, listener] of this.#listeners()) {
        this.#target.on(event, listener)
        // The object may have ended it, before it took the listener.
        if (this.#hasEnded) return this.#stopListening()
      }
    } catch {
      return
    }
    const { result } = await this.#request(SUBSCRIBE)
    this.#id = result
    if (this.#hasEnded && result) this.#unsubscribe()
  }

  end() {
    this.#hasEnded = true
    if (this.#id) this.#unsubscribe()
    this.#stopListening()
  }

  #listeners() {
    return [['message', this.#hear], ['chainChanged', this.#onChain]]
  }

  #stopListening() {
    for (const [event, listener] of this.#listeners()) {
      try {
        this.#target.removeListener(event, listener)
      } catch {
        // The object is broken, and what it says is ignored from now on.
      }
    }
  }

  /** A wallet would go on. */
  #unsubscribe() {
    this.#request({ method: 'eth_unsubscribe', params: [this.#id] })
    this.#id = undefined
  }
}
