/** What the page says about itself in words. */

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
/** A screen reader that reads every block reads nothing else. */
const ANNOUNCE_EVERY_MS = 10_000

const find = (id) => document.getElementById(id)
let announced = -Infinity

/**
 * @param name a phase of the package, or one of the page's own; `detail`: true or a text if it
 *   waits, or other words
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

/** Shows what went wrong, or removes it. */
export function problem(error) {
  find('problem').hidden = !error
  write(find('problem'), error ? `${error.message}${error.code ? ` (${error.code})` : ''}` : '')
}

/** Shows a notice during a sync, or removes it. */
export function notice(text) {
  find('notice').hidden = !text
  write(find('notice'), text)
}

/** For screen readers. `often`: the text is repeated often, so most of it may be left out. */
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

/**
 * Writes a text only if it has changed, so that a selection stays and screen readers are silent.
 */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text
}
