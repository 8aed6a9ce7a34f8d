// The commands about people and repositories: what each takes of the command line, and what it runs.
import type { Command, Commands } from './command.ts'
import type { FlagName } from './usage.ts'

const usual = ['json', 'data', 'config'] as const satisfies readonly FlagName[]
const users = async () => import('./users.ts')
const organizations = async () => import('./organizations.ts')
const collaborators = async () => import('./collaborators.ts')
const tokens = async () => import('./tokens.ts')
const quota = async () => import('./quota.ts')
const keys = async () => import('./keys.ts')
const repositories = async () => import('./repositories.ts')

/** Commands that change one thing of a user. */
function userSwitch(word: 'suspend' | 'unsuspend' | 'promote' | 'demote'): Command {
  return { flags: usual, takes: ['LOGIN'], run: async (...given) => (await users()).runSwitch(word, ...given) }
}

export const peopleCommands: Commands = {
  'user create': {
    flags: ['name', 'email', 'admin', 'password-file', ...usual],
    takes: ['LOGIN'],
    run: async (...given) => (await users()).runCreateUser(...given),
  },
  'user list': { flags: usual, run: async (config, given) => (await users()).runListUsers(config, given) },
  'user show': { flags: usual, takes: ['LOGIN'], run: async (...given) => (await users()).runShowUser(...given) },
  'user suspend': userSwitch('suspend'),
  'user unsuspend': userSwitch('unsuspend'),
  'user promote': userSwitch('promote'),
  'user demote': userSwitch('demote'),
  'user rename': { flags: usual, takes: ['LOGIN', 'NEW_LOGIN'], run: async (...given) => (await users()).runRename('user', ...given) },
  'user password': {
    flags: ['password-file', ...usual],
    takes: ['LOGIN'],
    run: async (...given) => (await users()).runPassword(...given),
  },
  'user disable-2fa': { flags: usual, takes: ['LOGIN'], run: async (...given) => (await users()).runDisableOtp(...given) },
  'user delete': { flags: ['yes', ...usual], takes: ['LOGIN'], run: async (...given) => (await users()).runDelete('user', ...given) },
  'org create': {
    flags: ['account', 'name', ...usual],
    takes: ['LOGIN'],
    run: async (...given) => (await organizations()).runCreateOrganization(...given),
  },
  'org list': { flags: usual, run: async (config, given) => (await organizations()).runListOrganizations(config, given) },
  'org rename': { flags: usual, takes: ['ORG', 'NEW_LOGIN'], run: async (...given) => (await users()).runRename('organization', ...given) },
  'org members': { flags: usual, takes: ['ORG'], run: async (...given) => (await organizations()).runListMembers(...given) },
  'org add': {
    flags: ['role', ...usual],
    takes: ['ORG', 'LOGIN'],
    run: async (...given) => (await organizations()).runAddMember(...given),
  },
  'org remove': { flags: usual, takes: ['ORG', 'LOGIN'], run: async (...given) => (await organizations()).runRemoveMember(...given) },
  'org delete': { flags: ['yes', ...usual], takes: ['ORG'], run: async (...given) => (await users()).runDelete('organization', ...given) },
  'collaborator add': {
    flags: ['role', ...usual],
    takes: ['OWNER/REPO', 'LOGIN'],
    run: async (...given) => (await collaborators()).runAddCollaborator(...given),
  },
  'collaborator list': {
    flags: usual,
    takes: ['OWNER/REPO'],
    run: async (...given) => (await collaborators()).runListCollaborators(...given),
  },
  'collaborator remove': {
    flags: usual,
    takes: ['OWNER/REPO', 'LOGIN'],
    run: async (...given) => (await collaborators()).runRemoveCollaborator(...given),
  },
  'repository create': {
    flags: ['visibility', 'description', ...usual],
    takes: ['OWNER/REPO'],
    run: async (...given) => (await repositories()).runCreateRepository(...given),
  },
  'repository list': {
    flags: ['owner', ...usual],
    run: async (config, given) => (await repositories()).runListRepositories(config, given),
  },
  'repository rename': { flags: usual, takes: ['OWNER/REPO', 'NAME'], run: async (...given) => (await repositories()).runRename(...given) },
  'repository transfer': {
    flags: usual,
    takes: ['OWNER/REPO', 'NEW_OWNER'],
    run: async (...given) => (await repositories()).runTransfer(...given),
  },
  'repository visibility': {
    flags: usual,
    takes: ['OWNER/REPO', 'VISIBILITY'],
    run: async (...given) => (await repositories()).runVisibility(...given),
  },
  'repository delete': {
    flags: ['yes', ...usual],
    takes: ['OWNER/REPO'],
    run: async (...given) => (await repositories()).runDelete(...given),
  },
  'quota show': { flags: usual, takes: ['OWNER'], run: async (...given) => (await quota()).runShowQuota(...given) },
  'quota set': { flags: usual, takes: ['OWNER', 'SIZE'], run: async (...given) => (await quota()).runSetQuota(...given) },
  'quota clear': { flags: usual, takes: ['OWNER'], run: async (...given) => (await quota()).runClearQuota(...given) },
  'key add': {
    flags: ['account', 'repository', 'name', 'read-only', ...usual],
    takes: ['FILE'],
    run: async (...given) => (await keys()).runAddKey(...given),
  },
  'key list': { flags: ['account', 'repository', ...usual], run: async (config, given) => (await keys()).runListKeys(config, given) },
  'key remove': {
    flags: ['account', 'repository', ...usual],
    takes: ['ID'],
    run: async (...given) => (await keys()).runRemoveKey(...given),
  },
  'key forget-host': { flags: usual, run: async (config, given) => (await keys()).runForgetHostKeys(config, given) },
  'token create': {
    flags: ['account', 'name', 'expires', 'scope', 'repository', 'owner', ...usual],
    run: async (config, given) => (await tokens()).runCreateToken(config, given),
  },
  'token list': { flags: ['account', 'repository', ...usual], run: async (config, given) => (await tokens()).runListTokens(config, given) },
  'token revoke': {
    flags: ['account', 'repository', 'name', ...usual],
    run: async (config, given) => (await tokens()).runRevokeToken(config, given),
  },
  audit: {
    flags: ['since', 'until', 'action', 'actor', 'owner', 'repository', ...usual],
    run: async (config, given) => (await import('./audit.ts')).runAudit(config, given),
  },
}
