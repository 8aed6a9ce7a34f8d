// Whether something has left what the roots reach, in a worker: a walk over commits alone, that ends where the two sides meet. A fast-forward costs a few steps.
import type { MessagePort } from 'node:worker_threads'
import { answerJob } from '../../base/index.ts'
import type { FetchRepositories } from '../fetch-job.ts'
import { hashBytes, Kind, type ObjectId } from '../format/object-id.ts'
import type { PackSetHandle } from '../odb/index.ts'
import { walkCommits } from '../upload-pack/commit-walk.ts'
import { peelTags } from '../upload-pack/peel-tags.ts'
import { paced } from '../upload-pack/repository.ts'

export interface LeftJob {
  readonly packs: PackSetHandle
  readonly cutOff: readonly ObjectId[]
  /** Packed ids. Those that aren't stored are passed over. */
  readonly roots: Uint8Array
  /** Packed ids of what was a root. */
  readonly past: Uint8Array
}

export interface LeftAnswer {
  /** False: the roots reach all of it for certain. True: a walk over everything must say what leaves; most often something does. */
  readonly hasLeft: boolean
}

/** @throws CorruptError when something that is reached can't be read */
export async function leftJob(job: LeftJob, port: MessagePort, repositories: FetchRepositories): Promise<void> {
  await answerJob(port, async (main, signal) => {
    main.send({ hasLeft: await hasLeft(job, repositories, signal) } satisfies LeftAnswer)
  })
}

async function hasLeft({ packs, cutOff, roots, past }: LeftJob, repositories: FetchRepositories, signal: AbortSignal): Promise<boolean> {
  const repository = paced(repositories.open(packs, cutOff), signal)
  const { set } = repository
  const h = hashBytes(set.format)
  const numbers = (ids: Uint8Array) =>
    new Set(Array.from({ length: ids.length / h }, (_, i) => set.find(ids, i * h)).filter((number) => number >= 0))
  const kept = numbers(roots)
  const left = [...numbers(past)].filter((number) => !kept.has(number))
  // a tag that no ref names is gone itself, wherever it points to
  if (left.some((number) => set.kind(number) !== Kind.commit)) return true
  if (left.length === 0) return false
  const ends: number[] = []
  for (const number of kept) {
    const end = await peelTags(repository, number)
    if (set.kind(end) === Kind.commit) ends.push(end)
  }
  return (await walkCommits(repository, new Uint8Array(set.size), left, ends)).commits.length > 0
}
