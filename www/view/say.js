/** Writes the page's status in its headline, notices and announcements. */

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
 * The least time between two announcements that come often. A screen reader that reads every block
 * reads nothing else.
 */
const ANNOUNCE_EVERY_MS = 10_000

const find = (id) => document.getElementById(id)
let announced = -Infinity

/**
 * @param name a phase of the package, or one of the page's own
 * @param detail `true` if the phase waits, or a text to show instead
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

/** Shows an error, or hides the last one. */
export function problem(error) {
  find('problem').hidden = !error
  write(find('problem'), error ? `${error.message}${error.code ? ` (${error.code})` : ''}` : '')
}

/** Shows a notice while the sync runs, or hides the last one. */
export function notice(text) {
  find('notice').hidden = !text
  write(find('notice'), text)
}

/**
 * Announces a text to screen readers. `often`: such texts come often, so that most may be left out.
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

/** Writes a text only if it differs, so that a selection or a screen reader is not disturbed. */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text
}
