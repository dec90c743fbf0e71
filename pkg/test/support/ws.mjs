// The npm package `ws`, which the developer's tools bring: `cargo xtask test` installs it.

import { createRequire } from 'node:module'

export const { WebSocket, WebSocketServer } = createRequire(new URL('../../../xtask/node/package.json', import.meta.url))('ws')
