// GET /:owner/:repo/archive/NAME.tar.gz (.tgz, .tar, .zip): an archive of a branch, a tag or a commit to download, with everything below one folder
// named after repository and name, as other hosts have it.
import type { FastifyReply, FastifyRequest } from 'fastify'
import { type Repository, repositoryOf } from '../../access/index.ts'
import { CorruptError, InputError, latin1, utf8 } from '../../base/index.ts'
import { notFound } from '../../http/index.ts'
import { Answer } from '../answer.ts'
import { untilGone } from '../fetch-serving.ts'
import { callOf } from '../http-call.ts'
import type { GitRoom } from '../git-room.ts'
import type { VisibleRefs } from '../refs/index.ts'
import type { ArchiveHead } from './task.ts'
import { refNames } from './ref-names.ts'
import { type ObjectName, parseObjectName } from './revision.ts'
import { refsOf, serveArchive, taskOf } from './serve.ts'

const endings = { '.tar.gz': 'tar.gz', '.tgz': 'tar.gz', '.tar': 'tar', '.zip': 'zip' } as const
type Ending = keyof typeof endings
const contentTypes = { tar: 'application/x-tar', 'tar.gz': 'application/gzip', zip: 'application/zip' } as const

/** @param file what stands behind `archive/`, decoded */
export async function download(room: GitRoom, request: FastifyRequest, reply: FastifyReply, file: string): Promise<void> {
  const repository = repositoryOf(request)
  const ending = (Object.keys(endings) as Ending[]).find((candidate) => file.endsWith(candidate))
  if (ending === undefined) throw notFound()
  const wanted = file.slice(0, -ending.length)
  const call = callOf(room, request)
  const refs = await refsOf(room, call)
  const name = downloadName(wanted, refs, repository)
  if (name === null) throw notFound()
  const format = endings[ending]
  const folder = `${repository.name}-${folderSuffix(wanted)}`
  const wishes = { level: -1, pathspecs: [], usesAttributes: true, tellsPaths: false, time: null }
  const task = taskOf(room, call, name, refs, { ...wishes, format, prefix: latin1(utf8(`${folder}/`)) })
  let answer: Answer | null = null
  try {
    await serveArchive(room, call, task, null, async (head, take) => {
      const tag = `W/"${head.commit ?? head.tree}.${format}"`
      const headers = headersOf(repository, tag, `${folder}${ending}`)
      if (isKnown(request, tag)) {
        new Answer(reply, contentTypes[format], { status: 304, headers }).end()
        return
      }
      answer = new Answer(reply, contentTypes[format], { headers })
      if (request.method === 'HEAD') return answer.end()
      for await (const item of untilGone(take(refNames(refs, head.commit)), answer.gone)) {
        if (!(item instanceof Uint8Array)) continue
        const full = answer.write(item)
        if (full) await full
      }
      answer.end()
    })
  } catch (error) {
    fail(room, repository, error, answer)
  }
}

/** Before the answer: what it is; behind its beginning: a cut connection, so that nobody takes a part for the whole. */
function fail(room: GitRoom, repository: Repository, error: unknown, answer: Answer | null): void {
  if (answer === null) throw error instanceof InputError ? notFound() : error
  const alarm = error instanceof CorruptError
  if (answer.gone.aborted && !alarm) return
  room.options.log.error({ err: error, alarm, repository: repository.id }, alarm ? 'ALARM: stored data is wrong' : 'a download broke off')
  answer.break()
}

/** A ref, or the id of a commit or its beginning; nothing else that git has a name for. */
function downloadName(wanted: string, refs: VisibleRefs, { objectFormat }: Repository): ObjectName | null {
  const name = parseObjectName(wanted, refs, objectFormat)
  return name === null || name.path !== null || name.steps.length > 0 ? null : name
}

/**
 * The commit or tree that a name stands for, for a link to its archive; null when there is none that the request may see.
 * UnavailableError, CorruptError as any reading.
 */
export async function findArchive(
  room: GitRoom,
  request: FastifyRequest,
  repository: Repository,
  wanted: string,
): Promise<ArchiveHead | null> {
  const call = { ...callOf(room, request), repository }
  const refs = await refsOf(room, call)
  const name = downloadName(wanted, refs, repository)
  if (name === null) return null
  const wishes = { level: -1, pathspecs: [], usesAttributes: true, tellsPaths: false, time: null, format: 'tar', prefix: '' } as const
  let found: ArchiveHead | null = null
  try {
    await serveArchive(room, call, taskOf(room, call, name, refs, wishes), null, async (head) => {
      found = head
    })
  } catch (error) {
    if (!(error instanceof InputError)) throw error
  }
  return found
}

/** `refs/tags/v1.0` → `1.0`, `feature/x` → `feature-x`. */
function folderSuffix(wanted: string): string {
  return wanted
    .replace(/^refs\/(?:heads|tags)\//, '')
    .replace(/^v(?=\d)/, '')
    .replaceAll('/', '-')
}

function headersOf({ visibility }: Repository, etag: string, fileName: string): Record<string, string> {
  const plain = fileName.replaceAll(/[^\x20-\x7e]|["\\%]/g, '_')
  const extended =
    plain === fileName
      ? ''
      : `; filename*=UTF-8''${encodeURIComponent(fileName).replaceAll(/['()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)}`
  return {
    etag,
    'content-disposition': `attachment; filename="${plain}"${extended}`,
    'cache-control': visibility === 'public' ? 'public, no-cache' : 'private, no-cache',
    vary: 'Authorization',
    'x-content-type-options': 'nosniff',
  }
}

function isKnown(request: FastifyRequest, tag: string): boolean {
  const known = request.headers['if-none-match']
  if (known === undefined) return false
  return known.trim() === '*' || known.split(',').some((entry) => entry.trim().replace(/^W\//, '') === tag.slice(2))
}
