// What older browsers lack, and which have all that is needed.

import { UnsupportedError } from './errors.js'

/** The lowest that have all of it. "Browsers" of the README says what decides. */
export const BROWSERS = 'Chrome 96, Firefox 96, Safari 16.4 or newer'
/** For `snaplight/worker`, whose worker is a module. */
export const WORKER_BROWSERS = BROWSERS.replace('Firefox 96', 'Firefox 114')

/** An instruction or two of each feature that the WebAssembly module uses. */
const INSTRUCTIONS = {
  SIMD: [253, 12, ...new Uint8Array(16), 26], // v128.const 0, drop
  'reference types': [208, 111, 26], // ref.null extern, drop
  'bulk memory': [65, 0, 65, 0, 65, 0, 252, 11, 0], // memory.fill
  'multiple values': [2, 0, 11], // block of type 0
  'saturating conversions': [67, 0, 0, 0, 0, 252, 0, 26], // f32.const 0, i32.trunc_sat_f32_s, drop
  'sign extension': [65, 0, 192, 26], // i32.const 0, i32.extend8_s, drop
}

/** Globals without which no database can be opened. Tests run where some are missing (jsdom). */
const GLOBALS = ['WebAssembly', 'TextDecoder', 'TextEncoder', 'crypto', 'MessageChannel']

export function checkFeatures() {
  const missing = GLOBALS.filter((name) => !globalThis[name])
  if (globalThis.WebAssembly) {
    const names = Object.keys(INSTRUCTIONS).filter((name) => !WebAssembly.validate(moduleOf(INSTRUCTIONS[name])))
    missing.push(...names.map((name) => `${name} of WebAssembly`))
  }
  if (missing.length > 0) throw new UnsupportedError('UNSUPPORTED', `Snaplight needs what is missing here: ${missing.join(', ')}. Use ${BROWSERS}.`)
}

/** The smallest module with a memory and a function of these instructions. */
function moduleOf(instructions) {
  return Uint8Array.of(
    0, 97, 115, 109, 1, 0, 0, 0, // magic, version 1
    1, 4, 1, 96, 0, 0, // type 0: () -> ()
    3, 2, 1, 0, // function 0 of type 0
    5, 3, 1, 0, 0, // a memory of 0 pages
    10, instructions.length + 4, 1, instructions.length + 2, 0, ...instructions, 11, // code, end
  )
}
