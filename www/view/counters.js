/** Counters, their rates, the rate's history, and where the time went. */

import { bytes, count, duration, percent } from './format.js'

const COUNTS = ['accounts', 'slots', 'codes', 'nodes', 'bytesReceived', 'bytesStored']
const FACTS = ['accounts', 'slots', 'codes']
const SHARES = { hashingMs: 'hashing and proving', storageMs: 'storing', waitingMs: 'waiting for peers' }
/** Rates are means over this time: a shorter one flickers, a longer one lags. */
const WINDOW_MS = 2000
const HISTORY = 240

export function createCounters(root) {
  const find = (selector) => root.querySelector(selector)
  const written = (name, value) => (name.startsWith('bytes') ? bytes(value) : count(value))
  let samples = []
  let history = []

  function rates(latest) {
    samples.push(latest)
    samples = samples.filter((sample) => latest.elapsedMs - sample.elapsedMs <= WINDOW_MS)
    const seconds = (latest.elapsedMs - samples[0].elapsedMs) / 1000
    return (name) => (seconds > 0 ? (latest[name] - samples[0][name]) / seconds : 0)
  }

  function sparkline() {
    const most = Math.max(...history, 1)
    const step = 240 / Math.max(history.length - 1, 1)
    const points = history.map((rate, at) => `${(at * step).toFixed(1)},${(39 - (rate / most) * 37).toFixed(1)}`)
    find('#sparkline').innerHTML =
      points.length < 2
        ? ''
        : `<polygon class="area" points="0,40 ${points.join(' ')} 240,40"/><polyline class="line" points="${points.join(' ')}"/>`
  }

  return {
    /** Clears the history of an earlier sync when one begins. */
    restart() {
      samples = []
      history = []
    },

    /** Shows what a complete state holds, while nothing moves. */
    hold(state) {
      for (const name of FACTS) find(`[data-count=${name}]`).textContent = written(name, state[name])
      for (const name of COUNTS) find(`[data-rate=${name}]`).textContent = ''
    },

    /**
     * @param given a Progress of the package
     * @param done whether the sync has ended, so that no rate is current
     * @param following one sync comes after another, so that a mean or a history means nothing
     */
    show(given, done, following) {
      const progress = { ...given, nodes: given.healing.nodes, bytesReceived: given.received.bytes }
      if (following && samples.at(-1)?.elapsedMs > progress.elapsedMs) samples = []
      const rate = rates(progress)
      const seconds = progress.elapsedMs / 1000
      for (const name of COUNTS) {
        find(`[data-count=${name}]`).textContent = written(name, progress[name])
        const mean = seconds > 0 && !following ? progress[name] / seconds : 0
        const current = done ? mean : rate(name)
        find(`[data-rate=${name}]`).textContent = current >= 1 ? `${written(name, current)}/s${done ? ' on average' : ''}` : ''
      }
      if (following) return
      const items = done
        ? (progress.accounts + progress.slots) / Math.max(seconds, 0.001)
        : rate('accounts') + rate('slots')
      // The first sample has nothing to be compared with.
      if (!done && samples.length > 1) history = [...history, items].slice(-HISTORY)
      find('#rate-now').textContent = items >= 1 ? `${count(items)}/s${done ? ' on average' : ''}` : ''
      sparkline()
      find('#elapsed').textContent = progress.elapsedMs > 0 ? duration(progress.elapsedMs) : ''
      const words = []
      for (const [name, word] of Object.entries(SHARES)) {
        const share = progress.elapsedMs > 0 ? progress[name] / progress.elapsedMs : 0
        find(`[data-share=${name}]`).style.width = `${Math.min(share, 1) * 100}%`
        words.push(progress.elapsedMs > 0 ? `${word} ${percent(share)}` : word)
      }
      find('#shares-words').textContent = words.join(' · ')
    },
  }
}
