// An archive across threads: a worker walks and packs, the thread with the socket takes its bytes.
import type { MessagePort } from 'node:worker_threads'
import { answerJob, MessageStream, type WorkerPool } from '../../base/index.ts'
import type { ObjectId } from '../format/object-id.ts'
import type { PackSetHandle } from '../odb/index.ts'
import type { FetchRepository } from '../upload-pack/index.ts'
import { openArchive } from './archive.ts'
import type { ArchiveGo, ArchiveHead, ArchivePath, ArchiveTask } from './task.ts'

export interface ArchiveJob {
  readonly packs: PackSetHandle
  /** Commits whose parents the repository doesn't have. */
  readonly cutOff: readonly ObjectId[]
  readonly task: ArchiveTask
}

/** In a worker. */
export async function archiveJob(
  job: ArchiveJob,
  port: MessagePort,
  repositories: { open(handle: PackSetHandle, cutOff: readonly ObjectId[]): FetchRepository },
): Promise<void> {
  await answerJob<ArchiveGo>(port, async (main, signal) => {
    const archive = await openArchive(repositories.open(job.packs, job.cutOff), job.task, signal)
    main.send(archive.head)
    const go = await main.message()
    for await (const item of archive.stream(go)) {
      if (main.closed) return
      if (item instanceof Uint8Array) await main.sendBytes(item, true)
      else main.send(item)
    }
    main.endBytes()
  })
}

/**
 * Runs an archive in a worker. `use` is told what the name stands for, and may then take the archive, or not. `gone`: nobody waits for it any more,
 * and the worker is rid of it at once.
 * Throws what the worker failed with (`openArchive`), or UnavailableError.
 */
export async function runArchive<T>(
  workers: Pick<WorkerPool, 'run'>,
  job: ArchiveJob,
  gone: AbortSignal,
  use: (head: ArchiveHead, take: (go: ArchiveGo) => AsyncIterable<ArchivePath | Uint8Array>) => Promise<T>,
): Promise<T> {
  return await workers.run('archive', job, [], async (port) => {
    const worker = new MessageStream<ArchiveHead | ArchivePath>(port)
    const stop = () => port.close()
    gone.addEventListener('abort', stop)
    if (gone.aborted) stop()
    try {
      const head = (await worker.message()) as ArchiveHead
      return await use(head, (go) => {
        worker.send(go)
        return itemsOf(worker)
      })
    } finally {
      gone.removeEventListener('abort', stop)
    }
  })
}

async function* itemsOf(worker: MessageStream<ArchiveHead | ArchivePath>): AsyncGenerator<ArchivePath | Uint8Array, void, undefined> {
  for await (const item of worker.all()) {
    if ('bytes' in item) yield item.bytes
    else if (item.message.type === 'path') yield item.message
  }
}
