// Who calls, and the ids of what belongs to whom.
import type { Grant } from './grant.ts'

export type AccountId = number & { readonly __brand: 'AccountId' }
export type RepositoryId = number & { readonly __brand: 'RepositoryId' }
export type PackageId = number & { readonly __brand: 'PackageId' }
/** Of an upstream, which packages come from. */
export type UpstreamId = number & { readonly __brand: 'UpstreamId' }
export type NetworkId = string & { readonly __brand: 'NetworkId' }

/** What a member of an organisation may do in all of its repositories, or a collaborator in one: each includes those before it. */
export type Role = 'read' | 'write' | 'admin'

/** Someone who has an account, by whatever showed it: a token, a session, an SSH key. */
export interface AccountIdentity {
  readonly kind: 'account'
  readonly accountId: AccountId
  readonly login: string
  readonly isAdmin: boolean
  /** What the credential may be used for; null: for whatever the account may. */
  readonly grant: Grant | null
  /** Of the token that was sent; null: another kind of credential. */
  readonly tokenId: number | null
  /** A CI job that acts on what is the account's: what the audit calls it. */
  readonly job?: string
}

/** A deployment, a CI job: nobody's account, at home in one repository. */
export interface RepositoryIdentity {
  readonly kind: 'repository'
  readonly repositoryId: RepositoryId
  readonly ownerId: AccountId
  /** For logs and the audit: `deploy token 'staging' of alice/app`. */
  readonly name: string
  readonly grant: Grant
  readonly tokenId: number | null
}

/** Anyone who sent no credentials, or whoever the credentials belong to. */
export type Identity = { readonly kind: 'anonymous' } | AccountIdentity | RepositoryIdentity

export const anonymous: Identity = { kind: 'anonymous' }

/** The same for the same caller, whichever credential he shows: what is counted for each caller is counted by it. Null: nobody in particular. */
export function identityKey(identity: Identity): string | null {
  if (identity.kind === 'anonymous') return null
  return identity.kind === 'account' ? `account ${identity.accountId}` : `repository ${identity.repositoryId}`
}
