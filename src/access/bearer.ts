// Who a token belongs to that came in a body: registries' clients send theirs there, too. Counted as the gate counts what comes in a header.
import type { Clock } from '../base/index.ts'
import type { Queries } from '../db/index.ts'
import { Refusal } from '../http/index.ts'
import type { Failures } from './failures.ts'
import type { Identity } from './identity.ts'
import { hashToken } from './token-issue.ts'
import { findIdentity } from './tokens.ts'

/** Refusal 401 where the token is no good, 403 where its account is suspended, 429 after too many that were no good. */
export async function bearerOf(
  parts: { readonly queries: Queries; readonly clock: Clock; readonly failures?: Failures | undefined },
  secret: string,
  ip: string,
): Promise<Exclude<Identity, { readonly kind: 'anonymous' }>> {
  const { queries, clock, failures } = parts
  failures?.assertMayTryToken(ip, secret)
  const found = await findIdentity(queries, { hash: hashToken(secret), carrier: 'header' }, clock)
  if (found === 'suspended') throw new Refusal(403, found, 'Your account is suspended; ask the administrator of this server')
  if (found === null || found.kind === 'anonymous') {
    failures?.tokenFailed(ip)
    throw new Refusal(401, 'bad-credentials', 'Bad credentials: the password is one of your tokens')
  }
  failures?.tokenSucceeded(ip, secret)
  return found
}
