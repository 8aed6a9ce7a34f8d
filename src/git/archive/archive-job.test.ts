// An archive that nobody waits for any more: the worker is rid of it, also while it still looks for what was asked for.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { MessageChannel, type MessagePort } from 'node:worker_threads'
import { UnavailableError, type WorkerPool } from '../../base/index.ts'
import { type ArchiveJob, runArchive } from './archive-job.ts'

/** A pool whose worker has taken the job and doesn't answer; `port` is its end. */
function silentWorker(): { readonly pool: Pick<WorkerPool, 'run'>; readonly port: MessagePort } {
  const { port1, port2 } = new MessageChannel()
  const pool: Pick<WorkerPool, 'run'> = { run: async (_kind, _payload, _transfer, use) => await use(port1) }
  return { pool, port: port2 }
}

const job = {} as unknown as ArchiveJob // never looked at here

test('a client that leaves while the worker searches ends the search', async () => {
  const { pool, port } = silentWorker()
  const gone = new AbortController()
  const closed = once(port, 'close')
  const run = runArchive(pool, job, gone.signal, () => assert.fail('there is nothing to use'))
  gone.abort(new Error('the client closed the connection'))
  await assert.rejects(run, UnavailableError)
  await closed
})

test('one that had left before ends it at its beginning', async () => {
  const { pool, port } = silentWorker()
  const closed = once(port, 'close')
  await assert.rejects(
    runArchive(pool, job, AbortSignal.abort(), () => assert.fail('there is nothing to use')),
    UnavailableError,
  )
  await closed
})
