// A fetch that begins later: none begins after it was stopped.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { UnavailableError } from '../base/index.ts'
import { type FetchJob, laterFetch } from './fetch-job.ts'

test('a fetch that is stopped before anybody asks for its events takes no worker', async () => {
  const workers = { start: () => assert.fail('a job was started') }
  const job = {} as unknown as FetchJob // never looked at
  for (const source of [laterFetch(workers, job), laterFetch(workers, job).again()]) {
    source.stop()
    await assert.rejects(source.events.next(), UnavailableError)
  }
})
