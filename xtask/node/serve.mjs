/**
 * A static server on loopback: the demo page at `/`, the package at `/pkg/`, bundles for tests at
 * `/bundles/`, an empty page at `/blank`.
 */

import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { createServer } from 'node:http'
import { extname, join, normalize, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { shut } from './loopback.mjs'

/** The repository's root. */
export const ROOT = fileURLToPath(new URL('../../', import.meta.url))

/** Where `bundle.mjs` writes. */
export const BUNDLES = join(process.env.SNAPLIGHT_TARGET ?? join(ROOT, 'target'), 'bundles')

/** The folders that are served, by the first part of the path. Everything else is of the site. */
const FOLDERS = { pkg: join(ROOT, 'pkg'), bundles: BUNDLES }

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
}

/** A page for tests. It only maps the package's names to its files, as a bundler would. */
const BLANK = `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><title>blank</title>
<script type="importmap">{"imports": {"snaplight": "/pkg/snaplight.js", "snaplight/worker": "/pkg/worker.js", "snaplight/provider": "/pkg/provider.js"}}</script>`

/** What gives pages a clock of 5 microseconds instead of 100, and in exchange their own process. */
const ISOLATING = { 'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp' }

/** What lets pages of any origin load modules from here, as a CDN does. */
const SHARED = { 'access-control-allow-origin': '*' }

/** As a server with releases under names of their own allows it. */
const CACHED = 'max-age=31536000, immutable'

/**
 * @param {{port?: number, site?: string, files?: Record<string, string | Buffer>, isolated?: boolean, shared?: boolean, cached?: boolean}} [options]
 *   `port`: any free one by default. `site`: the folder of everything else, instead of `www/`.
 *   `files`: what is served besides, by its path, whose ending says
 *   its type. `isolated`: pages are cross-origin isolated. `shared`: pages of other origins may load
 *   from here. `cached`: browsers may cache everything but pages
 * @returns {Promise<{origin: string, close: () => Promise<void>}>}
 */
export async function serve({ port = 0, site = join(ROOT, 'www'), files = {}, isolated = false, shared = false, cached = false } = {}) {
  // Nothing may be cached: a development server must serve a rebuilt package under the same name.
  const headers = { 'cache-control': 'no-store', ...(isolated && ISOLATING), ...(shared && SHARED) }
  const server = createServer((request, response) => {
    answer(request, response, site, files, cached && !isPage(request.url) ? { ...headers, 'cache-control': CACHED } : headers).catch((error) => {
      response.writeHead(500).end(String(error))
    })
  })
  await new Promise((resolve, reject) => {
    server.once('error', (error) => {
      const busy = error.code === 'EADDRINUSE' ? `port ${port} is taken; choose another one, or none` : error.message
      reject(new Error(`the page cannot be served: ${busy}`))
    })
    server.listen(port, '127.0.0.1', resolve)
  })
  return {
    origin: `http://127.0.0.1:${server.address().port}`,
    close: () => shut(server),
  }
}

function isPage(url) {
  return /\.html$|\/[^.]*$/.test(url)
}

async function answer(request, response, site, files, headers) {
  const { pathname } = new URL(request.url, 'http://loopback')
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.writeHead(405, headers).end()
    return
  }
  if (pathname === '/blank') {
    response.writeHead(200, { ...headers, 'content-type': TYPES['.html'] }).end(BLANK)
    return
  }
  if (Object.hasOwn(files, pathname)) {
    response.writeHead(200, { ...headers, 'content-type': TYPES[extname(pathname)] ?? TYPES['.html'] }).end(files[pathname])
    return
  }
  const file = fileOf(decodeURIComponent(pathname), site)
  const found = file && (await stat(file).catch(() => undefined))
  if (!found?.isFile()) {
    response.writeHead(404, { ...headers, 'content-type': 'text/plain' }).end(`nothing at ${pathname}\n`)
    return
  }
  const type = TYPES[extname(file)] ?? 'application/octet-stream'
  response.writeHead(200, { ...headers, 'content-type': type, 'content-length': found.size })
  if (request.method === 'HEAD') response.end()
  else createReadStream(file).pipe(response)
}

/** The file at a path. Nothing if the path leaves the folders that are served. */
function fileOf(pathname, site) {
  const [, first, rest] = /^\/([^/]*)\/(.*)$/.exec(pathname) ?? []
  const [folder, path] = Object.hasOwn(FOLDERS, first) ? [FOLDERS[first], rest] : [site, pathname.slice(1)]
  const base = folder + sep
  const file = normalize(base + (path === '' ? 'index.html' : path))
  return file.startsWith(base) ? file : undefined
}
