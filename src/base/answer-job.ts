// A job's end of a conversation, in its worker.
import type { MessagePort } from 'node:worker_threads'
import { UnavailableError } from './errors.ts'
import { MessageStream } from './message-stream.ts'

/**
 * Runs the work of a job and tells the other end what it throws. `signal` is aborted when nobody waits for it any more. `M` is what the other end
 * sends as messages.
 */
export async function answerJob<M = never>(
  port: MessagePort,
  work: (main: MessageStream<M>, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const main = new MessageStream<M>(port)
  const gone = new AbortController()
  port.once('close', () => gone.abort(new UnavailableError('job-gone', 'nobody waits for this any more')))
  try {
    await work(main, gone.signal)
  } catch (error) {
    main.fail(error)
  }
}
