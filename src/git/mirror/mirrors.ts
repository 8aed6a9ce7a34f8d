// Mirrors' rows. A run takes a mirror by writing a lease, so that a command and the server's background work never do the same at once.
// Times are the database's.
import { type Actor, audit, findRepository, fullName, operator, type Repository } from '../../access/index.ts'
import { InputError, isSealed, type Sealer } from '../../base/index.ts'
import { type Database, type Queries, sql, sqlState } from '../../db/index.ts'
import type { RemoteUrl } from '../remote/index.ts'

export type Direction = 'pull' | 'push'

/** A mirror; what it is signed in with is sealed, until `openMirror`. */
export interface Mirror {
  readonly id: number
  readonly repository: Repository
  readonly direction: Direction
  readonly remote: RemoteUrl
  readonly refs: readonly string[]
  readonly everyS: number
  readonly failures: number
}

/** For people: nothing secret in it. */
export interface MirrorFacts {
  readonly repository: string
  readonly direction: Direction
  readonly url: string
  readonly hasSecret: boolean
  readonly refs: readonly string[]
  readonly everyS: number
  readonly dueAt: Date
  readonly isRunning: boolean
  readonly endedAt: Date | null
  readonly succeededAt: Date | null
  readonly failures: number
  readonly error: string | null
}

export interface NewMirror {
  readonly repository: Repository
  readonly direction: Direction
  readonly remote: RemoteUrl
  readonly refs: readonly string[]
  readonly everyS: number
}

/** After a failure it is tried again soon, then ever later. */
const firstRetryS = 60
const longestRetryS = 6 * 3600
const longestErrorChars = 500
/** What secrets are sealed for. */
const purpose = 'mirror'

/** Due at once. InputError `mirror-exists`, or `mirror-two-pulls`: a repository can follow one other alone. */
export async function addMirror(db: Database, sealer: Sealer, mirror: NewMirror, actor: Actor = operator): Promise<void> {
  const { repository, direction, remote, refs, everyS } = mirror
  const { id: repositoryId } = repository
  const secret = remote.authorization === null ? null : sealer.seal(remote.authorization, purpose)
  try {
    await db.transaction(async (tx) => {
      await tx.selectFrom('repository').select('id').where('id', '=', repositoryId).forUpdate().executeTakeFirstOrThrow()
      if (direction === 'pull') await assertOnlyPull(tx, repositoryId)
      await tx
        .insertInto('mirror')
        .values({ repository_id: repositoryId, direction, url: remote.url, secret, refs: [...refs], every_s: everyS })
        .execute()
      const details = { direction, url: remote.url, refs }
      await audit(tx, actor, { action: 'mirror.add', ...entryOf(repository), details })
    })
  } catch (error) {
    if (sqlState(error) !== '23505') throw error
    throw new InputError('mirror-exists', `there is such a mirror already; remove it first to change it`, { cause: error })
  }
}

/** The mirror with what it is signed in with. @throws as `Sealer.open` */
export function openMirror(mirror: Mirror, sealer: Sealer): Mirror {
  const { authorization, url } = mirror.remote
  if (authorization === null || !isSealed(authorization)) return mirror
  return { ...mirror, remote: { url, authorization: sealer.open(authorization, purpose) } }
}

/** Seals what older servers left as it is. */
export async function sealMirrors(db: Database, sealer: Sealer): Promise<void> {
  const rows = await db.queries.selectFrom('mirror').select(['id', 'secret']).where('secret', 'is not', null).execute()
  for (const { id, secret } of rows) {
    if (secret === null || isSealed(secret)) continue
    const sealed = sealer.seal(secret, purpose)
    await db.queries.updateTable('mirror').set({ secret: sealed }).where('id', '=', id).where('secret', '=', secret).execute()
  }
}

async function assertOnlyPull(queries: Queries, repositoryId: number): Promise<void> {
  const other = await queries
    .selectFrom('mirror')
    .select('url')
    .where('repository_id', '=', repositoryId)
    .where('direction', '=', 'pull')
    .executeTakeFirst()
  if (other) throw new InputError('mirror-two-pulls', `the repository follows ${other.url} already; remove that mirror first`)
}

/** Removes a repository's mirrors (to that URL); returns how many. */
export async function removeMirrors(db: Database, repository: Repository, url: string | null, actor: Actor = operator): Promise<number> {
  return db.transaction(async (tx) => {
    let query = tx.deleteFrom('mirror').where('repository_id', '=', repository.id)
    if (url !== null) query = query.where('url', '=', url)
    const gone = await query.returning(['direction', 'url']).execute()
    for (const details of gone) await audit(tx, actor, { action: 'mirror.remove', ...entryOf(repository), details })
    return gone.length
  })
}

function entryOf(repository: Repository) {
  return { ownerId: repository.ownerId, repositoryId: repository.id, target: fullName(repository) }
}

export async function listMirrors(queries: Queries): Promise<MirrorFacts[]> {
  const rows = await queries
    .selectFrom('mirror')
    .innerJoin('repository', 'repository.id', 'mirror.repository_id')
    .innerJoin('account', 'account.id', 'repository.owner_id')
    .selectAll('mirror')
    .select([
      'account.login',
      'repository.name',
      sql<boolean>`mirror.secret is not null`.as('has_secret'),
      sql<boolean>`coalesce(mirror.leased_until > now(), false)`.as('is_running'),
    ])
    .orderBy('account.login')
    .orderBy('repository.name')
    .orderBy('mirror.id')
    .execute()
  return rows.map((row) => ({
    repository: `${row.login}/${row.name}`,
    direction: row.direction as Direction,
    url: row.url,
    hasSecret: row.has_secret,
    refs: row.refs,
    everyS: row.every_s,
    dueAt: row.due_at,
    isRunning: row.is_running,
    endedAt: row.ended_at,
    succeededAt: row.succeeded_at,
    failures: row.failures,
    error: row.error,
  }))
}

/** Which mirrors a run is for: those that are due, or all of one repository (or of every one), due or not. */
export type MirrorChoice = { readonly due: true } | { readonly due: false; readonly repositoryId: number | null; readonly notAfter: Date }

/** SQL: whether `takeMirror` would find one that is due. */
export const isAnyDue = sql<boolean>`exists (select 1 from mirror where due_at <= now() and (leased_until is null or leased_until < now()))`

/** Takes the one that has waited longest; null when there is none to take. */
export async function takeMirror(db: Database, choice: MirrorChoice, holder: string, leaseMs: number): Promise<Mirror | null> {
  const chosen = choice.due
    ? sql`due_at <= now()`
    : sql`(ended_at is null or ended_at < ${choice.notAfter}) and (${choice.repositoryId}::bigint is null or repository_id = ${choice.repositoryId}::bigint)`
  const { rows } = await sql<{ id: number }>`
    update mirror set holder = ${holder}, leased_until = now() + ${leaseMs} * interval '1 millisecond'
    where id = (select id from mirror where ${chosen} and (leased_until is null or leased_until < now())
      order by due_at, id limit 1 for update skip locked)
    returning id`.execute(db.queries)
  const id = rows[0]?.id
  return id === undefined ? null : readMirror(db.queries, id)
}

async function readMirror(queries: Queries, id: number): Promise<Mirror | null> {
  const row = await queries
    .selectFrom('mirror')
    .innerJoin('repository', 'repository.id', 'mirror.repository_id')
    .innerJoin('account', 'account.id', 'repository.owner_id')
    .selectAll('mirror')
    .select(['account.login', 'repository.name'])
    .where('mirror.id', '=', id)
    .executeTakeFirst()
  const repository = row ? await findRepository(queries, row.login, row.name) : null
  if (!row || !repository) return null
  return {
    id,
    repository,
    direction: row.direction as Direction,
    remote: { url: row.url, authorization: row.secret },
    refs: row.refs,
    everyS: row.every_s,
    failures: row.failures,
  }
}

/** False when the lease is somebody else's by now, or the mirror was removed. */
export async function keepLease(queries: Queries, id: number, holder: string, leaseMs: number): Promise<boolean> {
  const { numUpdatedRows } = await queries
    .updateTable('mirror')
    .set({ leased_until: later(leaseMs / 1000) })
    .where('id', '=', id)
    .where('holder', '=', holder)
    .executeTakeFirst()
  return numUpdatedRows > 0n
}

/** Notes how a run ended. @param error null: well */
export async function endRun(queries: Queries, mirror: Mirror, holder: string, error: string | null): Promise<void> {
  const failures = error === null ? 0 : mirror.failures + 1
  await queries
    .updateTable('mirror')
    .set({
      holder: null,
      leased_until: null,
      ended_at: sql<Date>`now()`,
      failures,
      error: error?.slice(0, longestErrorChars) ?? null,
      due_at: later(error === null ? mirror.everyS : retryS(mirror.everyS, failures)),
      ...(error === null ? { succeeded_at: sql<Date>`now()` } : {}),
    })
    .where('id', '=', mirror.id)
    .where('holder', '=', holder)
    .execute()
}

/** Gives a mirror back as it was: the run was told to stop. */
export async function dropRun(queries: Queries, id: number, holder: string): Promise<void> {
  await queries.updateTable('mirror').set({ holder: null, leased_until: null }).where('id', '=', id).where('holder', '=', holder).execute()
}

/** A minute (or the mirror's own pause, when that is shorter), doubled with each failure, six hours at most. */
export function retryS(everyS: number, failures: number): number {
  return Math.min(Math.max(longestRetryS, everyS), Math.min(everyS, firstRetryS) * 2 ** Math.min(failures - 1, 20))
}

function later(seconds: number) {
  return sql<Date>`now() + ${Math.round(seconds * 1000)} * interval '1 millisecond'`
}
