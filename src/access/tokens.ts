// Who a token belongs to. Making and revoking tokens stands in token-issue.ts.
// A token of ours holds 160 random bits and is looked up by its SHA-256, so timing tells nothing useful. Revoking deletes the row, and
// every request asks the database: it counts at once on every node.
import type { Clock, Log } from '../base/index.ts'
import type { Queries } from '../db/index.ts'
import type { AccountId, Identity } from './identity.ts'
import { hashToken } from './token-issue.ts'

/** How exact `last_used_at` is. */
const usePrecisionMs = 60_000

/** What a token's row and its account's say of the caller. */
export interface TokenRow {
  readonly token_id: number
  readonly expires_at: Date | null
  readonly last_used_at: Date | null
  readonly caller_id: number
  readonly caller_login: string
  readonly caller_is_admin: boolean
}

/** The account behind a secret; null when it is unknown, revoked or expired. */
export async function findIdentity(queries: Queries, secret: string, clock: Clock, uses?: TokenUses): Promise<Identity | null> {
  const row = await queries
    .selectFrom('token')
    .innerJoin('account as caller', 'caller.id', 'token.account_id')
    .select(tokenColumns)
    .where('token.hash', '=', hashToken(secret))
    .executeTakeFirst()
  return row ? identityOf(row, clock, uses) : null
}

export const tokenColumns = [
  ...(['token.id as token_id', 'token.expires_at', 'token.last_used_at'] as const),
  ...(['caller.id as caller_id', 'caller.login as caller_login', 'caller.is_admin as caller_is_admin'] as const),
] as const

/** Null: the token has expired. */
export function identityOf(row: TokenRow, clock: Clock, uses?: TokenUses): Identity | null {
  if (row.expires_at !== null && row.expires_at.getTime() <= clock.now()) return null
  uses?.touch(row.token_id, row.last_used_at)
  const { caller_id, caller_login, caller_is_admin, token_id } = row
  return { kind: 'account', accountId: caller_id as AccountId, login: caller_login, isAdmin: caller_is_admin, tokenId: token_id }
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
