/** Values, ages and addresses as people read them. */

import { count, ether, shortHash } from '../view/format.js'

/** Digits behind the point of an amount. All of them are in its title. */
const DIGITS = 6
/** Beyond it a slot is hardly a number: most tokens count in units of 1e-18. */
const LARGEST_NUMBER = 10n ** 27n

/** Wei as ether, cut and not rounded: an amount is never shown higher than it is. */
export function amount(wei) {
  const [whole, fraction = ''] = ether(wei).split('.')
  const cut = fraction.slice(0, DIGITS).replace(/0+$/, '')
  const isSmall = wei > 0n && whole === '0' && cut === ''
  return isSmall ? `${count(Number(wei))} wei` : `${whole}${cut && `.${cut}`} ETH`
}

/** The difference of two amounts with its sign. */
export function difference(before, after) {
  return after >= before ? `+${amount(after - before)}` : `−${amount(before - after)}`
}

/** A slot's value: a number where it is one that people can read, else its 32 bytes, shortened. */
export function slotValue(value) {
  return value < LARGEST_NUMBER ? value.toLocaleString('en') : shortHash(word(value))
}

export function word(value) {
  return `0x${value.toString(16).padStart(64, '0')}`
}

/** A slot's number, or the short form of a hash. */
export function slotName(slot) {
  const number = BigInt(slot)
  return number < 1_000_000n ? `Slot ${number}` : `Slot ${shortHash(word(number))}`
}

export function shortAddress(address) {
  return `${address.slice(0, 8)}…${address.slice(-6)}`
}

/** Seconds as an age. */
export function ago(seconds) {
  if (seconds < 1) return 'just now'
  if (seconds < 120) return `${seconds} s ago`
  if (seconds < 7_200) return `${Math.floor(seconds / 60)} min ago`
  if (seconds < 172_800) return `${Math.floor(seconds / 3_600)} hours ago`
  return `${Math.floor(seconds / 86_400)} days ago`
}
