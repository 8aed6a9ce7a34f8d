// An archive that takes longer than a request may: one limit for finding it, making it and sending it, and one error.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { MessageChannel } from 'node:worker_threads'
import { MessageStream, UnavailableError } from '../../base/index.ts'
import type { GitCall } from '../git-call.ts'
import type { GitRoom } from '../git-room.ts'
import { serveArchive } from './serve.ts'
import type { ArchiveTask } from './task.ts'

/** A room whose worker has the job; `port` is its end. Nothing else of a room is asked for. */
function roomOf(requestTimeoutMs: number) {
  const { port1, port2: port } = new MessageChannel()
  let held = 0
  const room = {
    fetches: {
      take: async () => {
        held++
        return () => held--
      },
    },
    options: { limits: { requestTimeoutMs } },
    packs: { open: async () => ({ handle: {} }) },
    settings: { read: () => ({ cutOff: [] }) },
    workers: { run: async (_kind: string, _job: object, _transfer: object, use: (port: unknown) => Promise<void>) => await use(port1) },
  } as unknown as GitRoom
  return { room, port, held: () => held }
}

const call = { repository: { networkId: 'n' }, identity: { kind: 'anonymous' }, actor: {} } as unknown as GitCall
const isLate = (error: unknown) => error instanceof UnavailableError && error.code === 'request-time'

test('a search that takes too long ends, and says why', async () => {
  const { room, port, held } = roomOf(30)
  const closed = once(port, 'close')
  await assert.rejects(
    serveArchive(room, call, {} as ArchiveTask, null, async () => assert.fail('nothing was found')),
    isLate,
  )
  await closed
  assert.equal(held(), 0)
})

test('an archive without end ends, and says why; what came before was taken', async () => {
  const { room, port, held } = roomOf(300)
  const worker = new MessageStream<unknown>(port)
  worker.send({ commit: null, tree: 'tree' })
  const made = (async () => {
    await worker.message()
    while (!worker.closed) await worker.sendBytes(new Uint8Array(1 << 20))
  })()
  let taken = 0
  const served = serveArchive(room, call, {} as ArchiveTask, null, async (_head, take) => {
    for await (const item of take({} as Parameters<typeof take>[0])) if (item instanceof Uint8Array) taken += item.length
  })
  await assert.rejects(served, isLate)
  await made
  assert.ok(taken > 0)
  assert.equal(held(), 0)
})

test('who leaves before is no late one', async () => {
  const { room } = roomOf(60_000)
  const gone = AbortSignal.abort(new UnavailableError('client-gone', 'the client closed the connection'))
  await assert.rejects(
    serveArchive(room, call, {} as ArchiveTask, gone, async () => {}),
    { code: 'worker' },
  )
})
