// Retention policies as they are kept: of a package, or of all packages of an owner that have none of their own.
import { type AccountId, audit, type PackageId } from '../../access/index.ts'
import { type Database, type Queries, sql } from '../../db/index.ts'
import { assertPolicy, type RetentionPolicy } from './retention-policy.ts'
import { assertRulable, atHome, columnsOf, type RuleAct, type RuleHome } from './tag-rules.ts'

export interface KeptPolicy {
  readonly policy: RetentionPolicy
  readonly updatedAt: Date
  /** When it is applied next. */
  readonly dueAt: Date
}

/** A new policy is applied so long after it was set: time to look at what it would do, and to think again. */
const graceHours = 24

/** Null: there is none. */
export async function readRetention(queries: Queries, home: RuleHome): Promise<KeptPolicy | null> {
  const { rows } = await sql<KeptPolicy>`
    select policy, updated_at as "updatedAt", due_at as "dueAt" from oci_retention where ${atHome(home)}`.execute(queries)
  return rows[0] ?? null
}

export interface HeldPolicy extends KeptPolicy {
  /** Whose it is. */
  readonly of: 'package' | 'owner'
}

/** What holds there: of a package its own policy, or its owner's. Null: nothing goes. */
export async function retentionAt(queries: Queries, home: RuleHome, ownerId: AccountId): Promise<HeldPolicy | null> {
  const own = await readRetention(queries, home)
  if (own !== null) return { ...own, of: 'packageId' in home ? 'package' : 'owner' }
  const owners = 'packageId' in home ? await readRetention(queries, { ownerId }) : null
  return owners && { ...owners, of: 'owner' }
}

/** InputError `retention-policy`, `tag-pattern`, `upstreams-package`. It is applied a day from now for the first time. */
export async function setRetention(db: Database, home: RuleHome, policy: RetentionPolicy, act: RuleAct): Promise<void> {
  assertPolicy(policy)
  await db.transaction(
    async (tx) => {
      await assertRulable(tx, home)
      const due_at = sql<Date>`now() + ${graceHours} * interval '1 hour'`
      await tx
        .insertInto('oci_retention')
        .values({ ...columnsOf(home), policy: JSON.stringify(policy), due_at })
        .onConflict((conflict) =>
          conflict
            .column('ownerId' in home ? 'owner_id' : 'package_id')
            .doUpdateSet({ policy: JSON.stringify(policy), due_at, updated_at: sql<Date>`now()` }),
        )
        .execute()
      await audit(tx, act.actor, { action: 'package.retention', ownerId: act.ownerId, target: act.target, details: { policy } })
    },
    { mayRetry: true },
  )
}

/** False: there was none. */
export async function clearRetention(db: Database, home: RuleHome, act: RuleAct): Promise<boolean> {
  return db.transaction(
    async (tx) => {
      const { numDeletedRows } = await tx.deleteFrom('oci_retention').where(atHome(home)).executeTakeFirst()
      if (numDeletedRows === 0n) return false
      await audit(tx, act.actor, { action: 'package.retention', ownerId: act.ownerId, target: act.target, details: { policy: null } })
      return true
    },
    { mayRetry: true },
  )
}

/** The policy that has been due longest; null: none is. */
export async function dueRetention(
  queries: Queries,
): Promise<{ readonly id: number; readonly home: RuleHome; readonly policy: RetentionPolicy } | null> {
  const { rows } = await sql<{ id: number; ownerId: AccountId | null; packageId: PackageId | null; policy: RetentionPolicy }>`
    select id, owner_id as "ownerId", package_id as "packageId", policy from oci_retention
    where due_at <= now() order by due_at limit 1`.execute(queries)
  const [row] = rows
  if (row === undefined) return null
  const { id, ownerId, packageId, policy } = row
  return { id, policy, home: ownerId === null ? { packageId: packageId as PackageId } : { ownerId } }
}

/** Packages that a policy is applied to, ascending, behind one of them. */
export async function packagesUnder(queries: Queries, home: RuleHome, after: number, limit: number): Promise<readonly PackageId[]> {
  const ids =
    'packageId' in home
      ? sql`id = ${home.packageId}`
      : sql`owner_id = ${home.ownerId} and not exists (select from oci_retention r where r.package_id = package.id)`
  const { rows } = await sql<{ id: PackageId }>`
    select id from package where ${ids} and format = 'oci' and id > ${after} order by id limit ${limit}`.execute(queries)
  return rows.map(({ id }) => id)
}
