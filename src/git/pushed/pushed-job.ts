// The question across threads: a worker walks and reads.
import type { MessagePort } from 'node:worker_threads'
import { answerJob } from '../../base/index.ts'
import type { ObjectId } from '../format/object-id.ts'
import type { PackSetHandle } from '../odb/index.ts'
import { type FetchRepository, paced } from '../upload-pack/repository.ts'
import { pushedTask, type PushedQuestion } from './pushed-task.ts'

export interface PushedJob {
  readonly packs: PackSetHandle
  /** Commits whose parents the repository doesn't have. */
  readonly cutOff: readonly ObjectId[]
  readonly question: PushedQuestion
}

/** In a worker. */
export async function pushedJob(
  job: PushedJob,
  port: MessagePort,
  repositories: { open(handle: PackSetHandle, cutOff: readonly ObjectId[]): FetchRepository },
): Promise<void> {
  await answerJob(port, async (main, signal) => {
    main.send(await pushedTask(paced(repositories.open(job.packs, job.cutOff), signal), job.question))
  })
}
