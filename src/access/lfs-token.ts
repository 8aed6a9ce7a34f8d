// Tokens that an SSH key is exchanged for, so that git-lfs can go on over HTTP: for one repository and one operation, for a while, and void with the key.
// They come with every fetch and push of LFS objects: nobody lists them, and they don't stand in the audit.
import type { Clock, Randomness } from '../base/index.ts'
import type { Tx } from '../db/index.ts'
import type { Scope } from './grant.ts'
import type { Identity, RepositoryId } from './identity.ts'
import { hashToken, makeSecret } from './token-issue.ts'

export type LfsOperation = 'download' | 'upload'

export interface WantedLfsToken {
  readonly identity: Identity
  readonly keyId: number
  readonly repositoryId: RepositoryId
  readonly operation: LfsOperation
  readonly lifetimeS: number
}

const scopeOf: Readonly<Record<LfsOperation, Scope>> = { download: 'repository:read', upload: 'repository:write' }

/** Its secret. Those of the same key that have expired go. */
export async function issueLfsToken(
  tx: Tx,
  { identity, keyId, lifetimeS, operation, repositoryId }: WantedLfsToken,
  { clock, randomness }: { readonly clock: Clock; readonly randomness: Randomness },
): Promise<string> {
  if (identity.kind === 'anonymous') throw new Error('a key that is nobody’s')
  const secret = makeSecret(randomness)
  const now = clock.now()
  await tx.deleteFrom('token').where('ssh_key_id', '=', keyId).where('expires_at', '<', new Date(now)).execute()
  await tx
    .insertInto('token')
    .values({
      kind: 'lfs',
      name: `git-lfs-authenticate ${operation} ${randomness.uuid()}`,
      hash: hashToken(secret),
      account_id: identity.kind === 'account' ? identity.accountId : null,
      repository_id: identity.kind === 'repository' ? identity.repositoryId : null,
      scopes: [scopeOf[operation]],
      repository_ids: [repositoryId],
      ssh_key_id: keyId,
      expires_at: new Date(now + lifetimeS * 1000),
    })
    .execute()
  return secret
}
