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
    return typeof target === 'string' || target instanceof URL ? new URL(target).host : `peer ${id}`
  } catch {
    return `peer ${id}`
  }
}
