// Packages made and changed. What happens is told in the outbox and in the audit, in the same transaction. What a package holds is its format's room's business.
import { InputError, UnavailableError } from '../base/index.ts'
import { type Database, fixedQuery, type Queries, type RawBuilder, sql, type Tx } from '../db/index.ts'
import { type Actor, audit } from './audit.ts'
import type { AuditAction } from './audit-actions.ts'
import type { PackageId, RepositoryId } from './identity.ts'
import type { Visibility } from './may.ts'
import { findPackage, findPackageById, type Package, packageFullName, packageOf, type PackageRow } from './package-rows.ts'
import type { PackageToCreate } from './package-call.ts'

/** Two first pushes at once: one makes the package, the other finds it. The name is what its format takes: that is the caller's business. */
export async function createOrFindPackage(db: Database, wanted: PackageToCreate, actor: Actor): Promise<Package> {
  return createOrFindPackageIn(db.queries, wanted, actor)
}

/** The same in the caller's transaction, or outside of any. Whoever makes the same at the same time is waited for. */
export async function createOrFindPackageIn(queries: Queries, wanted: PackageToCreate, actor: Actor, tries = 5): Promise<Package> {
  const { ownerLogin: owner, format, name } = wanted
  const [row] = await insertPackage(queries, ...packageMadeOf(wanted, actor))
  const found = row === undefined ? await findPackage(queries, { format, owner, name }) : packageOf(row)
  if (found !== null) return found
  // deleted between the two: the name is free again
  if (tries === 1) throw new UnavailableError('package-changing', `the package ${owner}/${name} is made and deleted all the time`)
  return await createOrFindPackageIn(queries, wanted, actor, tries - 1)
}

export type PackageMade = readonly [
  ownerId: number,
  format: string,
  name: string,
  visibility: string,
  repositoryId: number | null,
  actorId: number | null,
  actor: string,
  target: string,
  details: string,
  ip: string | null,
  requestId: string | null,
  facts: string,
]

/** The package, its row of the audit, and what is told of it: one statement, for many first pushes make one. No row where there is one of that name. */
const insertPackage = fixedQuery<PackageMade, PackageRow>((queries, ...parameters) => {
  const statement = sql<PackageRow>`
    with ${packageMade(parameters, sql`(select) as always`)}
    select package.id as package_id, package.owner_id, package.format, package.name, package.visibility, package.repository_id, package.is_link_set,
      package.upstream_id, package.created_at, package.updated_at, account.login, account.kind, null as caller_role
    from package_made as package join account on account.id = package.owner_id`
  return { compile: () => statement.compile(queries) }
})

/** What `packageMade` needs, in its order. */
export function packageMadeOf(wanted: PackageToCreate, actor: Actor): PackageMade {
  const { ownerId, ownerLogin: owner, format, name, repositoryId, visibility } = wanted
  return [
    ownerId,
    format,
    name,
    visibility,
    repositoryId,
    actor.accountId,
    actor.name,
    targetOf({ format, ownerLogin: owner, name }),
    JSON.stringify({ visibility }),
    actor.ip ?? null,
    actor.requestId ?? null,
    JSON.stringify({ account: actor.accountId, actor: actor.name, format, owner, ownerId, name, visibility }),
  ]
}

/**
 * Of a statement that makes a package among other things: the parts that make it, `package_made` and two more. No row in it where there is one of that name: whoever
 * makes it at the same time is waited for.
 * @param guard a row of what stands behind `from` there, or none: then nothing is made
 */
export function packageMade(
  [ownerId, format, name, visibility, repositoryId, actorId, actor, target, details, ip, requestId, facts]: PackageMade,
  guard: RawBuilder<unknown>,
): RawBuilder<unknown> {
  const action: AuditAction = 'package.create'
  return sql`
      package_made as (
        insert into package (owner_id, format, name, visibility, repository_id)
        select ${ownerId}::bigint, ${format}::text, ${name}::text, ${visibility}::text, ${repositoryId}::bigint from ${guard}
        on conflict (owner_id, format, lower(name)) do nothing returning *),
      package_audited as (
        insert into audit (action, actor_id, actor, owner_id, repository_id, target, details, ip, request_id)
        select ${action}::text, ${actorId}::bigint, ${actor}::text, owner_id, repository_id, ${target}::text, ${details}::jsonb, ${ip}::text, ${requestId}::text
        from package_made),
      package_told as (
        insert into outbox (kind, repository_id, payload)
        select 'package.created', repository_id, ${facts}::jsonb || jsonb_build_object('packageId', id) from package_made returning id)`
}

export interface PackageChange {
  readonly visibility?: Visibility
  /** Of the same owner; null: linked to none. Nothing that is published changes it afterwards. */
  readonly repositoryId?: RepositoryId | null
}

/** Null when it is gone. InputError `not-of-owner` when the repository has another owner, `upstreams-package`. */
export async function changePackage(db: Database, id: PackageId, change: PackageChange, actor: Actor): Promise<Package | null> {
  return db.transaction(
    async (tx) => {
      // locked first: what it was is what the one before has left
      await tx.selectFrom('package').select('id').where('id', '=', id).forUpdate().executeTakeFirst()
      const before = await findPackageById(tx, id)
      if (before === null) return null
      assertOwners(before)
      const { visibility, repositoryId } = change
      if (repositoryId !== undefined && repositoryId !== null) await assertSameOwner(tx, before, repositoryId)
      await tx
        .updateTable('package')
        .set({
          ...(visibility === undefined ? {} : { visibility }),
          ...(repositoryId === undefined ? {} : { repository_id: repositoryId, is_link_set: true }),
          updated_at: sql<Date>`now()`,
        })
        .where('id', '=', id)
        .execute()
      const after = (await findPackageById(tx, id)) as Package
      const details = { ...change, oldVisibility: before.visibility, oldRepositoryId: before.repositoryId }
      await audit(tx, actor, { ...auditedAs(after), action: 'package.change', details })
      await tellOfPackage(tx, 'package.updated', after, actor, { visibility: after.visibility, oldVisibility: before.visibility })
      return after
    },
    { mayRetry: true },
  )
}

/**
 * Takes the row away, and with it all that its format's room has of it. False when it is gone already. What an image of a hundred thousand layers holds had better
 * be taken away before, in steps: that is the room's business.
 */
export async function deletePackage(db: Database, id: PackageId, actor: Actor): Promise<boolean> {
  return db.transaction((tx) => deletePackageIn(tx, id, actor), { mayRetry: true })
}

/** The same in the caller's transaction. */
export async function deletePackageIn(tx: Tx, id: PackageId, actor: Actor): Promise<boolean> {
  const before = await findPackageById(tx, id)
  const { numDeletedRows } = await tx.deleteFrom('package').where('id', '=', id).executeTakeFirstOrThrow()
  if (before === null || numDeletedRows === 0n) return false
  const { visibility } = before
  await audit(tx, actor, { ...auditedAs(before), action: 'package.delete', details: { visibility } })
  await tellOfPackage(tx, 'package.deleted', before, actor, { visibility })
  return true
}

/** InputError `upstreams-package`: who sees it, and what is kept of it, is said of the upstream. */
export function assertOwners(one: Package): void {
  if (one.upstreamId === null) return
  const message = `${packageFullName(one)} comes from an upstream: who sees it, and how long it is kept, is said of the upstream (stemma upstream)`
  throw new InputError('upstreams-package', message)
}

async function assertSameOwner(tx: Tx, { ownerId }: Package, repositoryId: RepositoryId): Promise<void> {
  const row = await tx.selectFrom('repository').select('owner_id').where('id', '=', repositoryId).executeTakeFirst()
  if (row?.owner_id === ownerId) return
  throw new InputError('not-of-owner', 'A package can be linked only to a repository of the same owner')
}

/**
 * Links a package to the repository that what is published says it comes from, where nobody has said otherwise and it has no link yet; whether it did. The caller
 * has seen to it that the actor may.
 */
export async function linkPackage(db: Database, id: PackageId, repositoryId: RepositoryId, actor: Actor): Promise<boolean> {
  return db.transaction(
    async (tx) => {
      const linked = await tx
        .updateTable('package')
        .set({ repository_id: repositoryId, updated_at: sql<Date>`now()` })
        .where('id', '=', id)
        .where('repository_id', 'is', null)
        .where('is_link_set', '=', false)
        .returning('id')
        .executeTakeFirst()
      const one = linked === undefined ? null : await findPackageById(tx, id)
      if (one === null) return false
      await assertSameOwner(tx, one, repositoryId)
      const details = { repositoryId, by: 'what was published' }
      await audit(tx, actor, { ...auditedAs(one), action: 'package.change', details })
      await tellOfPackage(tx, 'package.updated', one, actor, { visibility: one.visibility })
      return true
    },
    { mayRetry: true },
  )
}

/** As the audit names it. */
export function targetOf(one: Pick<Package, 'format' | 'ownerLogin' | 'name'>): string {
  return `${one.format} ${packageFullName(one)}`
}

/** Whose audit what happens to a package stands in, and under which name. */
export function auditedAs(one: Package) {
  return { ownerId: one.ownerId, repositoryId: one.repositoryId, target: targetOf(one) }
}

/** What every `package.…` row of the outbox says: which package it is about, and who acted. */
export function packageFacts(one: Package, actor: Actor) {
  const { id, format, name, ownerId, ownerLogin: owner } = one
  return { account: actor.accountId, actor: actor.name, packageId: id, format, owner, ownerId, name }
}

/** A row for the rooms above, in the transaction of the act. */
export async function tellOfPackage(
  tx: Tx,
  kind: `package.${string}`,
  one: Package,
  actor: Actor,
  payload: Readonly<Record<string, string | number | null>> = {},
): Promise<void> {
  await tx
    .insertInto('outbox')
    .values({ kind, repository_id: one.repositoryId, payload: JSON.stringify({ ...packageFacts(one, actor), ...payload }) })
    .execute()
}
