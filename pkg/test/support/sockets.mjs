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
