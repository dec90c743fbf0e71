// The npm package `ws`, which `cargo xtask test` installs.

import { createRequire } from 'node:module'

export const { WebSocket, WebSocketServer } = createRequire(new URL('../../../xtask/node/package.json', import.meta.url))('ws')
