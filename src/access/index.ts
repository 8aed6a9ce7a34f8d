// access: accounts, tokens, repository rows, and the one function that says who may do what.
export { type Account, createAccount, findAccount } from './accounts.ts'
export { createOrFind } from './create-on-push.ts'
export { findFork, forkRepository, listForks, type NewFork, readableSiblings } from './forks.ts'
export { accountOf, callerOf, type GateOptions, makeGate, onAccount, onRepository, onSelf, repositoryOf } from './gate.ts'
export { type AccountId, anonymous, type Identity, type NetworkId, type RepositoryId } from './identity.ts'
export { type Action, actions, isOpenToAnonymous, may, type Resource, type Visibility } from './may.ts'
export { assertLogin, assertRepositoryName, isRepositoryName, reservedLogins } from './names.ts'
export { deleteRepository } from './repository-deletion.ts'
export { allRepositories, type ListOptions, listRepositories, networkSizes } from './repository-list.ts'
export {
  createRepository,
  findRepository,
  findRepositoryById,
  type NewRepository,
  type Repository,
  type RepositoryChange,
  type RepositorySettings,
  updateRepository,
} from './repositories.ts'
export {
  administrator,
  createToken,
  ensureAdministrator,
  hashToken,
  hasWorkingToken,
  listTokens,
  revokeToken,
  type TokenFacts,
} from './token-issue.ts'
export { findIdentity, TokenUses } from './tokens.ts'
