// The main thread's half of a put: feeds a worker, takes its blocks, and answers what it asks.
import type { MessagePort } from 'node:worker_threads'
import { MessageStream, type WorkerPool } from '../base/index.ts'
import type { Queries } from '../db/index.ts'
import { answering } from './asking.ts'
import { findChunks } from './content-rows.ts'
import type { PutOptions } from './content-store.ts'
import type { Block } from './format/segment.ts'
import type { PutJob, PutJobResult } from './put-job.ts'
import type { Upload } from './upload.ts'

export interface FeedParts {
  readonly queries: Queries
  readonly workers: WorkerPool
  readonly upload: Upload
}

/** What the source throws, as it is; InputError 'size-mismatch', 'digest-mismatch', 'too-large'; UnavailableError. */
export function feedPut(
  { queries, workers, upload }: FeedParts,
  source: AsyncIterable<Uint8Array>,
  { expected, limitBytes }: Pick<PutOptions, 'expected' | 'limitBytes'>,
): Promise<PutJobResult> {
  const job = { limitBytes, digest: expected?.digest ?? null, sizeBytes: expected?.sizeBytes ?? null }
  const answers = { find: (hashes: Uint8Array) => findChunks(queries, hashes), block: (block: Block) => upload.add(block) }
  return answering(answers, (asking) => workers.run('put', { ...job, asking } satisfies PutJob, [asking], (port) => converse(port, source)))
}

async function converse(port: MessagePort, source: AsyncIterable<Uint8Array>): Promise<PutJobResult> {
  const worker = new MessageStream<PutJobResult>(port)
  const [fed, result] = await Promise.allSettled([feed(worker, source), worker.message()])
  if (fed.status === 'rejected') throw fed.reason // what the worker says of it is only an echo
  if (result.status === 'rejected') throw result.reason
  return result.value
}

/** Passes the source on; stops reading it when the worker has refused it. */
async function feed(worker: MessageStream<PutJobResult>, source: AsyncIterable<Uint8Array>): Promise<void> {
  try {
    for await (const bytes of source) {
      if (worker.closed) return
      // a copy, handed over: posting a view would copy all that it is a view of
      await worker.sendBytes(new Uint8Array(bytes), true)
    }
  } catch (error) {
    worker.fail(error)
    throw error
  }
  worker.endBytes()
}
