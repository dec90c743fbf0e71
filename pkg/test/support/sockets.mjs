// WebSocket-like objects of every kind that addPeer has to take.

/** As in browsers: an EventTarget. */
export class EventSocket extends EventTarget {
  binaryType = 'blob'
  readyState = 1
  bufferedAmount = 0
  sent = []
  closedWith = null

  send(data) {
    this.sent.push(data)
  }

  close(code, reason) {
    this.readyState = 3
    this.closedWith = { code, reason }
  }

  emit(type, properties) {
    this.dispatchEvent(Object.assign(new Event(type), properties))
  }
}

/** With `on...` properties only, as small wrappers are. */
export class HandlerSocket {
  readyState = 1
  sent = []
  closedWith = null
  onopen = null
  onmessage = null
  onclose = null
  onerror = null

  send(data) {
    this.sent.push(data)
  }

  close(code, reason) {
    this.closedWith = { code, reason }
  }

  emit(type, properties) {
    this[`on${type}`]?.({ type, ...properties })
  }
}

/** As a data channel, whose states are words. */
export class ChannelSocket extends EventSocket {
  readyState = 'open'
}

/** Counts the listeners of an EventTarget. Returns the current counts by event type. */
export function countingListeners(socket) {
  const [counts, listeners] = [{}, {}]
  const { addEventListener, removeEventListener } = socket
  const note = (type, change) => {
    change((listeners[type] ??= new Set()))
    counts[type] = listeners[type].size
  }
  socket.addEventListener = (type, listener) => {
    note(type, (known) => known.add(listener))
    return addEventListener.call(socket, type, listener)
  }
  socket.removeEventListener = (type, listener) => {
    note(type, (known) => known.delete(listener))
    return removeEventListener.call(socket, type, listener)
  }
  return counts
}

export const bytes = (...values) => Uint8Array.from(values)
/** Disconnect (0x01) with a devp2p reason. */
export const disconnect = (reason) => bytes(0x01, 0xc1, reason)

/** Sends Hello and Status from a double, which is then a peer that may be asked. */
export function greet(socket, { id, genesisHash }, head = 1) {
  const genesis = Buffer.from(genesisHash.slice(2), 'hex')
  const hello = rlp([5, Buffer.from('a double'), [[Buffer.from('eth'), 69], [Buffer.from('snap'), 1]], 0, Buffer.alloc(64)])
  const status = rlp([69, id, genesis, [Buffer.alloc(4), 0], 0, head, Buffer.alloc(32, 9)])
  socket.emit('message', { data: bytes(0x80, ...hello).buffer })
  socket.emit('message', { data: bytes(0x10, ...status).buffer })
}

/** The same from a double that answers by hash. */
export function greetByHash(socket, { id, genesisHash }) {
  const genesis = Buffer.from(genesisHash.slice(2), 'hex')
  const hello = rlp([5, Buffer.from('a double'), [[Buffer.from('eth'), 66]], 0, Buffer.alloc(64)])
  const status = rlp([66, id, 131_072, Buffer.alloc(32, 9), genesis, [Buffer.alloc(4), 0]])
  socket.emit('message', { data: bytes(0x80, ...hello).buffer })
  socket.emit('message', { data: bytes(0x10, ...status).buffer })
}

/** RLP of a number below 2^48, bytes, or a list of these. */
export function rlp(value) {
  if (Array.isArray(value)) return headed(0xc0, Buffer.concat(value.map(rlp)))
  if (typeof value !== 'number') return value.length === 1 && value[0] < 0x80 ? value : headed(0x80, value)
  const digits = value === 0 ? '' : value.toString(16)
  return rlp(Buffer.from(digits.length % 2 ? `0${digits}` : digits, 'hex'))
}

function headed(kind, body) {
  if (body.length < 56) return Buffer.concat([Buffer.of(kind + body.length), body])
  return Buffer.concat([body.length < 256 ? Buffer.of(kind + 56, body.length) : Buffer.of(kind + 57, body.length >> 8, body.length & 255), body])
}
