// POST objects/batch: where each object is to be downloaded from or uploaded to, or why it can't be.
import type { FastifyRequest } from 'fastify'
import { findQuota, type OwnerQuota, quotaExceeded } from '../access/index.ts'
import type { ContentStore, Digest } from '../store/index.ts'
import type { Database } from '../db/index.ts'
import { lfsUrl } from './answers.ts'
import { type AskedObject, type Operation, parseBatch } from './format/batch.ts'
import { askForObjects, findObjects } from './objects.ts'

/** An action stays good as long as the credentials in it; clients ask again after this. */
const expirySeconds = 24 * 60 * 60

export interface BatchParts {
  readonly db: Database
  readonly store: ContentStore
  readonly publicUrl: string | null
  readonly limits: { readonly objectBytes: number }
}

interface Action {
  readonly href: string
  readonly header: Readonly<Record<string, string>>
  readonly expires_in: number
}

interface ObjectFate {
  readonly actions?: Readonly<Partial<Record<'download' | 'upload' | 'verify', Action>>>
  readonly error?: { readonly code: number; readonly message: string }
}

/** The answer's document. A repository that the upload is about to create has nothing yet. */
export async function answerBatch(parts: BatchParts, request: FastifyRequest) {
  const { operation, objects, hashAlgorithm } = parseBatch(request.body)
  const { repository } = request
  const oids = objects.flatMap(({ oid, fault }) => (fault === null ? [oid as Digest] : []))
  if (repository !== null && operation === 'upload') await askForObjects(parts.db.queries, repository.id, oids)
  const had = repository === null ? new Map<Digest, number>() : await findObjects(parts.db.queries, repository.id, oids)
  const known = operation === 'upload' ? await withContent(parts, had) : had
  const act = actionsOf(request, parts.publicUrl)
  const room = operation === 'upload' ? new Room(await quotaOf(parts.db, request)) : null
  const decide = (object: AskedObject): ObjectFate => {
    if (hashAlgorithm !== 'sha256') return failed(409, 'Objects are named by sha256 here')
    if (object.fault !== null) return failed(422, object.fault)
    const fate = fateOf(operation, object, known.get(object.oid as Digest), parts.limits.objectBytes, act)
    return fate.actions === undefined || room === null ? fate : (room.refusal(object) ?? fate)
  }
  return {
    transfer: 'basic',
    objects: objects.map((object) => ({ oid: object.oid, size: object.sizeBytes, authenticated: true, ...decide(object) })),
    hash_algo: 'sha256',
  }
}

/** What the owner of the request's repository may store yet; null: he has no limit. */
export async function quotaOf(db: Database, { repository, repositoryToCreate }: FastifyRequest): Promise<OwnerQuota | null> {
  const ownerId = repository?.ownerId ?? repositoryToCreate?.ownerId
  return ownerId === undefined ? null : findQuota(db, ownerId)
}

/** What is left to the owner, as one batch takes it up: what there is no room for isn't asked for. Each upload is judged again when it comes. */
class Room {
  readonly #quota: OwnerQuota | null
  #leftBytes: number

  constructor(quota: OwnerQuota | null) {
    this.#quota = quota
    this.#leftBytes = quota?.leftBytes ?? Number.POSITIVE_INFINITY
  }

  /** Null: there is room. */
  refusal({ sizeBytes }: AskedObject): ObjectFate | null {
    if (this.#quota === null || sizeBytes <= this.#leftBytes) {
      this.#leftBytes -= sizeBytes
      return null
    }
    return failed(507, quotaExceeded({ ...this.#quota, leftBytes: this.#leftBytes }).message)
  }
}

/** Without those whose content was lost: whoever has such an object is asked for it again. */
async function withContent({ store }: BatchParts, had: ReadonlyMap<Digest, number>): Promise<ReadonlyMap<Digest, number>> {
  if (had.size === 0) return had
  const stored = await store.statMany([...had.keys()])
  return new Map([...had].filter(([digest]) => stored.has(digest)))
}

function fateOf(
  operation: Operation,
  { oid, sizeBytes }: AskedObject,
  known: number | undefined,
  mostBytes: number,
  act: (path: string) => Action,
): ObjectFate {
  if (known !== undefined && known !== sizeBytes) return failed(422, `The object has ${known} bytes, not ${sizeBytes}`)
  if (operation === 'download') {
    return known === undefined ? failed(404, 'Object does not exist') : { actions: { download: act(`objects/${oid}`) } }
  }
  if (known !== undefined) return {} // it is there: nothing to do
  if (sizeBytes > mostBytes) return failed(413, `Objects may have at most ${mostBytes} bytes here`)
  return { actions: { upload: act(`objects/${oid}?size=${sizeBytes}`), verify: act('verify') } }
}

/** Actions take the credentials that this request came with: the client need not look for others, nor send a body twice to be asked for them. */
function actionsOf(request: FastifyRequest, publicUrl: string | null): (path: string) => Action {
  const base = lfsUrl(request, publicUrl)
  const { authorization } = request.headers
  const header = authorization === undefined ? {} : { Authorization: authorization }
  return (path) => ({ href: `${base}/${path}`, header, expires_in: expirySeconds })
}

function failed(code: number, message: string): ObjectFate {
  return { error: { code, message } }
}
