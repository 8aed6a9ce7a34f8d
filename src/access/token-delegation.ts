// Tokens that a caller makes by another credential of his: none is stronger than that, in what it may be used for and for how long.
import { InputError, type Randomness } from '../base/index.ts'
import type { Tx } from '../db/index.ts'
import { type Grant, isWithin } from './grant.ts'
import type { AccountIdentity } from './identity.ts'
import { issueToken, type NewToken } from './token-issue.ts'

/**
 * `issueToken` for a caller. The gate has decided that he may make tokens for that bearer. InputError as `issueToken`; `token-too-strong`,
 * `token-too-long`.
 */
export async function delegateToken(
  tx: Tx,
  caller: AccountIdentity,
  wanted: NewToken,
  randomness: Randomness,
): Promise<{ readonly id: number; readonly secret: string }> {
  // a repository's token is bound to it, and whoever may make it administers that
  if (wanted.bearer.kind === 'account') assertNarrow(caller, wanted.grant)
  await assertNotLonger(tx, caller, wanted.expiresAt)
  return issueToken(tx, wanted, randomness)
}

/** What an SSH key of a user's may be used for: all that git does, with creating on push. */
export const sshKeyGrant: Grant = { scopes: ['repository:admin'], ownerIds: null, repositoryIds: null }

/**
 * Whether a caller may make something of his account's that lets somebody in and stays: a password, a key. InputError as `delegateToken`.
 * @param grant what it is good for
 */
export async function assertMayMake(tx: Tx, caller: AccountIdentity, grant: Grant | null): Promise<void> {
  assertNarrow(caller, grant)
  await assertNotLonger(tx, caller, null)
}

function assertNarrow(caller: AccountIdentity, grant: Grant | null): void {
  if (isWithin(grant, caller.grant)) return
  const held = caller.grant?.scopes.join(', ') ?? ''
  throw new InputError('token-too-strong', `The token that asks for it has less: only ${held === '' ? 'no scopes' : held}`)
}

/** What ends by itself makes nothing that stays. A session doesn't count: it stands for its user, who has shown who he is. */
async function assertNotLonger(tx: Tx, { tokenId }: AccountIdentity, expiresAt: Date | null): Promise<void> {
  if (tokenId === null) return
  const own = await tx.selectFrom('token').select(['kind', 'expires_at']).where('id', '=', tokenId).forShare().executeTakeFirst()
  if (own === undefined) throw new InputError('token-too-strong', 'The token that asks for it was revoked a moment ago')
  if (own.kind === 'session' || own.expires_at === null) return
  if (expiresAt === null || expiresAt > own.expires_at) {
    throw new InputError('token-too-long', `The token that asks for it ends at ${own.expires_at.toISOString()}: end this one by then`)
  }
}
