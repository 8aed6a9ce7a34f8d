// One repository imported: made where it is missing, brought in step with its origin, verified, and noted, so that the same import started
// again passes over what is complete. A row in `import` says which refs_version the import made: what is newer is somebody else's work, and an
// import does not undo that.
import {
  type AccountId,
  audit,
  createRepository,
  findRepository,
  fullName,
  operator,
  type Repository,
  type Visibility,
} from '../../access/index.ts'
import { sql } from '../../db/index.ts'
import { bring, type ImportParts, isInStep, verifyStored } from './bring.ts'
import { type ImportProgress, refuseImport, type Origin, type OriginState } from './origin.ts'

export interface ImportTarget {
  readonly ownerId: AccountId
  readonly ownerLogin: string
  readonly name: string
  /** Of a repository that is made. */
  readonly visibility: Visibility
}

export interface ImportOptions {
  readonly target: ImportTarget
  readonly origin: Origin
  /** False: objects are only read for what they refer to, not judged by fsck. */
  readonly isStrict: boolean
  readonly progress: ImportProgress
  readonly signal: AbortSignal
}

export interface ImportResult {
  /** `present`: a former import had completed it, and the origin has changed nothing since. */
  readonly outcome: 'imported' | 'updated' | 'verified' | 'present'
  readonly refs: number
  /** Objects that the refs reach, each of which was found. */
  readonly objects: number
  /** Bytes of the pack that came. */
  readonly packBytes: number
  /** Refs whose names no server keeps. */
  readonly refsLeftOut: readonly string[]
  /** Objects that no ref reaches and that were left behind; null: it isn't known. */
  readonly objectsLeftOut: number | null
}

/** @throws what `bring` and `verifyStored` throw; InputError `import-occupied` when the repository holds something else. */
export async function importRepository(parts: ImportParts, options: ImportOptions): Promise<ImportResult> {
  const { origin, target } = options
  const state = await origin.readState()
  const found = await findRepository(parts.db.queries, target.ownerLogin, target.name)
  const note = found === null ? null : await readNote(parts, found.id)
  const refs = found === null ? null : await parts.refs.read(found.id)
  const isUnchanged = note !== null && refs !== null && note.refs_version === refs.version
  if (refs !== null && !isUnchanged && refs.refs.length > 0 && !isInStep(refs, state)) throw occupied(target, note?.imported_at ?? null)
  const inStep = refs !== null && found?.objectFormat === state.format && isInStep(refs, state)
  const unkept = { refs: state.refs.length, refsLeftOut: state.leftOut, objectsLeftOut: null }
  if (inStep && isUnchanged && note.verified_at !== null) {
    return { outcome: 'present', ...unkept, objects: note.object_count ?? 0, packBytes: 0 }
  }
  const repository = found ?? (await create(parts, target, state))
  const { id: repositoryId, networkId } = repository
  const work = { repositoryId, networkId, origin, progress: options.progress, signal: options.signal }
  const brought = await bring(parts, { ...work, state, isMeant: () => true, reason: 'import', isStrict: options.isStrict })
  const now = await parts.refs.read(repositoryId)
  if (!isInStep(now, state)) throw refuseImport('import-raced', 'its refs were moved by somebody else meanwhile')
  await writeNote(parts, repository, origin.label, now.version)
  const counts = await verifyStored(parts, work)
  await parts.db.queries
    .updateTable('import')
    .set({ verified_at: sql<Date>`now()`, object_count: counts.objects })
    .where('repository_id', '=', repositoryId)
    .execute()
  const outcome =
    refs === null || refs.refs.length === 0 ? 'imported' : brought.created + brought.updated + brought.deleted > 0 ? 'updated' : 'verified'
  return { outcome, ...unkept, objects: counts.objects, packBytes: brought.packBytes, objectsLeftOut: brought.leftOut }
}

async function create(parts: ImportParts, target: ImportTarget, state: OriginState): Promise<Repository> {
  return createRepository(parts.db, {
    ownerId: target.ownerId,
    name: target.name,
    visibility: target.visibility,
    objectFormat: state.format,
    ...(state.head === null ? {} : { head: state.head }),
  })
}

async function readNote({ db }: ImportParts, repositoryId: number) {
  return (await db.queries.selectFrom('import').selectAll().where('repository_id', '=', repositoryId).executeTakeFirst()) ?? null
}

async function writeNote({ db }: ImportParts, repository: Repository, origin: string, refsVersion: number): Promise<void> {
  const note = { source: origin, refs_version: refsVersion, object_count: null, verified_at: null, imported_at: sql<Date>`now()` }
  const { id: repositoryId, ownerId } = repository
  await db.transaction(
    async (tx) => {
      await tx
        .insertInto('import')
        .values({ repository_id: repositoryId, ...note })
        .onConflict((conflict) => conflict.column('repository_id').doUpdateSet(note))
        .execute()
      const details = { source: origin }
      await audit(tx, operator, { action: 'repository.import', ownerId, repositoryId, target: fullName(repository), details })
    },
    { mayRetry: true },
  )
}

function occupied({ ownerLogin, name }: ImportTarget, importedAt: Date | null): Error {
  const why =
    importedAt === null
      ? 'it was not imported from there'
      : `it was pushed to since it was imported (${importedAt.toISOString().slice(0, 10)})`
  return refuseImport(
    'import-occupied',
    `${ownerLogin}/${name} exists and has other refs than the origin: ${why}. Choose another --name, or keep it in step with 'stemma mirror'`,
  )
}
