// The content store's part of `stemma fsck`: its own check, and LFS rows against it; findings in the shape that packs' findings have.
import type { Log } from '../base/index.ts'
import type { Config } from '../config.ts'
import { sql } from '../db/index.ts'
import type { Finding } from '../git/index.ts'
import { checkObjects, type LfsFinding, lfsReferences } from '../lfs/index.ts'
import { packageFormats } from '../package-formats.ts'
import { keepingsOf, type KeptFinding } from '../packages/index.ts'
import { makeStore } from '../rooms.ts'
import type { ContentFinding, StoreCheck } from '../store/index.ts'
import type { RepositoryName } from './repository-name.ts'
import type { CommandRooms } from './rooms.ts'

/** A pack's finding without what only packs have, and with what only content has. */
export interface StoreFinding extends Pick<Finding, 'severity' | 'message' | 'advice' | 'key'> {
  readonly code: ContentFinding['code'] | LfsFinding['code'] | KeptFinding['code']
  readonly network: null
  readonly pack: null
  /** Id of the segment's row. */
  readonly segment: number | null
  readonly objects: readonly []
  readonly objectCount: 0
  readonly dependents: Finding['dependents'] & {
    readonly contents: readonly string[]
    readonly contentCount: number
    /** The first twenty. */
    readonly lfsObjects: readonly { readonly repository: string; readonly oid: string }[]
    readonly lfsObjectCount: number
  }
}

export interface ContentSummary extends StoreCheck {
  readonly errors: number
  readonly warnings: number
}

export interface ContentCheckOptions {
  /** Only what LFS objects of its network rest on. */
  readonly repository?: RepositoryName
  readonly signal: AbortSignal
  readonly progress: (phase: string, done: number, total: number) => void
  readonly report: (found: StoreFinding) => void
}

/** @throws UnavailableError; the signal's reason */
export async function checkContent(
  config: Config,
  rooms: CommandRooms & { log: Log },
  options: ContentCheckOptions,
): Promise<ContentSummary> {
  const { db, git, log } = rooms
  const { repository, signal, progress } = options
  const counts = { errors: 0, warnings: 0 }
  const report = (found: StoreFinding): void => {
    counts[found.severity === 'error' ? 'errors' : 'warnings']++
    options.report(found)
  }
  const ids = repository && (await networkOf(rooms, repository))
  const store = makeStore({ ...config, cache: { ...config.cache, diskBytes: 0 } }, { db, bucket: git.options.bucket, log })
  try {
    const checked = await store.check({
      ...(ids ? { heldBy: { kind: lfsReferences, ids: ids.map(String) } } : {}),
      threads: Math.max(1, config.workers.count),
      signal,
      progress,
      report: async (found) => report(await namedFinding(rooms, found)),
    })
    for await (const found of checkObjects(db.queries, ids)) report(lfsFinding(found))
    if (ids) return { ...checked, ...counts }
    for (const keeping of keepingsOf(packageFormats)) for await (const found of keeping.check(db.queries)) report(keptFinding(found))
    return { ...checked, ...counts }
  } finally {
    await store.close()
  }
}

/** Ids of the repositories of its network. */
async function networkOf({ db }: CommandRooms, { owner, name }: RepositoryName): Promise<number[]> {
  const { rows } = await sql<{ id: number }>`
    select id::float8 as id from repository where network_id = (select r.network_id from repository r join account a on a.id = r.owner_id
      where lower(a.login) = ${owner.toLowerCase()} and lower(r.name) = ${name.toLowerCase()})`.execute(db.queries)
  return rows.map(({ id }) => id)
}

async function namedFinding({ db }: CommandRooms, found: ContentFinding): Promise<StoreFinding> {
  const { severity, code, message, advice, key, segment, contents, contentCount, references, referenceCount } = found
  const held = references.filter(({ kind }) => kind === lfsReferences)
  const { rows } = await sql<{ id: string; name: string }>`
    select r.id::text as id, a.login || '/' || r.name as name from repository r join account a on a.id = r.owner_id
    where r.id = any(${held.map(({ id }) => id)}::bigint[])`.execute(db.queries)
  const names = new Map(rows.map(({ id, name }) => [id, name]))
  const lfsObjects = held.flatMap(({ id, digest }) => {
    const name = names.get(id)
    return name === undefined ? [] : [{ repository: name, oid: digest }]
  })
  const lfsObjectCount = lfsObjects.length + Math.max(0, referenceCount - references.length)
  const dependents = { repositories: namesIn(lfsObjects), refs: [], refCount: 0, contents, contentCount, lfsObjects, lfsObjectCount }
  return { severity, code, message, advice, key, network: null, pack: null, segment, objects: [], objectCount: 0, dependents }
}

function lfsFinding({ severity, code, message, advice, repository, oid }: LfsFinding): StoreFinding {
  const lfsObjects = [{ repository, oid }]
  const dependents = { repositories: [repository], refs: [], refCount: 0, contents: [oid], contentCount: 1, lfsObjects, lfsObjectCount: 1 }
  return { severity, code, message, advice, key: null, network: null, pack: null, segment: null, objects: [], objectCount: 0, dependents }
}

function keptFinding({ severity, code, message, advice, content }: KeptFinding): StoreFinding {
  const dependents = { repositories: [], refs: [], refCount: 0, contents: [content], contentCount: 1, lfsObjects: [], lfsObjectCount: 0 }
  return { severity, code, message, advice, key: null, network: null, pack: null, segment: null, objects: [], objectCount: 0, dependents }
}

function namesIn(objects: StoreFinding['dependents']['lfsObjects']): string[] {
  return [...new Set(objects.map(({ repository }) => repository))]
}

/** For people. */
export function contentLine({ severity, code, key, segment, message, dependents, advice }: StoreFinding): string {
  const place = key ?? (segment === null ? '-' : `segment ${segment}, in PostgreSQL`)
  const { contentCount, lfsObjects, lfsObjectCount } = dependents
  const named = lfsObjects.slice(0, 3).map(({ repository, oid }) => `${repository} LFS object ${oid}`)
  const more = lfsObjectCount > named.length ? ` and ${lfsObjectCount - named.length} more` : ''
  const contents = contentCount > 0 && lfsObjectCount !== contentCount ? ` (${contentCount} contents)` : ''
  const needed = named.length > 0 ? `; needed by ${named.join(', ')}${more}` : ''
  return `${severity}\t${code}\t${place}\t${message}${contents}${needed}; to do: ${advice}`
}
