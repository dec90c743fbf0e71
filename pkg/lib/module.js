// The WebAssembly module of this realm. It is loaded once and shared by all databases. If it
// crashes, it is gone for all of them (crash.js).

import * as glue from '../wasm/snaplight.js'
import { moduleUrl } from '../module-url.js'
import { crash, crashed, onCrash } from './crash.js'
import { adoptError } from './errors.js'
import { checkFeatures } from './features.js'
import { urlText } from './realms.js'
import { fetched, notLoaded } from './source.js'

/** The promise of the module, from the first `load` on. */
let loading = null

/**
 * Resolves to the glue's exports when the module is ready to use.
 * @param source What `options.wasm` says; only the first call that succeeds counts.
 */
export function load(source) {
  if (crash) return Promise.reject(crash)
  loading ??= instantiate(source).catch((error) => {
    loading = null
    throw error
  })
  return loading
}

/** Calls into the module. Throws errors of this package only. */
export function guard(call) {
  if (crash) throw crash
  try {
    const value = call()
    if (!crash) return value
  } catch (thrown) {
    if (!crash) throw adoptError(thrown)
  }
  throw crash
}

/**
 * Calls into the module for a value or a promise of one, and rejects when the module crashes: its
 * own promise would stay pending for ever.
 */
export function guardAsync(call) {
  return new Promise((resolve, reject) => {
    const answer = guard(call)
    const stop = onCrash(reject)
    Promise.resolve(answer).then(resolve, (thrown) => reject(adoptError(thrown))).finally(stop)
  })
}

async function instantiate(source) {
  checkFeatures()
  try {
    await glue.default({ module_or_path: await resolveSource(await source) })
  } catch (cause) {
    throw notLoaded(cause)
  }
  glue.onCrash(crashed)
  return glue
}

/** A source that the glue understands: a Response, bytes, or a compiled module. */
function resolveSource(source = moduleUrl()) {
  const url = urlText(source)
  if (url === null) {
    // The glue knows this realm's Responses alone, of which it compiles the bytes as they come.
    const isKnown = typeof Response === 'function' && source instanceof Response
    return typeof source?.arrayBuffer === 'function' && !isKnown ? source.arrayBuffer() : source
  }
  // Node does not fetch files. `getBuiltinModule` and not an import, which bundlers for browsers
  // would refuse.
  const fs = /^file:/.test(url) ? globalThis.process?.getBuiltinModule?.('node:fs') : undefined
  return fs ? fs.promises.readFile(new URL(url)) : fetched(url)
}
