// Who calls, and the ids of what belongs to whom.

export type AccountId = number & { readonly __brand: 'AccountId' }
export type RepositoryId = number & { readonly __brand: 'RepositoryId' }
export type NetworkId = string & { readonly __brand: 'NetworkId' }

/** Anyone who sent no credentials, or the account whose token was sent. */
export type Identity =
  | { readonly kind: 'anonymous' }
  | { readonly kind: 'account'; readonly accountId: AccountId; readonly login: string; readonly isAdmin: boolean; readonly tokenId: number }

export const anonymous: Identity = { kind: 'anonymous' }
