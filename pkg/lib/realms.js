// Judges values by their shape. Those of another realm (a frame's, jsdom's) are no instances of
// this realm's classes.

export function isBytes(value) {
  return ArrayBuffer.isView(value) && value[Symbol.toStringTag] === 'Uint8Array'
}

/** A copy of bytes, in this realm. Their own `slice` is no copy if they are a Buffer. */
export function copyOf(bytes) {
  return new Uint8Array(bytes)
}

/** The text of a URL, which may be text or an object with `href`; `null` of anything else. */
export function urlText(value) {
  if (typeof value === 'string') return value
  try {
    return typeof value?.href === 'string' ? value.href : null
  } catch {
    return null
  }
}
