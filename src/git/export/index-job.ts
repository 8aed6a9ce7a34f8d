// In a worker: a pack's bytes to a file, taken apart and checked as a pushed one's, and git's own index beside it.
import { closeSync, fsyncSync, openSync } from 'node:fs'
import type { MessagePort } from 'node:worker_threads'
import { MessageStream, systemRandomness, writeFullySync } from '../../base/index.ts'
import { encodeIdx } from '../format/idx.ts'
import { hashBytes, type ObjectFormat, type ObjectId } from '../format/object-id.ts'
import { FileSpool, indexPack, type IndexLimits } from '../index-pack/index.ts'

/** The pack's bytes follow on the same port. */
export interface IndexJob {
  readonly format: ObjectFormat
  readonly packPath: string
  readonly idxPath: string
  readonly scratchFolder: string
  /** Commits whose parents need not be there. */
  readonly cutOff: readonly ObjectId[]
  readonly limits: IndexLimits
  readonly threads: number
}

export interface IndexResult {
  readonly objectCount: number
  readonly packBytes: number
  /** The pack's own: what git names its files by. */
  readonly trailer: Uint8Array
}

/** One result, or what is wrong: nothing of what the objects refer to may be missing from the pack. */
export async function indexJob(job: IndexJob, port: MessagePort): Promise<void> {
  const main = new MessageStream<never>(port)
  const spool = new FileSpool(job.packPath)
  try {
    const parts = await indexPack(main.bytes(), {
      ...job,
      spool,
      randomness: systemRandomness,
      existing: { read: async () => null, kinds: (oids) => new Uint8Array(oids.length / hashBytes(job.format)) },
      fsck: null,
      shallow: job.cutOff,
    })
    const trailer = new Uint8Array(hashBytes(job.format))
    spool.read(parts.packBytes - trailer.length, trailer)
    writeDurably(job.idxPath, encodeIdx({ ...parts, packHash: trailer }))
    main.send({ objectCount: parts.objectCount, packBytes: parts.packBytes, trailer } satisfies IndexResult)
  } catch (error) {
    main.fail(error)
  } finally {
    spool.close()
  }
}

function writeDurably(path: string, bytes: Uint8Array): void {
  const file = openSync(path, 'wx', 0o600)
  try {
    writeFullySync(file, bytes, 0)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}
