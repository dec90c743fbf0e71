/**
 * Starts a worker that serves databases. Written in the form that bundlers recognise, so that they
 * make a bundle of its script. This file is not in lib/, because esbuild and Rollup leave the form
 * as it is: the script is then looked for beside the bundle, under its own name.
 */
export function startWorker() {
  return new Worker(new URL('./worker-entry.js', import.meta.url), { type: 'module', name: 'snaplight' })
}
