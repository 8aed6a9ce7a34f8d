// `stemma token`: access tokens, straight in the database.
import { createToken, listTokens, revokeToken } from '../access/index.ts'
import { makeLog, systemClock, systemRandomness } from '../base/index.ts'
import { type Config, parseDuration } from '../config.ts'
import { withDatabase } from './database.ts'
import { type Flags, needed, print, UsageError } from './usage.ts'

export async function runCreateToken(config: Config, given: Flags): Promise<void> {
  const account = needed(given.account, 'token create', 'account')
  const name = needed(given.name, 'token create', 'name')
  const lifetimeMs = given.expires === undefined ? null : parseDuration(given.expires)
  if (given.expires !== undefined && (lifetimeMs === null || lifetimeMs < 60_000))
    throw new UsageError(`--expires ${given.expires} is no duration of a minute or more; write 90d or 12h`)
  const expiresAt = lifetimeMs === null ? null : new Date(systemClock.now() + lifetimeMs)
  const log = makeLog(config.log.level)
  print(await withDatabase(config, log, (db) => createToken(db, { account, name, expiresAt }, systemRandomness)))
}

export async function runListTokens(config: Config, given: Flags): Promise<void> {
  const found = await withDatabase(config, makeLog(config.log.level), (db) =>
    listTokens(db.queries, given.account === undefined ? null : { account: given.account }),
  )
  const rows = found.map((token) => [token.bearer, token.name, day(token.createdAt), minute(token.expiresAt), day(token.lastUsedAt)])
  print([['ACCOUNT', 'NAME', 'CREATED', 'EXPIRES', 'LAST USED'], ...rows].map((row) => row.join('\t')).join('\n'))
}

export async function runRevokeToken(config: Config, given: Flags): Promise<void> {
  const account = needed(given.account, 'token revoke', 'account')
  const name = needed(given.name, 'token revoke', 'name')
  await withDatabase(config, makeLog(config.log.level), (db) => revokeToken(db, account, name))
}

function day(at: Date | null): string {
  return at === null ? 'never' : at.toISOString().slice(0, 10)
}

/** Tokens may end within hours. */
function minute(at: Date | null): string {
  return at === null ? 'never' : `${at.toISOString().slice(0, 16)}Z`
}
