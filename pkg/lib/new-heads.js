// Subscriptions to new heads: `newHeads` of eth_subscribe.

export const SUBSCRIBE = { method: 'eth_subscribe', params: ['newHeads'] }
/** Characters of a subscription's id: go-ethereum's has 34. */
const LONGEST_ID = 100

/** Calls `onHead` with the header if `notice` is of the subscription `id`. Both may be anything. */
export function hearHead(id, notice, onHead) {
  const { subscription, result } = Object(notice)
  if (typeof id === 'string' && id.length <= LONGEST_ID && subscription === id && result) onHead(result)
}

/**
 * Listens to an object of the caller's that has the events of EIP-1193, and may do anything.
 *
 * @param {(request: object) => Promise<object>} request Resolves to `{ result }` or `{ error }`.
 * @param {(header: object) => void} onHead Gets each new head, which may be any plain JSON.
 * @param {() => void} onChain The chain has changed.
 * @param {AbortSignal} signal Ends it.
 */
export async function listenToObject(target, request, onHead, onChain, signal) {
  /** The subscription, once it is confirmed. */
  let id
  const listeners = Object.entries({
    message(event) {
      try {
        // As text in between, because getters could call back.
        if (event.type === 'eth_subscription') hearHead(id, JSON.parse(JSON.stringify(event.data)), onHead)
      } catch {
        // It says nothing that could be read.
      }
    },
    chainChanged: onChain,
  })
  const end = () => {
    // A wallet would go on.
    if (id) request({ method: 'eth_unsubscribe', params: [id] })
    for (const [event, listener] of listeners) {
      try {
        target.removeListener(event, listener)
      } catch {
        // The object is broken, and what it says is ignored from now on.
      }
    }
  }
  try {
    if (typeof target.removeListener !== 'function') return
    signal.addEventListener('abort', end)
    for (const [event, listener] of listeners) {
      target.on(event, listener)
      // The object may have ended it, before it took the listener.
      if (signal.aborted) return end()
    }
  } catch {
    return
  }
  id = (await request(SUBSCRIBE)).result
  if (signal.aborted) end()
}
