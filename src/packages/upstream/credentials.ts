// Upstreams' secrets: sealed for the origins that they may go to, and opened on their way there alone.
import { InputError, type Sealer } from '../../base/index.ts'
import type { Queries } from '../../db/index.ts'
import type { Credentials, UpstreamAddress } from './client/connection.ts'
import type { Upstream } from './upstream-rows.ts'

const longestSecret = 4096

/** Where its client goes, and with what. @throws as `Sealer.open` */
export async function addressOf(queries: Queries, { id, url, authOrigin }: Upstream, sealer: Sealer): Promise<UpstreamAddress> {
  const { username, secret } = await queries
    .selectFrom('package_upstream')
    .select(['username', 'secret'])
    .where('id', '=', id)
    .executeTakeFirstOrThrow()
  const credentials =
    username === null || secret === null ? null : { username, password: sealer.open(secret, purposeOf({ url, authOrigin })) }
  return { origin: new URL(url).origin, authOrigin, credentials }
}

/** InputError `bad-upstream-credentials`. */
export function sealedOf(
  sealer: Sealer,
  place: Pick<Upstream, 'url' | 'authOrigin'>,
  credentials: Credentials | null,
): { readonly username: string | null; readonly secret: string | null } {
  if (credentials === null) return { username: null, secret: null }
  const { username, password } = credentials
  const isGood = [username, password].every((text) => text !== '' && text.length <= longestSecret && /^[^\p{Cc}]+$/u.test(text))
  if (!isGood || username.includes(':')) {
    throw new InputError(
      'bad-upstream-credentials',
      'A user name (without a colon) and a password go together, each without control characters',
    )
  }
  return { username, secret: sealer.seal(password, purposeOf(place)) }
}

/** Where they may go is part of it: rows that somebody has written to the database send them nowhere else. */
function purposeOf({ url, authOrigin }: Pick<Upstream, 'url' | 'authOrigin'>): string {
  return `upstream ${new URL(url).origin} ${authOrigin ?? ''}`
}
