// base: what every room may use; knows no domain words.
export * from './bytes.ts'
export * from './clock.ts'
export * from './errors.ts'
export * from './log.ts'
export * from './message-stream.ts'
export * from './places.ts'
export * from './worker-pool.ts'
