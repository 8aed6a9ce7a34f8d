// What both ends of a job see: its answer, its failure, and that nobody waits any more.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MessageChannel } from 'node:worker_threads'
import { answerJob } from './answer-job.ts'
import { CorruptError } from './errors.ts'
import { MessageStream } from './message-stream.ts'

test('what the work sends and what it throws reaches the other end', async () => {
  const { port1, port2 } = new MessageChannel()
  const other = new MessageStream<string>(port2)
  other.send('question')
  const done = answerJob<string>(port1, async (main, signal) => {
    assert.equal(signal.aborted, false)
    main.send(`${await main.message()} answered`)
    throw new CorruptError('stored-pack', 'and then it was wrong')
  })
  assert.equal(await other.message(), 'question answered')
  await assert.rejects(other.message(), (error) => error instanceof CorruptError && error.message === 'and then it was wrong')
  await done
  port2.close()
})

test('work that nobody waits for any more is told, and its failure harms nobody', async () => {
  const { port1, port2 } = new MessageChannel()
  const begun = Promise.withResolvers<void>()
  const done = answerJob(port1, async (_main, signal) => {
    begun.resolve()
    await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
  })
  await begun.promise
  port2.close()
  await done
})
