// Which CI jobs a repository trusts: rows that name an issuer and patterns of claims (docs/design/sign-in.md).
import {
  type Actor,
  audit,
  fullName,
  type Grant,
  homeScopes,
  parseScopes,
  type Repository,
  type RepositoryId,
  type Scope,
} from '../access/index.ts'
import { InputError } from '../base/index.ts'
import { type Database, type Queries, sqlState } from '../db/index.ts'

export interface CiTrust {
  readonly id: number
  readonly name: string
  readonly issuer: string
  /** Claim → pattern; `*` stands for any characters. */
  readonly claims: Readonly<Record<string, string>>
  readonly scopes: readonly Scope[]
  readonly lifetimeSeconds: number
  readonly createdAt: Date
}

export interface NewCiTrust {
  readonly name: string
  readonly issuer: string
  readonly claims: Readonly<Record<string, string>>
  readonly scopes: readonly string[]
  readonly lifetimeSeconds: number
}

/** Of these one must be named: without it any job of the provider would be trusted. */
const identifying = ['repository', 'project_path', 'sub'] as const

export async function listCiTrusts(queries: Queries, repositoryId: RepositoryId): Promise<CiTrust[]> {
  const rows = await queries.selectFrom('ci_trust').selectAll().where('repository_id', '=', repositoryId).orderBy('name').execute()
  return rows.map((row) => ({
    id: row.id,
    name: row.name,
    issuer: row.issuer,
    claims: row.claims as Record<string, string>,
    scopes: row.scopes as Scope[],
    lifetimeSeconds: row.lifetime_s,
    createdAt: row.created_at,
  }))
}

/** InputError `bad-trust`, `bad-scope`, `trust-exists`. @param issuers that the operator lets trusts name */
export async function createCiTrust(
  db: Database,
  repository: Repository,
  wanted: NewCiTrust,
  { issuers, actor }: { readonly issuers: readonly string[]; readonly actor: Actor },
): Promise<CiTrust> {
  const scopes = assertTrust(wanted, issuers)
  const { name, issuer, claims, lifetimeSeconds } = wanted
  return db.transaction(async (tx) => {
    const { id } = await tx
      .insertInto('ci_trust')
      .values({
        repository_id: repository.id,
        name,
        issuer,
        claims: JSON.stringify(claims),
        scopes,
        lifetime_s: lifetimeSeconds,
        created_by: actor.accountId,
      })
      .returning('id')
      .executeTakeFirstOrThrow()
      .catch((error: unknown) => {
        if (sqlState(error) !== '23505') throw error
        throw new InputError('trust-exists', `There is a trust named '${name}' already`, { cause: error })
      })
    await audit(tx, actor, {
      action: 'ci-trust.create',
      ownerId: repository.ownerId,
      repositoryId: repository.id,
      target: fullName(repository),
      details: { name, issuer, claims, scopes },
    })
    const made = (await listCiTrusts(tx, repository.id)).find((trust) => trust.id === id)
    if (made === undefined) throw new Error('a row that was inserted is not there')
    return made
  })
}

/** False: the repository has no such trust. Tokens that it led to end with their time. */
export async function deleteCiTrust(db: Database, repository: Repository, id: number, actor: Actor): Promise<boolean> {
  return db.transaction(async (tx) => {
    const gone = await tx
      .deleteFrom('ci_trust')
      .where('id', '=', id)
      .where('repository_id', '=', repository.id)
      .returning('name')
      .executeTakeFirst()
    if (gone === undefined) return false
    const target = fullName(repository)
    await audit(tx, actor, {
      action: 'ci-trust.delete',
      ownerId: repository.ownerId,
      repositoryId: repository.id,
      target,
      details: { name: gone.name },
    })
    return true
  })
}

function assertTrust({ name, issuer, claims, scopes: words, lifetimeSeconds }: NewCiTrust, issuers: readonly string[]): Scope[] {
  const refuse = (message: string): never => {
    throw new InputError('bad-trust', message)
  }
  if (!/^[^\p{Cc}\p{Cs}]{1,100}$/u.test(name) || name.trim() === '') refuse('A trust’s name is one line of 1 to 100 characters')
  if (!issuers.includes(issuer))
    refuse(`The issuer must be one of those that this server knows: ${issuers.join(', ') || 'none (ci.issuers)'}`)
  const entries = Object.entries(claims)
  if (entries.length > 20 || entries.some(([claim, pattern]) => claim.length > 100 || pattern.length > 500 || pattern === '')) {
    refuse('At most 20 claims, each with a pattern of 1 to 500 characters')
  }
  if (entries.flat().some((text) => /[\p{Cc}\p{Cs}]/u.test(text))) refuse('A claim and its pattern hold no control characters')
  const who = identifying.map((claim) => claims[claim]).find((pattern) => pattern !== undefined)
  if (who === undefined)
    refuse(`One of the claims ${identifying.join(', ')} must be among them: without it any job of that provider would be trusted`)
  // `sub` of GitHub is repo:OWNER/NAME:…
  else if ((who.replace(/^[a-z_]+:/, '').split('/')[0] ?? '*').includes('*') || !who.includes('/')) {
    refuse('The pattern must name the owner without a wildcard: OWNER/NAME')
  }
  const scopes = parseScopes(words)
  if (scopes.length === 0 || scopes.some((scope) => !(homeScopes as readonly Scope[]).includes(scope)))
    refuse(`The scopes of a job are among ${homeScopes.join(', ')}`)
  if (!Number.isInteger(lifetimeSeconds) || lifetimeSeconds < 60 || lifetimeSeconds > 3600)
    refuse('A token of a job lives 60 to 3600 seconds')
  return scopes
}

/** Whether a job with these claims is meant. */
export function matchesTrust({ claims: patterns }: Pick<CiTrust, 'claims'>, claims: Readonly<Record<string, unknown>>): boolean {
  const entries = Object.entries(patterns)
  return entries.length > 0 && entries.every(([claim, pattern]) => matchesPattern(pattern, claims[claim]))
}

function matchesPattern(pattern: string, value: unknown): boolean {
  if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') return false
  // by parts instead of a regular expression: it comes from outside, and must not take long
  const text = String(value)
  const parts = pattern.split('*')
  const [first = '', ...rest] = parts
  if (rest.length === 0) return text === pattern
  const last = rest.pop() ?? ''
  if (!text.startsWith(first) || text.length < first.length + last.length || !text.endsWith(last)) return false
  let at = first.length
  for (const part of rest) {
    const found = text.indexOf(part, at)
    if (found < 0) return false
    at = found + part.length
  }
  return at <= text.length - last.length
}

/** What a token of such a job may do. */
export function grantOf({ scopes }: CiTrust, repositoryId: RepositoryId): Grant {
  return { scopes, ownerIds: null, repositoryIds: [repositoryId] }
}
