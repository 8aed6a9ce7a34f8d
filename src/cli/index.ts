// The operator's command: what stands behind `stemma`.
export { runCommand } from './commands.ts'
export { UsageError } from './usage.ts'
