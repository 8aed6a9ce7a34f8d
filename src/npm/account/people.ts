// Who may what with a package, by login: its owner, the owner's members, the collaborators of the repository that it is linked to. npm calls those who may publish its
// owners, or maintainers.
import {
  type AccountId,
  findRepositoryById,
  listCollaborators,
  listMembers,
  type Member,
  type Package,
  type Role,
} from '../../access/index.ts'
import type { Queries } from '../../db/index.ts'

const pageSize = 500

/** By login. For those who administer the package: members of an organisation are nobody else's business. */
export async function peopleOf(queries: Queries, one: Package): Promise<Map<string, Role>> {
  const { repositoryId, ownerId, ownerKind, ownerLogin } = one
  const linked = repositoryId === null ? null : await findRepositoryById(queries, repositoryId)
  if (linked !== null)
    return everyone((page) => listCollaborators(queries, linked, { circle: 'all', page, perPage: pageSize }).then(({ members }) => members))
  return ownerKind === 'user' ? new Map([[ownerLogin, 'admin']]) : membersOf(queries, ownerId)
}

/** Of an organisation. */
export async function membersOf(queries: Queries, organizationId: AccountId): Promise<Map<string, Role>> {
  return everyone((page) => listMembers(queries, organizationId, { page, perPage: pageSize }).then(({ members }) => members))
}

async function everyone(readPage: (page: number) => Promise<readonly Member[]>): Promise<Map<string, Role>> {
  const found = new Map<string, Role>()
  for (let page = 1; ; page++) {
    const members = await readPage(page)
    for (const { account, role } of members) found.set(account.login, role)
    if (members.length < pageSize) return found
  }
}

/** In npm's words, which know no more than these. */
export function permissionOf(role: Role): 'read' | 'write' {
  return role === 'read' ? 'read' : 'write'
}
