// The half of the API that is about people: users, organisations, members, collaborators, tokens, administration, audit.
import type { Routes } from '../http/index.ts'
import { registerAccounts } from './accounts.ts'
import { registerAdministration } from './administration.ts'
import { registerAudit } from './audit.ts'
import { registerCollaborators } from './collaborators.ts'
import type { ApiOptions } from './index.ts'
import { registerMembers } from './members.ts'
import { registerOrganizations } from './organizations.ts'
import { registerTokens } from './tokens.ts'

export function registerPeople(routes: Routes, options: ApiOptions): void {
  registerAccounts(routes, options)
  registerOrganizations(routes, options)
  registerMembers(routes, options)
  registerCollaborators(routes, options)
  registerTokens(routes, options)
  registerAdministration(routes, options)
  registerAudit(routes, options)
}
