// The error classes (documented in snaplight.d.ts) and the one place where a code becomes a class.

export class SnaplightError extends Error {
  constructor(code, message, options) {
    super(message, options)
    this.code = code
  }
}

export class MisuseError extends SnaplightError {}
export class NotTrackedError extends SnaplightError {
  constructor(code, message, options) {
    super(code, message, options)
    this.pending = options?.pending ?? false
  }
}
export class StoreError extends SnaplightError {}
export class QuotaError extends StoreError {}
export class DamagedError extends StoreError {}
export class CancelledError extends SnaplightError {}
export class ClosedError extends SnaplightError {}
export class LockedError extends SnaplightError {}
export class UnsupportedError extends SnaplightError {}
export class LoadError extends SnaplightError {}
export class CrashError extends SnaplightError {}

nameErrors({
  SnaplightError, MisuseError, NotTrackedError, StoreError, QuotaError, DamagedError, CancelledError, ClosedError, LockedError,
  UnsupportedError, LoadError, CrashError,
})

/**
 * Sets the names as strings on the prototypes, so that `error.name` and stack traces survive a
 * minifier that renames classes.
 */
export function nameErrors(classes) {
  for (const [name, { prototype }] of Object.entries(classes)) Object.defineProperty(prototype, 'name', { value: name, configurable: true, writable: true })
}

const CLASS_OF = {
  BAD_ARGUMENT: MisuseError,
  WRONG_NETWORK: MisuseError,
  WRONG_HOLD: MisuseError,
  WRONG_HEADER: MisuseError,
  NOT_A_SET: MisuseError,
  SET_TOO_LARGE: MisuseError,
  SOCKET_CLOSED: MisuseError,
  SOCKET_IN_USE: MisuseError,
  SYNC_ENDED: MisuseError,
  BOGUS_ROOT: MisuseError,
  NO_STATE: NotTrackedError,
  NOT_TRACKED: NotTrackedError,
  NO_SUCH_STATE: NotTrackedError,
  STORE_FAILED: StoreError,
  STORE_ABORTED: StoreError,
  STORE_BLOCKED: StoreError,
  STORE_SUPERSEDED: StoreError,
  STORE_NEWER: StoreError,
  QUOTA: QuotaError,
  DAMAGED: DamagedError,
  CANCELLED: CancelledError,
  CLOSED: ClosedError,
  LOCKED: LockedError,
  UNSUPPORTED: UnsupportedError,
  LOAD_FAILED: LoadError,
  CRASHED: CrashError,
}

/** Makes the error of this code, in its class. */
export function makeError(code, message, options) {
  return new CLASS_OF[code](code, message, options)
}

/** How many causes are posted with an error. Deeper ones say nothing that its reader needs. */
const MOST_CAUSES = 4

/** An error in a form that can be posted; `reviveError` makes an error of it again. */
export function flattenError(error) {
  return flatten(adoptError(error), MOST_CAUSES)
}

function flatten({ name, code, message, pending, cause }, causes) {
  return { name, code, message, pending, cause: causes > 0 ? flattenCause(cause, causes - 1) : undefined }
}

/**
 * Errors are told by their message, because those of another realm are no instances of Error here.
 */
function flattenCause(cause, causes) {
  try {
    if (typeof cause === 'symbol') return String(cause)
    if (Object(cause) !== cause) return cause
    if (typeof cause.message !== 'string') return Object.prototype.toString.call(cause)
    const { name, code, ...flat } = flatten(cause, causes)
    return { ...flat, name: String(name), code: typeof code === 'string' ? code : undefined }
  } catch {
    return 'a cause that cannot be read'
  }
}

/** The error that `flattenError` had, with its causes. */
export function reviveError(flat) {
  return adoptError(revive(flat, MOST_CAUSES))
}

function revive({ cause, ...flat }, causes) {
  const revived = causes > 0 && Object(cause) === cause ? reviveCause(cause, causes - 1) : cause
  return { ...flat, cause: revived }
}

function reviveCause(cause, causes) {
  const flat = revive(cause, causes)
  if (isOurs(flat)) return adoptError(flat)
  const { name, message, code } = flat
  return Object.assign(new Error(message, flat.cause === undefined ? undefined : { cause: flat.cause }), { name, code })
}

/**
 * Makes an error of this package of anything that was thrown. What is not foreseen counts as our
 * defect.
 */
export function adoptError(thrown) {
  if (thrown instanceof SnaplightError) return thrown
  if (isOurs(thrown)) {
    const { code, message, cause, pending } = thrown
    return makeError(code, message, cause === undefined ? { pending } : { cause, pending })
  }
  return new CrashError('CRASHED', `A defect in Snaplight; please report it: ${thrown?.message ?? thrown}`, { cause: thrown })
}

function isOurs(thrown) {
  return thrown !== null && typeof thrown === 'object' && Object.hasOwn(CLASS_OF, thrown.code ?? '')
}
