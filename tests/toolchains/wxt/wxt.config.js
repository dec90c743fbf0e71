import { defineConfig } from 'wxt'

export default defineConfig({
  webExt: { disabled: true },
  manifest: { content_security_policy: { extension_pages: "script-src 'self' 'wasm-unsafe-eval'; object-src 'self'" } },
})
