// Fetches that begin later: none begins after it was stopped, and none before there is memory for it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { MessageChannel } from 'node:worker_threads'
import { Places, UnavailableError } from '../base/index.ts'
import { type FetchJob, laterFetch } from './fetch-job.ts'

test('a fetch that is stopped before anybody asks for its events takes no worker', async () => {
  const workers = { pool: { start: () => assert.fail('a job was started') }, memory: new Places(1) }
  const job = {} as unknown as FetchJob // never looked at
  for (const source of [laterFetch(workers, job), laterFetch(workers, job).again()]) {
    source.stop()
    await assert.rejects(source.events.next(), UnavailableError)
  }
})

test('packs are made one after the other where there is memory for one, and who is stopped gives it back at once', async () => {
  let begun = 0
  const start = () => {
    begun++
    const { port1 } = new MessageChannel()
    return { port: port1, end: () => port1.close(), explain: (cause: unknown) => cause, settled: async () => {} }
  }
  const workers = { pool: { start }, memory: new Places(8 << 20) }
  const job = { packs: { packs: [] } } as unknown as FetchJob
  const sources = [1, 2, 3].map(() => laterFetch(workers, job))
  const events = sources.map((source) => assert.rejects(source.events.next(), UnavailableError))
  await turn()
  assert.equal(begun, 1)
  sources[1]?.stop() // it waits: it never begins
  sources[0]?.stop()
  for (let turns = 0; turns < 10; turns++) await turn()
  assert.equal(begun, 2)
  sources[2]?.stop()
  await Promise.all(events)
  ;(await workers.memory.take(8 << 20))()
})
