export default defineNuxtConfig({ telemetry: false, app: { head: { link: [{ rel: 'icon', href: 'data:,' }] } } })
