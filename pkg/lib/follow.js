// A database that follows a chain: it aims syncs at the heads that sources name. A head is
// `{ target, root, hash, number }`, the last three where they are known.

import { Agreement } from './follow/agreement.js'
import { functionSource } from './follow/function.js'
import { headOf } from './follow/line.js'
import { Source } from './follow/source.js'
import { onWake } from './reconnect.js'
import { Running } from './running.js'

/**
 * A sync keeps its block until the chain is this many blocks ahead: a first sync of everything,
 * because after each move a part of what it has fetched would differ; and one of a set, because it
 * is over so soon that on a fast chain moves could keep it from ever ending. Peers keep the states
 * of some 128 blocks. Later blocks of everything differ little from what is held, so a later sync
 * moves to them at once.
 */
const KEEPS_BLOCKS = 16

export class Follow extends Running {
  #plan
  #engine
  #owner
  #sources
  /** Of several sources, or of the one that is a function: `find(lowest)`. */
  #heads
  #stopListening
  #isActive = false
  #hasEnded = false
  /** The newest block that was taken. */
  #head = null
  /** The running sync, its head, and whether no peer has that. */
  #sync = null
  #aim = null
  #isRefused = false
  /** Why the last sync failed, until a source is heard again; and why no new block is known. */
  #failure = null
  #waiting = null

  /**
   * Made by `Snaplight.follow`. It does nothing before `begin`.
   * @param {object} plan Of plan.js.
   * @param {object} engine Of database.js: `listen(listener)`, `state()`, `verify(header, hash)`,
   *   `sync(target, onProgress)`, `keepHeader(target)`, `tell(event)`.
   * @param {object} owner Of following.js.
   */
  constructor(plan, engine, owner) {
    super()
    this.#plan = plan
    this.#engine = engine
    this.#owner = owner
    const { tag, agree, sources } = plan
    const hooks = { verify: engine.verify, heard: () => this.#heard() }
    this.#sources = sources.map((source) => (source.call ? functionSource(source, plan, hooks) : new Source(source, plan, hooks)))
    const [{ call }] = sources
    this.#heads = call ? this.#sources[0] : new Agreement(this.#sources, agree, (agreed, blocks) => engine.tell({ type: 'disagreement', tag, agreed, blocks }))
    this.#listen()
  }

  /** Throws if there is nothing to follow for, and then nothing has begun. */
  #listen() {
    const { signal } = this.#plan
    const stop = () => this.#end()
    signal?.addEventListener('abort', stop)
    const stopHearing = this.#engine.listen(({ type, error }) => (type === 'closed' ? this.#end(error) : this.#refresh()))
    const stopWaking = onWake(() => this.#wake(), () => this.#look())
    this.#stopListening = () => {
      stopWaking()
      stopHearing()
      signal?.removeEventListener('abort', stop)
    }
  }

  static begin(follow) {
    // One that ends at once has a standing, too.
    follow.#show()
    if (follow.#plan.signal?.aborted) follow.#end()
    else follow.#look()
  }

  /** Ends it because of this error, which says what took over. */
  static supersede(follow, error) {
    follow.#end(error)
  }

  get tag() {
    return this.#plan.tag
  }

  get standing() {
    return Follow.latest(this)
  }

  stop() {
    this.#end()
  }

  get [Symbol.toStringTag]() {
    return 'Follow'
  }

  #end(error) {
    if (this.#hasEnded) return
    this.#hasEnded = true
    // First, because whoever hears of the rest may follow again.
    this.#owner.ended(this)
    this.#stopListening()
    this.#each('rest')
    this.#each('stop')
    this.#sync?.cancel()
    Follow.settle(this, undefined, error?.code === 'CLOSED' ? null : error)
  }

  /** Looks at everything again, but later, because this may be called from within the engine. */
  #refresh() {
    queueMicrotask(() => this.#look())
  }

  /** One of them may end the follow when it is called. */
  #each(method) {
    for (const source of this.#sources) if (method !== 'start' || !this.#hasEnded) source[method]?.()
  }

  /** A source has said something, or has failed. */
  #heard() {
    if (!this.#isActive) return
    this.#failure = null
    this.#refresh()
  }

  /** Asks at once. */
  #wake() {
    this.#isActive = false
    this.#look()
  }

  #look() {
    if (this.#hasEnded) return
    const wasActive = this.#isActive
    this.#isActive = this.#engine.state().role === 'writer' && !this.#isHidden()
    if (!this.#isActive) {
      this.#each('rest')
    } else {
      if (!wasActive) this.#each('start')
      this.#find()
      // Whoever was asked, or heard of a disagreement, may have ended it.
      if (this.#hasEnded) return
      this.#go()
    }
    this.#show()
  }

  #isHidden() {
    return !this.#plan.whileHidden && globalThis.document?.visibilityState === 'hidden'
  }

  /** Takes the newest block that the sources name. */
  #find() {
    const held = this.#engine.state().complete?.block
    // A head that no peer has, or whose sync has ended, does not keep a lower one from being taken:
    // its number is somebody's word, and may be forged.
    const pending = this.#sync && !this.#isRefused ? this.#head : null
    const lowest = this.#plan.backwards ? 0 : Math.max(pending?.number ?? 0, held?.number ?? 0)
    const { head, number, waiting } = this.#heads.find(lowest)
    const isLower = number < lowest
    this.#waiting = waiting ?? (isLower ? `the newest block, ${number}, is lower than ${lowest}` : null)
    if (head && !isLower) this.#head = head
  }

  /** Syncs to the head, or moves the sync that runs, if that is due. */
  #go() {
    const head = this.#head
    if (!head || this.#failure || keyOf(head) === keyOf(this.#aim)) return
    const { complete, isFirst, holds } = this.#engine.state()
    if (!this.#sync && isHeld(head, complete)) {
      this.#engine.keepHeader(head.target)
      return this.#owner.completed(this.#plan.tag, complete.block)
    }
    if (this.#sync && (isFirst || holds === 'set') && !this.#isRefused && isNear(head, this.#aim)) return
    this.#isRefused = false
    try {
      const sync = this.#engine.sync(head.target, (progress) => this.#progressed(progress))
      this.#sync = sync
      this.#aim = head
      sync.then(({ block }) => this.#ended(sync, block), (error) => this.#ended(sync, null, error))
      if (this.#hasEnded) sync.cancel()
    } catch (error) {
      this.#end(error)
    }
  }

  #progressed(progress) {
    const isRefused = /root|item|block/.test(progress.waitingFor)
    if (isRefused && !this.#isRefused) this.#refresh()
    this.#isRefused = isRefused
    this.#plan.onProgress?.(progress)
  }

  #ended(sync, block, error = null) {
    // One that was moved has another Sync.
    if (this.#hasEnded || sync !== this.#sync) return
    this.#sync = this.#aim = null
    if (error && error.code !== 'STORE_ABORTED') return this.#end(error)
    this.#owner.completed(this.#plan.tag, block)
    this.#failure = error
    this.#look()
  }

  #show() {
    const { complete, role } = this.#engine.state()
    const head = this.#head
    const block = complete?.block
    const isCurrent = Boolean(head) && isHeld(head, complete)
    const shown = headOf(isCurrent && block ? block : head)
    const waiting = (this.#isActive && (this.#waiting ?? this.#failure?.message)) || null
    const standing = {
      state:
        role !== 'writer' ? 'following'
        : this.#isHidden() ? 'resting'
        : this.#sync ? 'syncing'
        : isCurrent && !waiting ? 'current'
        : 'waiting',
      head: shown,
      target: headOf(this.#aim),
      complete,
      behind: shown && block ? Math.max(shown.number - block.number, 0) : null,
      waiting,
    }
    if (JSON.stringify(standing) !== JSON.stringify(this.standing)) Follow.publish(this, standing)
  }
}

function keyOf(head) {
  return head?.hash ?? head?.root
}

function isHeld(head, complete) {
  return [complete?.block?.hash, complete?.root].includes(keyOf(head))
}

/**
 * Whether a sync to `aim` may go on while `head` is the newest block. An unknown distance is no
 * reason to move: if no peer has the state any more, the sync says so.
 */
function isNear(head, aim) {
  const ahead = head.number - aim.number
  return !(ahead < 0 || ahead >= KEEPS_BLOCKS)
}
