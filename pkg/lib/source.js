// Where the WebAssembly module comes from: what `options.wasm` says, or the package's own file.

import { moduleUrl } from '../module-url.js'
import { LoadError } from './errors.js'
import { bad } from './input.js'
import { urlText } from './realms.js'

/** Modules that were compiled for workers, which may open more than one database. */
const compiled = new WeakMap()

/**
 * What can be posted to a worker, of `options.wasm`: a module that is compiled here, while the
 * worker still loads its script; bytes and modules as they are; a Response as its bytes.
 *
 * Where it cannot be compiled here, it is a URL as text, or nothing for the package's own file. The
 * worker then loads it itself, and says what is the matter.
 */
export async function postable(worker, source) {
  let wasm
  try {
    wasm = await source
  } catch (cause) {
    throw notLoaded(cause)
  }
  const url = urlText(wasm)
  if (wasm !== undefined && url === null) return typeof wasm?.arrayBuffer === 'function' ? wasm.arrayBuffer() : wasm
  const text = url === null ? undefined : absolute(url)
  return (await compiledFor(worker, text)) ?? text
}

export function notLoaded(cause) {
  return new LoadError(
    'LOAD_FAILED',
    `The WebAssembly module could not be loaded: ${cause?.message ?? cause}. Check that snaplight/wasm/snaplight_bg.wasm is served ` +
      "(\"In your page\" of the README has a line for each bundler), that the Content-Security-Policy allows 'wasm-unsafe-eval', or say where it is: open({ wasm: '/snaplight_bg.wasm' }).",
    { cause },
  )
}

/** Fetches the module. Its URL is in every error, and so is what the server gave in its place. */
export async function fetched(url) {
  let response
  try {
    response = await fetch(url)
  } catch (cause) {
    throw new Error(`${cause.message} (${url})`, { cause })
  }
  if (!response.ok) throw new Error(`${response.status} ${response.statusText} (${url})`)
  // Development servers answer whatever they do not know with the app's page.
  if (/^text\/html/.test(response.headers.get('content-type'))) {
    throw new Error(`HTML was served at ${url}; in Vite set optimizeDeps: { exclude: ['snaplight'] }`)
  }
  return response
}

/** `undefined` if it fails, or if this is no worker that shares compiled modules with its page. */
function compiledFor(worker, url) {
  if (typeof Worker !== 'function' || !(worker instanceof Worker)) return undefined
  if (!compiled.has(worker)) compiled.set(worker, compile(url))
  return compiled.get(worker).catch(() => {
    // Another call may say another source.
    compiled.delete(worker)
  })
}

async function compile(url) {
  return WebAssembly.compileStreaming(fetched(url ?? moduleUrl()))
}

function absolute(url) {
  try {
    return new URL(url, globalThis.location?.href).href
  } catch (cause) {
    return bad('options.wasm', 'a URL that can be resolved here', url, cause)
  }
}
