// `stemma token`: access tokens, straight in the database.
import {
  fullName,
  type Grant,
  homeScopes,
  issueToken,
  listTokens,
  type NewToken,
  operator,
  parseScopes,
  revokeTokensNamed,
  type Scope,
  type TokenFacts,
} from '../access/index.ts'
import { InputError, systemClock, systemRandomness } from '../base/index.ts'
import { type Config, parseDuration } from '../config.ts'
import type { Database } from '../db/index.ts'
import { accountNamed } from './account-named.ts'
import { withDatabase } from './database.ts'
import { parseRepository, repositoryNamed } from './repository-name.ts'
import { quietLog } from './rooms.ts'
import { type Flags, needed, printDone, printRows, several, UsageError } from './usage.ts'

export async function runCreateToken(config: Config, given: Flags): Promise<void> {
  const repositories = several(given.repository)
  const isDeploy = given.account === undefined && repositories.length === 1
  if (given.account === undefined && !isDeploy) {
    throw new UsageError("'stemma token create' needs --account; or, for a token that is a repository's own, --repository OWNER/REPO alone")
  }
  const name = needed(given.name, 'token create', 'name')
  const lifetimeMs = given.expires === undefined ? null : parseDuration(given.expires)
  if (given.expires !== undefined && (lifetimeMs === null || lifetimeMs < 60_000))
    throw new UsageError(`--expires ${given.expires} is no duration of a minute or more; write 90d or 12h`)
  const expiresAt = lifetimeMs === null ? null : new Date(systemClock.now() + lifetimeMs)
  const secret = await withDatabase(config, quietLog(config), async (db) => {
    const wanted = isDeploy ? await deployToken(db, given, repositories[0] ?? '') : await personalToken(db, given, repositories)
    const token = { ...wanted, name, expiresAt, actor: operator }
    return (await db.transaction((tx) => issueToken(tx, token, systemRandomness))).secret
  })
  printDone(given.json === true, { name, token: secret, expiresAt }, secret)
}

type Wanted = Pick<NewToken, 'kind' | 'bearer' | 'grant'>

async function personalToken(db: Database, given: Flags, repositories: readonly string[]): Promise<Wanted> {
  const { id: accountId, login } = await accountNamed(db, given.account ?? '', 'user')
  const owners = several(given.owner === undefined ? [] : [given.owner])
  const isBound = owners.length + repositories.length > 0
  const words = several(given.scope)
  if (isBound && words.length === 0)
    throw new UsageError('--owner and --repository narrow what --scope gives: give one or more, as --scope repository:read')
  const grant: Grant = {
    scopes: parseScopes(words),
    ownerIds: owners.length === 0 ? null : (await Promise.all(owners.map((owner) => accountNamed(db, owner)))).map(({ id }) => id),
    repositoryIds:
      repositories.length === 0
        ? null
        : (await Promise.all(repositories.map((name) => repositoryNamed(db, parseRepository(name))))).map(({ id }) => id),
  }
  return { kind: 'personal', bearer: { kind: 'account', accountId, login }, grant: given.scope === undefined ? null : grant }
}

/** Nobody's: at home in one repository. */
async function deployToken(db: Database, given: Flags, name: string): Promise<Wanted> {
  const scopes = parseScopes(given.scope === undefined ? ['repository:read'] : several(given.scope))
  const other = scopes.find((scope) => !(homeScopes as readonly Scope[]).includes(scope))
  if (other !== undefined) throw new UsageError(`a repository's own token takes --scope ${homeScopes.join(', ')}, not ${other}`)
  const repository = await repositoryNamed(db, parseRepository(name))
  const { id: repositoryId, ownerId } = repository
  return {
    kind: 'deploy',
    bearer: { kind: 'repository', repositoryId, ownerId, fullName: fullName(repository) },
    grant: { scopes, ownerIds: null, repositoryIds: [repositoryId] },
  }
}

export async function runListTokens(config: Config, given: Flags): Promise<void> {
  const found = await withDatabase(config, quietLog(config), (db) => tokensOf(db, given))
  const heads = ['ACCOUNT', 'NAME', 'SCOPES', 'CREATED', 'EXPIRES', 'LAST USED']
  printRows(given.json === true, heads, found.map(tokenJson), (token) => [
    token.bearer,
    token.name,
    token.scopes === null ? 'all' : token.scopes.join(',') || 'none',
    day(token.createdAt),
    minute(token.expiresAt),
    day(token.lastUsedAt),
  ])
}

const oneBearer = '--account names one account, or --repository one repository'

async function tokensOf(db: Database, given: Flags): Promise<TokenFacts[]> {
  const [repository, ...more] = several(given.repository)
  if (more.length > 0 || (repository !== undefined && given.account !== undefined)) {
    throw new UsageError(oneBearer)
  }
  if (repository !== undefined) return listTokens(db.queries, { repositoryId: (await repositoryNamed(db, parseRepository(repository))).id })
  return listTokens(db.queries, given.account === undefined ? null : { account: (await accountNamed(db, given.account)).login })
}

export async function runRevokeToken(config: Config, given: Flags): Promise<void> {
  if (given.account === undefined && given.repository === undefined) {
    throw new UsageError("'stemma token revoke' needs --account, or --repository for one of a repository's own")
  }
  const name = needed(given.name, 'token revoke', 'name')
  const repositories = several(given.repository)
  if (repositories.length > 1 || (repositories.length === 1 && given.account !== undefined)) throw new UsageError(oneBearer)
  const bearer = given.account ?? repositories[0] ?? ''
  const count = await withDatabase(config, quietLog(config), async (db) => {
    const whose =
      given.account === undefined
        ? { repositoryId: (await repositoryNamed(db, parseRepository(bearer))).id }
        : { accountId: (await accountNamed(db, bearer)).id }
    return revokeTokensNamed(db, whose, name, operator)
  })
  if (count === 0)
    throw new InputError('no-such-token', `${bearer} has no token named '${name}'; stemma token list shows those that there are`)
  const said = count === 1 ? `${name} of ${bearer} opens nothing any more` : `${count} tokens ${name} of ${bearer} open nothing any more`
  printDone(given.json === true, { bearer, name, revoked: true, count }, said)
}

function tokenJson({ id, kind, bearer, name, grant, createdAt, expiresAt, lastUsedAt }: TokenFacts) {
  const { ownerIds = null, repositoryIds = null } = grant ?? {}
  return { id, kind, bearer, name, scopes: grant && grant.scopes, ownerIds, repositoryIds, createdAt, expiresAt, lastUsedAt }
}

function day(at: Date | null): string {
  return at === null ? 'never' : at.toISOString().slice(0, 10)
}

/** Tokens may end within hours. */
function minute(at: Date | null): string {
  return at === null ? 'never' : `${at.toISOString().slice(0, 16)}Z`
}
