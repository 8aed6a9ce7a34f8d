// Values from one bucket to another, a few at a time: what is there already in the right size stays, since a key is written once.
import { open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { CorruptError, systemRandomness } from '../base/index.ts'
import { type Bucket, type Key, parseKey } from '../bucket/index.ts'

export interface NamedKey {
  readonly key: string
  readonly sizeBytes: number
}

export interface Copied {
  readonly copied: number
  readonly copiedBytes: number
  /** Those that are not in the source, or are shorter than they should be, and not in the target either. */
  readonly missing: readonly string[]
}

const parallel = 4
/** Values up to this are held whole. */
const wholeBytes = 4 << 20

/** @throws UnavailableError; the signal's reason */
export async function copyKeys(
  from: Bucket,
  to: Bucket,
  keys: readonly NamedKey[],
  signal: AbortSignal,
  progress: (bytes: number) => void,
): Promise<Copied> {
  const missing: string[] = []
  let copied = 0
  let copiedBytes = 0
  const queue = keys.values()
  const work = async () => {
    for (const { key: name, sizeBytes } of queue) {
      signal.throwIfAborted()
      const key = parseKey(name)
      const there = await to.head(key, signal)
      if (there?.sizeBytes !== sizeBytes) {
        try {
          await copy(from, to, key, sizeBytes, signal)
          copied++
          copiedBytes += sizeBytes
        } catch (error) {
          if (!(error instanceof CorruptError)) throw error
          missing.push(name)
        }
      }
      progress(sizeBytes)
    }
  }
  await Promise.all(Array.from({ length: parallel }, work))
  return { copied, copiedBytes, missing }
}

async function copy(from: Bucket, to: Bucket, key: Key, sizeBytes: number, signal: AbortSignal): Promise<void> {
  const range = { offset: 0, sizeBytes }
  if (sizeBytes <= wholeBytes) return to.put(key, await from.get(key, range, signal), signal)
  const path = join(to.spoolFolder, `${systemRandomness.uuid()}.copy`)
  try {
    {
      await using file = await open(path, 'wx', 0o600)
      for await (const bytes of from.stream(key, range, signal)) await file.writeFile(bytes)
    }
    await to.uploadFile(key, path).complete(sizeBytes, signal)
  } finally {
    await rm(path, { force: true })
  }
}
