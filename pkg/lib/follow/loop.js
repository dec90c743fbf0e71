// Aims syncs at the heads that sources name.

import { hashBytes } from '../input.js'
import { onWake } from '../reconnect.js'
import { Agreement, lower } from './agreement.js'
import { FunctionSource } from './function.js'
import { PATIENCE_MS, Source } from './source.js'

/**
 * A sync keeps its block until the chain is this many blocks ahead: a first sync of everything,
 * because after each move a part of what it has fetched would differ; and one of a set, because it
 * is over so soon that on a fast chain moves could keep it from ever ending. Peers keep the states
 * of some 128 blocks. Later blocks of everything differ little from what is held, so a later sync
 * moves to them at once.
 */
const KEEPS_BLOCKS = 16

export class Loop {
  #plan
  #engine
  #publish
  #onCompleted
  #onEnd
  #sources
  #agreement
  /** Stops listening to the page and to the caller's signal. */
  #stopListening
  #isActive = false
  #isDue = false
  #hasEnded = false
  /** Whether sources that have said nothing yet are waited for, for a moment after each start. */
  #isPatient = false
  #patience
  /** The newest block that was taken, `{ target, root, hash, number }`. */
  #head = null
  /** The running sync, its head, and whether no peer has that. */
  #sync = null
  #aim = null
  #isRefused = false
  /** Why the last sync failed, until a source is heard again. */
  #failure = null
  /** Why nothing is known of new blocks. */
  #waiting = null
  #standing = null
  /** The same as text, by which changes are seen. */
  #shown

  /**
   * @param {object} plan Of follow.js.
   * @param {object} engine Of database.js: `state()`, `verify(header, hash)`, `sync(target,
   *   onProgress)`, `tell(event)`.
   * @param {object} told `publish(standing)`, `completed(head)`, and `end(error)`, which is called
   *   once.
   */
  constructor(plan, engine, { publish, completed, end }) {
    this.#plan = plan
    this.#engine = engine
    this.#publish = publish
    this.#onCompleted = completed
    this.#onEnd = end
    const hooks = { verify: (header, hash) => this.#verify(header, hash), heard: () => this.#heard() }
    this.#sources = plan.sources.map(({ target, call, name }) => (call ? new FunctionSource(call, name, plan, hooks) : new Source(target, name, plan, hooks)))
    this.#agreement = new Agreement(this.#sources, plan.agree, (agreed, blocks) => engine.tell({ type: 'disagreement', tag: plan.tag, agreed, blocks }))
  }

  begin() {
    const { signal } = this.#plan
    const stop = () => this.end(null)
    const stopWaking = onWake(() => this.#look(true), () => this.#look())
    signal?.addEventListener('abort', stop)
    this.#stopListening = () => {
      stopWaking()
      signal?.removeEventListener('abort', stop)
    }
    if (signal?.aborted) stop()
    else this.#look()
  }

  get standing() {
    return this.#standing
  }

  /** To be called when a state is complete, and when the role has changed. */
  refresh() {
    // Later, because this may be called from within the engine.
    if (this.#isDue) return
    this.#isDue = true
    queueMicrotask(() => {
      this.#isDue = false
      this.#look()
    })
  }

  end(error) {
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.#stopListening()
    clearTimeout(this.#patience)
    for (const source of this.#sources) source.stop()
    this.#sync?.cancel('the follow has ended')
    this.#onEnd(error)
  }

  /** @param {boolean} [hurries] Whether to ask at once. */
  #look(hurries = false) {
    if (this.#hasEnded) return
    const isActive = this.#engine.state().role === 'writer' && !this.#isHidden()
    if (isActive && (hurries || !this.#isActive)) this.#start()
    else if (!isActive && this.#isActive) for (const source of this.#sources) source.rest()
    this.#isActive = isActive
    if (isActive) this.#find()
    if (isActive) this.#go()
    this.#show()
  }

  #isHidden() {
    return !this.#plan.whileHidden && globalThis.document?.visibilityState === 'hidden'
  }

  #start() {
    this.#isActive = true
    this.#isPatient = this.#sources.length > 1
    clearTimeout(this.#patience)
    if (this.#isPatient) {
      this.#patience = setTimeout(() => {
        this.#isPatient = false
        this.#look()
      }, PATIENCE_MS)
    }
    for (const source of this.#sources) source.start()
  }

  async #verify(header, hash) {
    try {
      return await this.#engine.verify(header, hash)
    } catch (error) {
      if (error.code === 'CRASHED') this.end(error)
      throw error
    }
  }

  /** A source has said something, or has failed. */
  #heard() {
    if (!this.#isActive) return
    this.#failure = null
    this.refresh()
  }

  /** Takes the newest block that the sources name. */
  #find() {
    const { backwards } = this.#plan
    const { complete } = this.#engine.state()
    const lowest = backwards ? 0 : Math.max(this.#head?.number ?? 0, complete?.block?.number ?? 0)
    const [source] = this.#sources
    if (source instanceof FunctionSource) {
      const { name, head, problem } = source
      const isLower = head?.number != null && head.number < lowest
      this.#waiting = problem || !head ? `${name}: ${problem ?? 'no answer yet'}` : isLower ? lower(head.number, lowest) : null
      if (head && !isLower && !isSame(head, this.#head)) this.#head = head
      return
    }
    const { block, waiting } = this.#agreement.find(lowest, this.#isPatient)
    this.#waiting = waiting
    if (block && block.hash !== this.#head?.hash) {
      const { number, hash, header } = block
      this.#head = { number, hash, target: { header, blockHash: hashBytes(hash) } }
    }
  }

  /** Syncs to the head, or moves the sync that runs, if that is due. */
  #go() {
    const head = this.#head
    if (!head || this.#failure || isSame(head, this.#aim)) return
    const { complete, isFirst, holds } = this.#engine.state()
    const keeps = isFirst || holds === 'set'
    try {
      if (!this.#sync && isComplete(head, complete)) {
        this.#completed(complete.block)
      } else if (!this.#sync) {
        this.#begin(head)
      } else if (!keeps || this.#isRefused || !isNear(head, this.#aim)) {
        this.#sync.retarget(head.target)
        this.#aim = head
        this.#isRefused = false
      }
    } catch (error) {
      // A sync that has just ended says so in the next turn.
      if (error.code !== 'SYNC_ENDED') this.end(error)
    }
  }

  #begin(head) {
    this.#aim = head
    this.#isRefused = false
    let sync = null
    const onProgress = (progress) => {
      if (this.#hasEnded || this.#sync !== sync) return
      const isRefused = ['root', 'item', 'block'].includes(progress.waitingFor)
      if (isRefused && !this.#isRefused) this.refresh()
      this.#isRefused = isRefused
      this.#plan.onProgress?.(progress)
    }
    try {
      sync = this.#sync = this.#engine.sync(head.target, onProgress)
    } catch (error) {
      this.#aim = null
      throw error
    }
    sync.then(({ block }) => this.#ended(block, null), (error) => this.#ended(null, error))
  }

  #ended(block, error) {
    if (this.#hasEnded) return
    this.#sync = this.#aim = null
    if (block) this.#completed(block)
    // Both are mended by another attempt: at the next head, or when the same one is heard of again.
    if (error && !['STORE_ABORTED', 'WRONG_HEADER'].includes(error.code)) return this.end(error)
    this.#failure = error
    this.#look()
  }

  #completed(block) {
    if (block) this.#onCompleted(Object.freeze({ number: block.number, hash: block.hash }))
  }

  #show() {
    const { complete, role } = this.#engine.state()
    const { hash, number } = this.#head ?? {}
    const block = complete?.block
    const isHeld = Boolean(this.#head) && isComplete(this.#head, complete)
    const head = isHeld && block ? { number: block.number, hash: block.hash } : hash && number != null ? { number, hash } : null
    const waiting = this.#isActive ? this.#waiting ?? this.#failure?.message ?? null : null
    const standing = {
      state: this.#state(role, isHeld, waiting),
      head: head && Object.freeze(head),
      complete,
      behind: head && block ? (isHeld ? 0 : Math.max(head.number - block.number, 0)) : null,
      waiting,
    }
    const key = JSON.stringify(standing)
    if (key === this.#shown) return
    this.#shown = key
    this.#standing = Object.freeze(standing)
    this.#publish(standing)
  }

  #state(role, isHeld, waiting) {
    if (role !== 'writer') return 'following'
    if (this.#isHidden()) return 'resting'
    if (this.#sync) return 'syncing'
    return isHeld && !waiting ? 'current' : 'waiting'
  }
}

function isSame(a, b) {
  return Boolean(a && b) && (a.hash ? a.hash === b.hash : a.root === b.root && !b.hash)
}

function isComplete({ hash, root }, complete) {
  return Boolean(complete) && (hash ? complete.block?.hash === hash : complete.root === root)
}

/**
 * Whether a sync to `aim` may go on while `head` is the newest block. An unknown distance is no
 * reason to move: if no peer has the state any more, the sync says so.
 */
function isNear(head, aim) {
  if (head.number == null || aim.number == null) return true
  const ahead = head.number - aim.number
  return ahead >= 0 && ahead < KEEPS_BLOCKS
}
