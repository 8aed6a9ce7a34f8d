// The object-info command across threads: a worker looks up what the visible refs reach.
import type { MessagePort } from 'node:worker_threads'
import { answerJob, MessageStream, type WorkerPool } from '../base/index.ts'
import type { FetchRepositories } from './fetch-job.ts'
import type { ObjectId } from './format/index.ts'
import type { PackSetHandle } from './odb/index.ts'
import { objectInfo, type ObjectInfoRequest } from './upload-pack/index.ts'

export interface ObjectInfoJob {
  readonly packs: PackSetHandle
  /** Packed ids. */
  readonly tips: Uint8Array
  readonly request: ObjectInfoRequest
  /** Commits at which the repository is cut off. */
  readonly cutOff: readonly ObjectId[]
}

/** In a worker. */
export async function objectInfoJob(job: ObjectInfoJob, port: MessagePort, repositories: FetchRepositories): Promise<void> {
  await answerJob(port, async (main, signal) => {
    main.send(await objectInfo(repositories.open(job.packs, job.cutOff), job.tips, job.request, signal))
  })
}

/** The answer's bytes. Throws what the worker failed with, or UnavailableError. */
export async function runObjectInfo(workers: WorkerPool, job: ObjectInfoJob): Promise<Uint8Array> {
  return await workers.run('objectInfo', job, [], (port) => new MessageStream<Uint8Array>(port).message())
}
