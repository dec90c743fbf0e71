// When to connect again to a peer that was given by its URL. local.js makes the connections.

/**
 * The wait after a loss. Each further loss in a row doubles it, up to the longest. Chosen without a
 * measurement: a server that restarts is back in seconds, and one that is gone for hours costs an
 * attempt a minute.
 */
const FIRST_WAIT_MS = 1_000
const LONGEST_WAIT_MS = 60_000
/** A peer that was ready for as long is as good as new. Chosen without a measurement. */
const STEADY_MS = 10_000

/**
 * devp2p reasons that complain of us or can never change: breach of protocol, useless peer,
 * connected already, incompatible, null or unexpected id, connected to itself.
 */
const FINAL_REASONS = [0x02, 0x03, 0x05, 0x06, 0x07, 0x09, 0x0a]
/** WebSocket close codes that complain of what we sent (RFC 6455, 7.4.1). */
const FINAL_CODES = [1002, 1003, 1007, 1008, 1009, 1010]
/** Our own close codes that accuse nobody of a lie: we have too many peers; it was too slow. */
const BLAMELESS_FAULTS = [4004, 4011]

/** Whether a peer may be connected to again after its connection ended like this (a PeerClosed). */
export function mayReturn({ by, code, disconnect }) {
  if (by === 'peer') return disconnect === null ? !FINAL_CODES.includes(code) : !FINAL_REASONS.includes(disconnect)
  return by === 'fault' && BLAMELESS_FAULTS.includes(code)
}

/** The attempts to connect to one peer. */
export class Attempts {
  #connect
  /** Losses in a row. */
  #losses = 0
  /** When the connection became ready. */
  #readyAt = null
  /** The timer of the next attempt; `null` while there is a connection. */
  #timer = null

  /** @param {() => void} connect Makes the next attempt. */
  constructor(connect) {
    this.#connect = connect
  }

  ready() {
    this.#readyAt = performance.now()
  }

  /**
   * The connection was lost: plans the next attempt.
   * @param {boolean} answered Whether the peer proved anything.
   */
  lost(answered) {
    const wasSteady = this.#readyAt !== null && performance.now() - this.#readyAt >= STEADY_MS
    if (answered || wasSteady) this.#losses = 0
    this.#readyAt = null
    const longest = Math.min(FIRST_WAIT_MS * 2 ** this.#losses, LONGEST_WAIT_MS)
    this.#losses += 1
    this.#timer = setTimeout(() => this.#begin(), longest * (0.5 + random() / 2))
    // A peer that is not there does not keep a Node process alive. A sync that waits for it does.
    this.#timer.unref?.()
  }

  /** Ends the wait, because the network or the page is back. */
  hurry() {
    if (this.#timer === null) return
    this.#losses = 0
    this.#begin()
  }

  stop() {
    clearTimeout(this.#timer)
    this.#timer = null
  }

  #begin() {
    this.stop()
    this.#connect()
  }
}

/**
 * Calls `wake` when the network is back, when the page is shown again, and when it comes back from
 * the back-forward cache; and `rest`, if it is given, when the page is hidden. Workers and Node have
 * only some of these events or none.
 *
 * @returns {() => void} Stops it.
 */
export function onWake(wake, rest) {
  const page = globalThis.document
  const events = [
    [globalThis, 'online', () => wake()],
    [globalThis, 'pageshow', ({ persisted }) => persisted && wake()],
    [page, 'visibilitychange', () => (page.visibilityState === 'visible' ? wake() : rest?.())],
  ]
  for (const [target, type, listener] of events) target?.addEventListener?.(type, listener)
  return () => {
    for (const [target, type, listener] of events) target?.removeEventListener?.(type, listener)
  }
}

/** From 0 to 1, so that clients that were lost at the same time do not come back at the same time. */
function random() {
  return crypto.getRandomValues(new Uint8Array(1))[0] / 255
}
