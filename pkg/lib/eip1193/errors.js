// The errors of the provider (EIP-1193, EIP-1474), and what an error of the database becomes.

import { NotTrackedError, SnaplightError, adoptError, nameErrors } from '../errors.js'

/** The request is none (EIP-1474, JSON-RPC 2.0). */
export const INVALID_REQUEST = -32600
const INVALID_PARAMS = -32602
export const INTERNAL = -32603
/** What was asked for is not here (EIP-1474). viem keeps the data of these and asks once. */
const NOT_FOUND = -32001
/** Too many requests (EIP-1474). */
export const LIMIT_EXCEEDED = -32005
const UNSUPPORTED_METHOD = 4200
const DISCONNECTED = 4900

export class ProviderRpcError extends Error {
  constructor(code, message, data, cause) {
    super(message, cause && { cause })
    this.code = code
    if (data !== undefined) this.data = data
  }
}
nameErrors({ ProviderRpcError })

export function invalidParams(message, cause) {
  return new ProviderRpcError(INVALID_PARAMS, message, undefined, cause)
}

/** The words are those that ethers takes for an unsupported operation. */
export function unsupported(method) {
  return new ProviderRpcError(UNSUPPORTED_METHOD, `the method ${method} does not exist/is not available`)
}

export function notFound(code, message) {
  return new ProviderRpcError(NOT_FOUND, message, { code, pending: false })
}

/** The error that the caller gets for one that a read rejected with. */
export function toRpcError(error) {
  if (error instanceof ProviderRpcError) return error
  if (!(error instanceof SnaplightError)) return new ProviderRpcError(INTERNAL, adoptError(error).message, undefined, error)
  const { code, message, pending } = error
  if (error instanceof NotTrackedError) return new ProviderRpcError(NOT_FOUND, message, { code, pending }, error)
  return new ProviderRpcError(code === 'CLOSED' || code === 'CRASHED' ? DISCONNECTED : INTERNAL, message, { code }, error)
}
