// access: accounts, tokens, repository rows, and the one function that says who may do what.
export {
  type Account,
  accountResource,
  type AccountChange,
  changeAccount,
  createAccount,
  deleteAccount,
  findAccount,
  findAccountById,
  insertAccount,
} from './accounts.ts'
export { allAccounts, listAccounts, listMemberships, type Membership } from './account-list.ts'
export { type Admission, admitToRepository, type RepositoryToCreate } from './admission.ts'
export { type Actor, actorBy, actorOf, audit, operator } from './audit.ts'
export { bearerOf } from './bearer.ts'
export { isCrossSite, sentToken, sessionCookie } from './credentials.ts'
export { type AuditAction, auditActions } from './audit-actions.ts'
export { type AuditFilter, type AuditOrder, type AuditPage, type AuditRow, auditRows, readAudit } from './audit-log.ts'
export { parseMoment, parsePhrase } from './audit-phrase.ts'
export { type Call, type FindCall, makeFindCall } from './call.ts'
export { type Circle, collaboratorRole, listCollaborators, setCollaborator, type Standing, standingIn } from './collaborators.ts'
export { createOrFind } from './create-on-push.ts'
export { Failures, type FailureSettings } from './failures.ts'
export { findFork, forkRepository, listForks, type NewFork, readableSiblings } from './forks.ts'
export { type GateOptions, makeGate } from './gate.ts'
export {
  accountOf,
  callerOf,
  onAccount,
  onOrganization,
  onOwnPackage,
  onPackage,
  onRegistry,
  onRegistryPackage,
  onRepository,
  onSelf,
  momentOf,
  packageOf,
  packageToWrite,
  repositoryOf,
} from './route-access.ts'
export { type Grant, homeScopes, isWithin, type PackageAccess, parseScopes, type Scope, scopes } from './grant.ts'
export {
  type AccountId,
  type AccountIdentity,
  anonymous,
  type Identity,
  identityKey,
  type NetworkId,
  type PackageId,
  type RepositoryId,
  type RepositoryIdentity,
  type Role,
  type UpstreamId,
} from './identity.ts'
export {
  type AccountKind,
  type AccountResource,
  type Action,
  actions,
  isOpenToAnonymous,
  may,
  type PackageResource,
  type RepositoryResource,
  type Resource,
  roleOf,
  type Visibility,
} from './may.ts'
export { type FindKeyCall, type KeyBearer, type KeyCall, makeFindKeyBearer, makeFindKeyCall } from './key-call.ts'
export { issueLfsToken, type LfsOperation } from './lfs-token.ts'
export { assertLogin, isAllowedLogin, assertRepositoryName, isRepositoryName, reservedLogins } from './names.ts'
export { createOrganization, listMembers, type Member, memberRole, setMember } from './members.ts'
export {
  chargeOwner,
  findQuota,
  type OwnerQuota,
  ownerLimit,
  type OwnerUsage,
  ownerUsage,
  quotaExceeded,
  setQuota,
  setServerQuota,
  sizeText,
  totalBytes,
} from './quotas.ts'
export { admitToPackage, makeFindPackageCall, type PackageName, type PackageToCreate, type PackageToFetch } from './package-call.ts'
export {
  findPackage,
  findPackageById,
  type Package,
  type PackageFormat,
  packageFullName,
  packageOf as packageOfRow,
  packageResourceOf,
  packageRows,
  packagesReadableBy,
} from './package-rows.ts'
export { allPackages, listPackages, mayReadPackage, type PackageListOptions, readablePackages } from './package-list.ts'
export {
  auditedAs,
  assertOwners,
  changePackage,
  createOrFindPackage,
  createOrFindPackageIn,
  deletePackage,
  deletePackageIn,
  linkPackage,
  packageMade,
  packageMadeOf,
  type PackageMade,
  type PackageChange,
  packageFacts,
  targetOf,
  tellOfPackage,
} from './packages.ts'
export { mayRead, readableBy } from './readable.ts'
export { isRegistryToken, narrowed, type RegistryPass, RegistryTokens } from './registry-token.ts'
export { deleteRepository } from './repository-deletion.ts'
export { type Affiliation, allRepositories, type ListOptions, listRepositories, networkSizes, repositorySizes } from './repository-list.ts'
export { findRepository, findRepositoryById, type Repository, type RepositorySettings, resourceOf } from './repository-rows.ts'
export { transferRepository } from './repository-transfer.ts'
export { createRepository, fullName, type NewRepository, type RepositoryChange, updateRepository } from './repositories.ts'
export {
  administrator,
  createToken,
  ensureAdministrator,
  hashToken,
  hasWorkingToken,
  issueToken,
  type NewToken,
  revokeToken,
  revokeTokenById,
  revokeTokensNamed,
} from './token-issue.ts'
export {
  addSshKey,
  deleteSshKey,
  findSshKey,
  listSshKeys,
  type NewSshKey,
  type SshKey,
  type SshKeyOwner,
  touchSshKey,
} from './ssh-keys.ts'
export {
  decodeSshKey,
  fingerprintOf,
  formatFingerprint,
  formatSshKey,
  parseSshKeyLine,
  type SshKeyType,
  sshKeyTypes,
  type SshPublicKey,
} from './ssh-public-key.ts'
export {
  addGpgKey,
  addSshSigningKey,
  deleteSigningKey,
  findSigningKeys,
  type GpgFacts,
  type GpgKey,
  type GpgPart,
  listGpgKeys,
  listSshSigningKeys,
  type SigningCandidate,
  type SshSigningKey,
} from './signing-keys.ts'
export { readSigningVersion } from './signing-version.ts'
export { assertMayMake, delegateToken, sshKeyGrant } from './token-delegation.ts'
export { countTokens, listTokens, namesOfGrants, type TokenFacts } from './token-list.ts'
export { type Carrier, findIdentity, identityOf, type TokenKind, TokenUses } from './tokens.ts'
