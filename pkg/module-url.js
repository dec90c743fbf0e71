/**
 * Where the WebAssembly module is. Written in the form that bundlers recognise, so that they take
 * the module along. This file is not in lib/, because esbuild and Rollup leave the form as it is:
 * the module is then looked for in `wasm` beside the bundle, wherever that is served.
 */
export function moduleUrl() {
  return new URL('./wasm/snaplight_bg.wasm', import.meta.url)
}
