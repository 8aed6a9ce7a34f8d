// Composing across threads: a worker makes objects and their pack, whoever asked stores it.
import type { MessagePort } from 'node:worker_threads'
import { answerJob } from '../../base/index.ts'
import type { ObjectId } from '../format/object-id.ts'
import type { Deflater, PackSetHandle } from '../odb/index.ts'
import { type FetchRepository, paced } from '../upload-pack/repository.ts'
import { NewObjects } from './new-objects.ts'
import { Permitted, type Permission } from './permitted.ts'
import { blob, commit, type Composing, file, merge, tag, target, tree } from './tasks.ts'

/** All that can be composed. */
const tasks = { blob, commit, file, merge, tag, target, tree }

type Tasks = typeof tasks
export type ComposeKind = keyof Tasks
export type TaskOf<K extends ComposeKind> = Parameters<Tasks[K]>[1]
export type ResultOf<K extends ComposeKind> = Awaited<ReturnType<Tasks[K]>>

export interface ComposeJob {
  readonly packs: PackSetHandle
  /** Commits whose parents the repository doesn't have. */
  readonly cutOff: readonly ObjectId[]
  readonly permission: Permission
  readonly kind: ComposeKind
  readonly task: unknown
}

export interface Composed<R> {
  readonly result: R
  /** Of the new objects. */
  readonly ids: readonly ObjectId[]
  /** They, whole. */
  readonly pack: Uint8Array
}

/** In a worker. */
export async function composeJob(
  job: ComposeJob,
  port: MessagePort,
  repositories: { open(handle: PackSetHandle, cutOff: readonly ObjectId[]): FetchRepository },
  deflater: Deflater,
): Promise<void> {
  await answerJob(port, async (main, signal) => {
    const repository = paced(repositories.open(job.packs, job.cutOff), signal)
    const objects = new NewObjects(repository.set.format)
    const compose = tasks[job.kind] as (composing: Composing, task: unknown) => Promise<unknown>
    const result = await compose({ repository, objects, permitted: new Permitted(repository, job.permission) }, job.task)
    const pack = objects.pack((bytes) => deflater.view(bytes))
    main.send({ result, ids: objects.ids, pack } satisfies Composed<unknown>, [pack.buffer as ArrayBuffer])
  })
}
