// A bucket that answers no write: the write fails, and is carried out later than everything that its sender does then.
import { readFile } from 'node:fs/promises'
import { UnavailableError } from '../../src/base/index.ts'
import type { Bucket, Key } from '../../src/bucket/index.ts'

export interface LateBucket {
  readonly bucket: Bucket
  /** Carries out all that was asked for. */
  land(): Promise<void>
}

export function lateBucket(inner: Bucket): LateBucket {
  const late: (() => Promise<void>)[] = []
  const put = async (key: Key, bytes: Uint8Array): Promise<void> => {
    late.push(() => inner.put(key, bytes))
    throw new UnavailableError('bucket-unavailable', 'told to be late')
  }
  const uploadFile: Bucket['uploadFile'] = (key, path) => {
    const upload = inner.uploadFile(key, path)
    return {
      advance: () => {},
      complete: async () => {
        const bytes = await readFile(path)
        await upload.abort()
        await put(key, bytes)
      },
      abort: () => upload.abort(),
    }
  }
  return {
    bucket: Object.assign(Object.create(inner) as Bucket, {
      put,
      uploadFile,
      spoolFolder: inner.spoolFolder,
      requests: inner.requests,
      delete: (key: Key) => inner.delete(key),
    }),
    land: async () => {
      for (const act of late.splice(0)) await act()
    },
  }
}
