// Who a token belongs to. Making and revoking tokens stands in token-issue.ts.
// A token of ours holds 160 random bits and is looked up by its SHA-256, so timing tells nothing useful. Revoking deletes the row, and
// every request asks the database: it counts at once on every node.
import type { Clock, Log } from '../base/index.ts'
import type { Queries } from '../db/index.ts'
import type { Grant, Scope } from './grant.ts'
import type { AccountId, Identity, PackageId, RepositoryId } from './identity.ts'

/** How exact `last_used_at` is. */
const usePrecisionMs = 60_000

/** `lfs`: what git-lfs-authenticate gives out (lfs-token.ts). */
export type TokenKind = 'personal' | 'session' | 'deploy' | 'ci' | 'lfs'

/** What a token's row says of the caller, and that of its account, or of the repository that it is at home in. */
export interface TokenRow {
  readonly token_id: number
  readonly token_kind: string
  readonly token_name: string
  readonly expires_at: Date | null
  readonly last_used_at: Date | null
  readonly scopes: string[] | null
  readonly owner_ids: number[] | null
  readonly repository_ids: number[] | null
  readonly package_ids: number[] | null
  readonly caller_id: number | null
  readonly caller_login: string | null
  readonly caller_is_admin: boolean | null
  readonly suspended_at: Date | null
  readonly home_id: number | null
  readonly home_owner_id: number | null
  readonly home_name: string | null
}

/** How a token came: a browser's cookie carries sessions and nothing else, a header everything else. */
export type Carrier = 'header' | 'cookie'

/** The account or repository behind a secret; null when it is unknown, revoked or expired. */
export async function findIdentity(
  queries: Queries,
  sent: { readonly hash: Uint8Array; readonly carrier: Carrier },
  clock: Clock,
  uses?: TokenUses,
): Promise<Identity | 'suspended' | null> {
  const row = await queries
    .selectFrom('token')
    .leftJoin('account as caller', 'caller.id', 'token.account_id')
    .leftJoin('repository as home', 'home.id', 'token.repository_id')
    .select(tokenColumns)
    .where('token.hash', '=', sent.hash)
    .executeTakeFirst()
  return row ? identityOf(row, sent.carrier, clock, uses) : null
}

export const tokenColumns = [
  ...(['token.id as token_id', 'token.kind as token_kind', 'token.name as token_name', 'token.expires_at', 'token.last_used_at'] as const),
  ...(['token.scopes', 'token.owner_ids', 'token.repository_ids', 'token.package_ids'] as const),
  ...([
    'caller.id as caller_id',
    'caller.login as caller_login',
    'caller.is_admin as caller_is_admin',
    'caller.suspended_at as suspended_at',
  ] as const),
  ...(['home.id as home_id', 'home.owner_id as home_owner_id', 'home.name as home_name'] as const),
] as const

/** Null: the token has expired, or came by a way that isn't its own. */
export function identityOf(row: TokenRow, carrier: Carrier, clock: Clock, uses?: TokenUses): Identity | 'suspended' | null {
  if (row.expires_at !== null && row.expires_at.getTime() <= clock.now()) return null
  if ((row.token_kind === 'session') !== (carrier === 'cookie')) return null
  if (row.suspended_at !== null) return 'suspended'
  uses?.touch(row.token_id, row.last_used_at)
  const { caller_id, caller_login, caller_is_admin, token_id: tokenId } = row
  if (caller_id === null) return homeIdentity(row)
  return {
    kind: 'account',
    accountId: caller_id as AccountId,
    login: caller_login as string,
    isAdmin: caller_is_admin === true,
    grant: row.scopes === null ? null : grantOf(row, row.scopes),
    tokenId,
    ...(row.token_kind === 'ci' ? { job: `ci token '${row.token_name}' of ${caller_login ?? ''}` } : {}),
  }
}

function homeIdentity(row: TokenRow): Identity {
  return {
    kind: 'repository',
    repositoryId: row.home_id as RepositoryId,
    ownerId: row.home_owner_id as AccountId,
    name: `${row.token_kind} token '${row.token_name}' of ${row.home_name ?? ''}`,
    grant: grantOf(row, row.scopes ?? []),
    tokenId: row.token_id,
  }
}

function grantOf(row: TokenRow, scopes: readonly string[]): Grant {
  return {
    scopes: scopes as Scope[],
    ownerIds: row.owner_ids as AccountId[] | null,
    repositoryIds: row.repository_ids as RepositoryId[] | null,
    packageIds: row.package_ids as PackageId[] | null,
  }
}

/** Writes `last_used_at` beside the requests, at most once a minute for each token. Lives as long as the server. */
export class TokenUses {
  readonly #queries: Queries
  readonly #clock: Clock
  readonly #log: Log
  readonly #writing = new Map<number, Promise<void>>()

  constructor(queries: Queries, clock: Clock, log: Log) {
    this.#queries = queries
    this.#clock = clock
    this.#log = log
  }

  touch(tokenId: number, lastUsedAt: Date | null): void {
    const isFresh = lastUsedAt !== null && this.#clock.now() - lastUsedAt.getTime() < usePrecisionMs
    if (isFresh || this.#writing.has(tokenId)) return
    this.#writing.set(tokenId, this.#write(tokenId))
  }

  async #write(tokenId: number): Promise<void> {
    try {
      const at = new Date(this.#clock.now())
      await this.#queries.updateTable('token').set({ last_used_at: at }).where('id', '=', tokenId).execute()
    } catch (error) {
      this.#log.debug({ err: error }, 'the last use of a token was not noted')
    } finally {
      this.#writing.delete(tokenId)
    }
  }

  /** Waits for what is being written. */
  async close(): Promise<void> {
    await Promise.all(this.#writing.values())
  }
}
