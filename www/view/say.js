/** The few places where the page says in words how it is. */

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
/** A screen reader that is told of every block says nothing else. */
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

/** What went wrong, or nothing any more. */
export function problem(error) {
  find('problem').hidden = !error
  write(find('problem'), error ? `${error.message}${error.code ? ` (${error.code})` : ''}` : '')
}

/** What is good to know while it goes on. */
export function notice(text) {
  find('notice').hidden = !text
  write(find('notice'), text)
}

/** For those who listen. `often`: it comes again and again, so most of it may be left out. */
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
 * Text that is written only where it differs: what somebody selects or listens to stays what it is.
 */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text
}
