// No JSX in here: see docs/toolchains.md. Vite before 8 moves what ends in .js away from its files.
export * from '../snaplight.js'
