/**
 * The WebAssembly module as your bundler gives it: a URL, bytes or a module. `open({ wasm })` takes
 * any of these. Without a bundler, pass `open` the file's URL.
 */
import type { WasmSource } from './snaplight.js'

declare const source: WasmSource
export default source
