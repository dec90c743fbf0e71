/** Numbers and times as people read them. */

const whole = new Intl.NumberFormat('en')
const short = new Intl.NumberFormat('en', { maximumFractionDigits: 1 })

export function count(number) {
  return whole.format(Math.round(number))
}

export function bytes(number) {
  if (number < 1000) return `${count(number)} B`
  for (const unit of ['kB', 'MB', 'GB', 'TB']) {
    number /= 1000
    if (number < 999.5 || unit === 'TB') return `${number < 10 ? number.toFixed(1) : count(number)} ${unit}`
  }
}

export function duration(milliseconds) {
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`
  const seconds = milliseconds / 1000
  if (seconds < 60) return `${seconds.toFixed(1)} s`
  return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`
}

export function percent(share) {
  return `${short.format(share * 100)} %`
}

export function shortHash(hash) {
  return hash.length > 20 ? `${hash.slice(0, 10)}…${hash.slice(-6)}` : hash
}

/** A block by its number, or by its hash while the number is unknown. */
export function blockName({ number, hash }) {
  return number === null ? shortHash(hash) : count(number)
}

/** A message of the package with shortened hashes, where it is read and not copied. */
export function brief(text) {
  return text.replace(/0x[0-9a-f]{64}/g, shortHash)
}

/** Wei as ether, exactly and without trailing zeros. */
export function ether(wei) {
  const digits = wei.toString().padStart(19, '0')
  const fraction = digits.slice(-18).replace(/0+$/, '')
  return whole.format(BigInt(digits.slice(0, -18))) + (fraction && `.${fraction}`)
}
