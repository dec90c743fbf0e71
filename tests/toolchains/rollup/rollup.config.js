import resolve from '@rollup/plugin-node-resolve'

export default { input: { main: 'main.js', 'worker-entry': 'snaplight/worker-entry' }, output: { dir: 'dist' }, plugins: [resolve()] }
