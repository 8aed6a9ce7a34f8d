// The worker's half of a get: the plan's bytes over the port.
import type { MessagePort } from 'node:worker_threads'
import { MessageStream } from '../base/index.ts'
import type { ContentReader, ReadPlan } from './content-reader.ts'

export async function getJob(plan: ReadPlan, port: MessagePort, reader: ContentReader): Promise<void> {
  const stream = new MessageStream<never>(port)
  try {
    for await (const piece of reader.read(plan)) {
      await stream.sendBytes(piece, true)
      if (stream.closed) return
    }
    stream.endBytes()
  } catch (error) {
    stream.fail(error)
  }
}
