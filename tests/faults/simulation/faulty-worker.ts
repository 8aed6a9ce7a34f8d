// A worker thread of the Git room or the content store whose reads of the bucket, and writes to the disk, fail when they are told to: patches both, and then is the product's own.
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { workerData } from 'node:worker_threads'
import { UnavailableError } from '../../../src/base/index.ts'
import { FilesystemBucket } from '../../../src/bucket/filesystem.ts'
import { OpenFiles } from '../../../src/bucket/open-files.ts'
import { WorkerFaults } from './worker-faults.ts'

const { faults, module } = workerData as { readonly faults: SharedArrayBuffer; readonly module: string }
const counters = new WorkerFaults(faults)

/** What reads a value, at once or later: fails when its time has come. */
function refusing<T extends (...args: never[]) => unknown>(inner: T): T {
  return function (this: unknown, ...args: never[]) {
    if (counters.failsRead()) throw new UnavailableError('bucket-unavailable', 'told to fail: a worker’s read')
    return inner.apply(this, args)
  } as T
}

const bucket = FilesystemBucket.prototype
bucket.readNow = refusing(bucket.readNow)
bucket.get = refusing(bucket.get)
bucket.openValue = refusing(bucket.openValue)
bucket.stream = refusing(bucket.stream)

// a file that is kept open can be read when it has been deleted: what is deleted too early is to be missed
const { read } = OpenFiles.prototype
OpenFiles.prototype.read = function (this: OpenFiles, path, ...rest) {
  try {
    return read.call(this, path, ...rest)
  } finally {
    this.forget(path)
  }
}

const { writeSync } = fs
fs.writeSync = ((...args: Parameters<typeof writeSync>) => {
  if (counters.failsWrite()) throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC', syscall: 'write' })
  return writeSync(...args)
}) as typeof writeSync
syncBuiltinESMExports()

await import(module)
