// One content, read to its end in a worker: every chunk is held against its hash, the whole against its digest.
import type { MessagePort } from 'node:worker_threads'
import { MessageStream } from '../../base/index.ts'
import type { ContentReader, ReadPlan } from '../content-reader.ts'

/** @throws CorruptError; UnavailableError */
export async function contentJob(plan: ReadPlan, port: MessagePort, reader: ContentReader): Promise<void> {
  const main = new MessageStream<never>(port)
  try {
    for await (const _piece of reader.read(plan)) if (main.closed) return
    main.send('right')
  } catch (error) {
    main.fail(error)
  }
}
