// Questions about a repository across threads: a worker answers with values, whoever asked makes an answer of them.
import type { MessagePort } from 'node:worker_threads'
import { answerJob } from '../../base/index.ts'
import type { ObjectId } from '../format/object-id.ts'
import type { PackSetHandle } from '../odb/index.ts'
import { type FetchRepository, paced, type PacedRepository } from '../upload-pack/repository.ts'
import { commitText, compare, compareText, showCommit } from './commit-diff.ts'
import { listCommits } from './commit-list.ts'
import { blame, folderCommits } from './folder-commits.ts'
import { readContents, readReadme } from './contents.ts'
import { blobObject, commitObject, commitOf, kindsOf, tagObject } from './objects.ts'
import { listTree } from './tree-list.ts'

/** All that can be asked. */
const answers = {
  blame,
  blobObject,
  commitObject,
  commitOf,
  commitText,
  compare,
  compareText,
  folderCommits,
  kindsOf,
  listCommits,
  listTree,
  readContents,
  readReadme,
  showCommit,
  tagObject,
}

type Answers = typeof answers
export type BrowseKind = keyof Answers
export type QuestionOf<K extends BrowseKind> = Parameters<Answers[K]>[1]
export type AnswerOf<K extends BrowseKind> = Awaited<ReturnType<Answers[K]>>

export interface BrowseJob {
  readonly packs: PackSetHandle
  /** Commits whose parents the repository doesn't have. */
  readonly cutOff: readonly ObjectId[]
  readonly kind: BrowseKind
  readonly question: unknown
}

/** In a worker. */
export async function browseJob(
  job: BrowseJob,
  port: MessagePort,
  repositories: { open(handle: PackSetHandle, cutOff: readonly ObjectId[]): FetchRepository },
): Promise<void> {
  await answerJob(port, async (main, signal) => {
    const answer = answers[job.kind] as (repository: PacedRepository, question: unknown) => Promise<unknown>
    const value = await answer(paced(repositories.open(job.packs, job.cutOff), signal), job.question)
    main.send(value, wholeBytes(value))
  })
}

/** What need not be copied. */
function wholeBytes(value: unknown): ArrayBuffer[] {
  const bytes = value instanceof Uint8Array ? value : (value as { bytes?: unknown } | null)?.bytes
  if (!(bytes instanceof Uint8Array) || !(bytes.buffer instanceof ArrayBuffer)) return []
  return bytes.byteLength === bytes.buffer.byteLength && bytes.byteLength > 0 ? [bytes.buffer] : []
}
