// Which CI jobs may publish a package: rows, with the issuer that is to have signed what such a job shows.
import { type AccountId, type Actor, audit, auditedAs, type Package, type PackageId } from '../../access/index.ts'
import { InputError, type Randomness } from '../../base/index.ts'
import { type Database, type Queries, sql } from '../../db/index.ts'
import { formatClaims, type JobPattern, parseTrust, type TrustPermission, type TrustProvider, type WantedTrust } from '../format/trust.ts'

export interface Trust extends WantedTrust {
  readonly id: string
  readonly issuer: string
  readonly createdAt: Date
}

const mostOfPackage = 10

export async function listTrusts(queries: Queries, { id }: Pick<Package, 'id'>): Promise<Trust[]> {
  const rows = await queries.selectFrom('npm_trust').selectAll().where('package_id', '=', id).orderBy('created_at').orderBy('id').execute()
  return rows.map(trustOf)
}

interface TrustRow {
  readonly id: string
  readonly provider: string
  readonly issuer: string
  readonly claims: unknown
  readonly permissions: string[]
  readonly created_at: Date
}

function trustOf({ id, provider, issuer, claims, permissions, created_at: createdAt }: TrustRow): Trust {
  return { ...parseTrust({ type: provider, claims, permissions }), id, issuer, createdAt }
}

export interface TrustedPackage {
  readonly packageId: PackageId
  readonly name: string
  readonly ownerId: AccountId
  readonly ownerLogin: string
  readonly isSuspended: boolean
  readonly trust: Trust
}

/** Every trust of packages of that name. @param owner null: of whichever owner: the address that clients ask names none */
export async function trustsOfName(queries: Queries, name: string, owner: string | null): Promise<TrustedPackage[]> {
  const rows = await queries
    .selectFrom('npm_trust')
    .innerJoin('package', 'package.id', 'npm_trust.package_id')
    .innerJoin('account', 'account.id', 'package.owner_id')
    .select(['npm_trust.id', 'provider', 'issuer', 'claims', 'permissions', 'npm_trust.created_at'])
    .select(['package.id as package_id', 'package.name', 'account.id as owner_id', 'account.login', 'account.suspended_at'])
    .where('package.format', '=', 'npm')
    .where(sql<boolean>`lower(package.name) = ${name.toLowerCase()}`)
    .$if(owner !== null, (query) => query.where(sql<boolean>`lower(account.login) = ${(owner ?? '').toLowerCase()}`))
    .orderBy('npm_trust.created_at')
    .orderBy('npm_trust.id')
    .limit(200)
    .execute()
  return rows.map((row) => ({
    packageId: row.package_id as PackageId,
    name: row.name,
    ownerId: row.owner_id as AccountId,
    ownerLogin: row.login,
    isSuspended: row.suspended_at !== null,
    trust: trustOf(row),
  }))
}

/** InputError `bad-trust`, `too-many-trusts`. @param issuers whose id-tokens the operator lets be trusted */
export async function createTrust(
  parts: { readonly db: Database; readonly randomness: Randomness },
  one: Package,
  { job, permissions }: WantedTrust,
  { issuers, actor }: { readonly issuers: readonly string[]; readonly actor: Actor },
): Promise<Trust> {
  const issuer = issuerOf(job.provider, issuers)
  const [id, claims] = [parts.randomness.uuid(), formatClaims(job)]
  return parts.db.transaction(async (tx) => {
    // one after the other: so many, and no more
    await tx.selectFrom('package').select('id').where('id', '=', one.id).forUpdate().executeTakeFirst()
    if ((await listTrusts(tx, one)).length >= mostOfPackage)
      throw new InputError('too-many-trusts', `A package trusts at most ${mostOfPackage} kinds of jobs: revoke one first`)
    const values = { id, package_id: one.id, provider: job.provider, issuer, claims: JSON.stringify(claims), permissions: [...permissions] }
    const made = tx.insertInto('npm_trust').values({ ...values, created_by: actor.accountId })
    const { created_at: createdAt } = await made.returning('created_at').executeTakeFirstOrThrow()
    await audit(tx, actor, { ...auditedAs(one), action: 'npm-trust.create', details: { id, issuer, claims, permissions } })
    return { id, issuer, job, permissions, createdAt }
  })
}

/** False: the package has no such trust. What tokens it led to goes with their time, which is short. */
export async function deleteTrust(db: Database, one: Package, id: string, actor: Actor): Promise<boolean> {
  return db.transaction(async (tx) => {
    const gone = await tx
      .deleteFrom('npm_trust')
      .where(sql<boolean>`id::text = ${id.toLowerCase()}`)
      .where('package_id', '=', one.id)
      .returning('claims')
      .executeTakeFirst()
    if (gone === undefined) return false
    await audit(tx, actor, { ...auditedAs(one), action: 'npm-trust.delete', details: { id, claims: gone.claims } })
    return true
  })
}

const ofGithub = (issuer: string) => /actions\.githubusercontent\.com|\/_services\/token/.test(issuer)

/** Clients name a kind of provider; whose signatures are meant is the operator's word (`ci.issuers`). */
function issuerOf(provider: TrustProvider, issuers: readonly string[]): string {
  const fitting = issuers.filter((issuer) => ofGithub(issuer) === (provider === 'github'))
  const [issuer] = fitting.length > 0 ? fitting : issuers.length === 1 ? issuers : []
  if (issuer !== undefined) return issuer
  throw new InputError('bad-trust', `This can not be trusted: this server knows no issuer of ${provider}’s id-tokens (ci.issuers)`)
}

/** As npm's clients show it. */
export function trustJson({
  id,
  job,
  permissions,
  createdAt,
}: {
  readonly id: string
  readonly job: JobPattern
  readonly permissions: readonly TrustPermission[]
  readonly createdAt: Date
}) {
  return { id, type: job.provider, claims: formatClaims(job), permissions, created: createdAt.toISOString() }
}
