// The content store's worker of frame-deaths.test.ts: its thread ends in the middle of a frame when it is told to.
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { workerData } from 'node:worker_threads'

/** Writes that are left until it ends, if more than 0. */
const left = new Int32Array((workerData as { readonly left: SharedArrayBuffer }).left)

const { writeSync } = fs
fs.writeSync = ((...args: Parameters<typeof writeSync>) => {
  if (Atomics.load(left, 0) > 0 && Atomics.sub(left, 0, 1) === 1) throw new Error('out of luck')
  return writeSync(...args)
}) as typeof writeSync
syncBuiltinESMExports()

await import('../worker.ts')
