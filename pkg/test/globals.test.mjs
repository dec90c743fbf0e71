// No global is needed when the package is imported: Jest's and vitest's environments lack some, and give
// others later.

import { test } from 'node:test'
import { succeeds } from './support/program.mjs'

/** What browsers, workers, Node and jsdom have, and not all of them. The language's own stay. */
const GLOBALS = [
  'WebAssembly', 'TextDecoder', 'TextEncoder', 'crypto', 'MessageChannel', 'MessagePort', 'BroadcastChannel', 'WebSocket', 'Worker', 'fetch', 'Response',
  'URL', 'Blob', 'AbortController', 'AbortSignal', 'Event', 'EventTarget', 'FinalizationRegistry', 'WeakRef', 'performance', 'navigator', 'structuredClone',
  'indexedDB', 'self', 'window', 'document', 'location', 'origin', 'reportError', 'queueMicrotask', 'setInterval',
]

test('every entry can be imported where no global is, and open says which are missing', () => succeeds('no-globals.mjs', ...GLOBALS))
