// A peer as its caller sees it.

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
   * Internal: the connection is gone; `lastRow` is what stays of its numbers, since the database
   * forgets old ones.
   */
  static closed(peer, closed, lastRow) {
    peer.#row = () => lastRow
    peer.#resolveClosed(closed)
  }
}

/** How a peer is called that was given no name. */
export function defaultName(id, target) {
  try {
    return typeof target === 'string' || target instanceof URL ? new URL(target).host : `peer ${id}`
  } catch {
    return `peer ${id}`
  }
}
