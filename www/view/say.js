/** The places where the page says its status in words. */

const PHASES = {
  idle: 'Ready',
  connecting: 'Connecting',
  locating: 'Fetching the header',
  resuming: 'Reading what is stored',
  ranges: 'Syncing',
  healing: 'Healing',
  finishing: 'Storing the rest',
  done: 'Complete',
  instep: 'In step',
  paused: 'Paused',
  follower: 'Reading along',
  waiting: 'Waiting',
  problem: 'Stopped',
}
/**
 * Least time between two announcements of a kind: a screen reader that is told of every block says
 * nothing else.
 */
const ANNOUNCE_EVERY_MS = 10_000

const find = (id) => document.getElementById(id)
let announced = -Infinity

/**
 * @param name a phase of the package, or one of the page's own; `detail` true or text: it waits, or
 *   other words
 */
export function phase(name, detail) {
  const pill = find('phase')
  write(pill, typeof detail === 'string' && name === 'problem' ? detail : detail ? PHASES.waiting : PHASES[name])
  pill.dataset.phase = name
}

export function headline(text, below = '') {
  write(find('headline'), text)
  write(find('subline'), below)
}

/** Shows what went wrong, or nothing. */
export function problem(error) {
  find('problem').hidden = !error
  write(find('problem'), error ? `${error.message}${error.code ? ` (${error.code})` : ''}` : '')
}

/** Shows a notice while the work goes on. */
export function notice(text) {
  find('notice').hidden = !text
  write(find('notice'), text)
}

/**
 * Announces it to screen readers. `often`: it comes again and again, so most of it may be left out.
 */
export function announce(text, often = false) {
  const now = performance.now()
  if (often && now - announced < ANNOUNCE_EVERY_MS) return
  announced = now
  write(find('announce'), text)
}

/** @param {Record<string, boolean>} usable which buttons can be pressed */
export function buttons(usable) {
  for (const [id, can] of Object.entries(usable)) find(id).disabled = !can
}

/** Writes a text only if it differs, so that a selection or a reading aloud is not disturbed. */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text
}
