// A peer as its caller sees it.

import { urlText } from './realms.js'

export class Peer {
  #id
  #row
  #close
  #closed
  #resolveClosed

  /** Made by `Snaplight.addPeer`. */
  constructor(id, row, close) {
    this.#id = id
    this.#row = row
    this.#close = close
    this.#closed = new Promise((resolve) => {
      this.#resolveClosed = resolve
    })
  }

  get id() {
    return this.#id
  }

  get name() {
    return this.stats.name
  }

  get by() {
    return this.stats.by
  }

  get state() {
    return this.stats.state
  }

  get stats() {
    return this.#row()
  }

  get closed() {
    return this.#closed
  }

  close() {
    if (this.state !== 'closed') this.#close()
  }

  /**
   * Internal: the connection is gone. `lastRow` has its last numbers, because the database forgets
   * old rows.
   */
  static closed(peer, closed, lastRow) {
    peer.#row = () => lastRow
    peer.#resolveClosed(closed)
  }
}

/** The name of a peer that was given none. */
export function defaultName(id, target) {
  try {
    const url = urlText(target)
    return url === null ? `peer ${id}` : new URL(url).host
  } catch {
    return `peer ${id}`
  }
}

/** What a peer says with the reason of a Disconnect (docs/websocket-peers.md, section 7). */
const DISCONNECTS = {
  0x00: 'the peer ended the connection',
  0x01: 'a connection that the peer needs broke',
  0x02: 'the peer says that we broke the protocol',
  0x03: 'the peer has no use for us: it is on another network, or offers other protocols',
  0x04: 'the peer has too many peers',
  0x05: 'the peer is connected to us already',
  0x06: 'the peer does not speak our version of devp2p',
  0x07: 'the peer misses our node id',
  0x08: 'the peer shuts down',
  0x09: 'the peer expected another node id',
  0x0a: 'the peer is connected to itself',
  0x0b: 'the peer heard nothing from us for too long',
  0x10: 'the peer has a reason of its own',
}

/** The PeerClosed of what the driver says, which has no words for what a number says. */
export function shapeClosed({ by, code, reason, disconnect }) {
  const words = disconnect === null ? 'the peer closed the connection' : DISCONNECTS[disconnect] ?? `the peer disconnected with devp2p reason ${disconnect}`
  return Object.freeze({ by, code, reason: reason || words, disconnect })
}

/** The PeerClosed of a peer that the caller has closed. */
export function closedByUser(reason = 'closed by the user') {
  return Object.freeze({ by: 'user', code: 1000, reason, disconnect: null })
}

/** The PeerClosed of a peer that could not be connected to, or whose module crashed. */
export function closedByError({ message }) {
  return Object.freeze({ by: 'fault', code: 1006, reason: message, disconnect: null })
}
