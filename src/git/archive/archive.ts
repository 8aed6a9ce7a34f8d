// An archive in a worker: from the task to its bytes. Nothing here knows of threads or sockets.
import { createGzip } from 'node:zlib'
import { InputError } from '../../base/index.ts'
import { paced, type FetchRepository, type PacedRepository } from '../upload-pack/repository.ts'
import { ContentReader } from './contents.ts'
import { type Entry, findUnmatched, walkEntries } from './entries.ts'
import { commitFacts } from './facts.ts'
import { Pathspec } from './pathspec.ts'
import { gathered, through } from './pieces.ts'
import { tarStream } from './tar-stream.ts'
import type { ArchiveGo, ArchiveHead, ArchivePath, ArchiveTask } from './task.ts'
import { idOf, resolveTreeIsh, type TreeIsh } from './tree-ish.ts'
import { zipStream } from './zip-stream.ts'

/** What a task stands for, found and allowed. */
export interface OpenArchive {
  readonly head: ArchiveHead
  /** Bytes are the receiver's. Errors as `openArchive`, at any time. */
  stream(go: ArchiveGo): AsyncGenerator<ArchivePath | Uint8Array<ArrayBuffer>, void, undefined>
}

/**
 * @throws InputError in git's words: no such object, no path for a pathspec; CorruptError; the signal's reason once it is aborted
 */
export async function openArchive(kept: FetchRepository, task: ArchiveTask, signal?: AbortSignal): Promise<OpenArchive> {
  const repository = paced(kept, signal)
  const { commit, tree } = await resolveTreeIsh(repository, task.name, task.tips)
  const pathspec = new Pathspec(task.pathspecs)
  const unmatched = await findUnmatched(
    repository,
    tree,
    task.pathspecs.map((text) => ({ text, pathspec: new Pathspec([text]) })),
  )
  if (unmatched !== null) {
    throw new InputError('bad-pathspec', `pathspec '${Buffer.from(unmatched, 'latin1').toString()}' did not match any files`)
  }
  const head: ArchiveHead = { type: 'head', commit: commit === null ? null : idOf(repository, commit), tree: idOf(repository, tree) }
  return { head, stream: (go) => streamArchive(repository, task, { commit, tree }, pathspec, go) }
}

async function* streamArchive(
  repository: PacedRepository,
  task: ArchiveTask,
  { commit, tree }: TreeIsh,
  pathspec: Pathspec,
  go: ArchiveGo,
): AsyncGenerator<ArchivePath | Uint8Array<ArrayBuffer>, void, undefined> {
  const facts = commit === null ? null : await commitFacts(repository, commit, go)
  const told: ArchivePath[] = []
  const walked = walkEntries(repository, tree, { prefix: task.prefix, pathspec, usesAttributes: task.usesAttributes })
  const entries = task.tellsPaths ? telling(walked, told) : walked
  const time = task.time ?? (commit === null ? task.now : repository.commits.time(commit))
  const contents = new ContentReader(repository, facts)
  for await (const bytes of gathered(packed(task, entries, contents, facts?.oid ?? null, time))) {
    yield* told.splice(0)
    yield bytes
  }
  yield* told
}

async function* telling(entries: AsyncIterable<Entry>, told: ArchivePath[]): AsyncGenerator<Entry, void, undefined> {
  for await (const entry of entries) {
    told.push({ type: 'path', path: entry.path })
    yield entry
  }
}

function packed(
  task: ArchiveTask,
  entries: AsyncIterable<Entry>,
  contents: ContentReader,
  commit: string | null,
  time: number,
): AsyncIterable<Uint8Array> {
  const { format, level, umask } = task
  if (format === 'zip') return zipStream(entries, contents, { time: { seconds: time }, level, comment: commit ?? '' })
  const tar = tarStream(entries, contents, commit, { time, umask })
  return format === 'tar' ? tar : through(tar, createGzip({ level }))
}
