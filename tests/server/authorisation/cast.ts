// Who asks and what is asked about in the test of every route: the callers with their roles and credentials, the things, and what must come of each.
import type { LightMyRequestResponse } from 'fastify'
import {
  type AccountId,
  type Action,
  createOrganization,
  createOrFindPackage,
  createRepository,
  createToken,
  findAccount,
  type Grant,
  type Identity,
  isOpenToAnonymous,
  issueToken,
  may,
  operator,
  type PackageId,
  type RepositoryId,
  type Resource,
  type Role,
  scopes,
  setCollaborator,
  setMember,
} from '../../../src/access/index.ts'
import { systemRandomness } from '../../../src/base/index.ts'
import type { Database } from '../../../src/db/index.ts'
import type { Listener, RouteFacts } from '../../../src/http/index.ts'
import { makeAccount, type TestAccount } from '../../support/accounts.ts'
import { admitted } from '../../support/faces.ts'

/** A user, who owns things by himself, and an organisation. */
export const owners = ['olive', 'guild'] as const
type Owner = (typeof owners)[number]
export const things = ['public', 'internal', 'private', 'missing'] as const
type Thing = (typeof things)[number]

/**
 * `reader`, `writer`, `maintainer`: collaborators of olive's things, members of the guild, in that role. What follows them are olive's and the
 * maintainer's credentials that are worth less, an administrator's for figures alone, and what is no credential at all.
 */
export const callers = [
  'anonymous',
  'stranger',
  'reader',
  'writer',
  'maintainer',
  'olive',
  'admin',
  'session',
  'session from elsewhere',
  'ended session',
  'no scopes',
  'read scopes',
  'write scopes',
  'bound elsewhere',
  'reading admin',
  'deploy',
  'deploy of another',
  'suspended',
  'expired token',
  'unknown token',
  'session as a token',
  'malformed header',
] as const
export type Caller = (typeof callers)[number]

export interface Cell {
  readonly route: RouteFacts
  readonly action: Action | 'public'
  readonly kind: string
  readonly caller: Caller
  readonly owner: Owner
  readonly thing: Thing
}

interface Part {
  readonly headers: Readonly<Record<string, string>>
  /** Null: these headers are nobody's. */
  readonly identity: Identity | null
  /** In olive's repositories, and in the guild. */
  readonly role: Role | null
}

export interface Cast {
  readonly maintainerId: AccountId
  readonly parts: Readonly<Record<Caller, Part>>
  readonly ownerIds: Readonly<Record<Owner, AccountId>>
  /** Of things that are there. */
  readonly repositoryIds: ReadonlyMap<string, RepositoryId>
  /** Olive's are linked to her repositories of the same name; the maintainer has some of his own, by `maintainer/…`. */
  readonly packageIds: ReadonlyMap<string, PackageId>
}

/** Makes all of them. The guild's things and olive's have the same names. */
export async function makeCast(db: Database): Promise<Cast> {
  const make = async (login: string, isAdmin = false) => makeAccount(db, login, isAdmin)
  const [olive, stranger, reader] = [await make('olive'), await make('sam'), await make('rita')]
  const [writer, maintainer, admin, suspended] = [await make('will'), await make('mia'), await make('root', true), await make('susan')]
  const guild = await createOrganization(db, { login: 'guild', firstAdmin: maintainer.id, actor: operator })
  const roles = [
    [reader, 'read'],
    [writer, 'write'],
    [maintainer, 'admin'],
    [suspended, 'admin'],
  ] as const
  for (const [{ login }, role] of roles) {
    const member = await findAccount(db.queries, login)
    if (member) await setMember(db, guild, member, role, operator)
  }
  const ownerIds = { olive: olive.id, guild: guild.id }
  const repositoryIds = new Map<string, RepositoryId>()
  const packageIds = new Map<string, PackageId>()
  for (const owner of owners) {
    for (const visibility of ['public', 'internal', 'private'] as const) {
      const repository = await createRepository(db, { ownerId: ownerIds[owner], name: `the-${visibility}`, visibility })
      repositoryIds.set(`${owner}/${visibility}`, repository.id)
      const repositoryId = owner === 'guild' ? null : repository.id
      const named = { ownerId: ownerIds[owner], ownerLogin: owner, name: `the-${visibility}`, repositoryId, visibility } as const
      // as the root registry has it, which knows owners by scopes
      await createOrFindPackage(db, { ...named, format: 'npm', name: `@${owner}/${named.name}` }, operator)
      for (const format of ['npm', 'generic', 'oci'] as const)
        packageIds.set(`${owner}/${visibility}`, (await createOrFindPackage(db, { ...named, format }, operator)).id)
      if (owner === 'guild') continue
      for (const [{ login }, role] of roles) {
        const account = await findAccount(db.queries, login)
        if (account) await setCollaborator(db, repository, account, role, operator)
      }
    }
  }
  for (const visibility of ['public', 'internal', 'private'] as const) {
    const own = {
      ownerId: maintainer.id,
      ownerLogin: maintainer.login,
      format: 'oci',
      name: `the-${visibility}`,
      repositoryId: null,
    } as const
    packageIds.set(`maintainer/${visibility}`, (await createOrFindPackage(db, { ...own, visibility }, operator)).id)
  }
  await db.queries.updateTable('account').set({ suspended_at: new Date() }).where('id', '=', suspended.id).execute()
  const other = await createRepository(db, { ownerId: olive.id, name: 'other', visibility: 'private' })
  const parts = await credentials(db, { olive, stranger, reader, writer, maintainer, admin, suspended }, other.id, repositoryIds)
  return { parts, ownerIds, maintainerId: maintainer.id, repositoryIds, packageIds }
}

async function credentials(
  db: Database,
  people: Readonly<Record<'olive' | 'stranger' | 'reader' | 'writer' | 'maintainer' | 'admin' | 'suspended', TestAccount>>,
  otherId: RepositoryId,
  repositoryIds: ReadonlyMap<string, RepositoryId>,
): Promise<Cast['parts']> {
  const { olive, stranger, reader, writer, maintainer, admin, suspended } = people
  const as = ({ id, login }: TestAccount, grant: Grant | null = null): Identity => ({
    kind: 'account',
    accountId: id,
    login,
    isAdmin: login === 'root',
    grant,
    tokenId: 0,
  })
  const bearer = (token: string) => ({ authorization: `Bearer ${token}` })
  const issue = (wanted: Omit<Parameters<typeof issueToken>[1], 'actor' | 'expiresAt'>) =>
    db.transaction(async (tx) => (await issueToken(tx, { ...wanted, actor: operator, expiresAt: null }, systemRandomness)).secret)
  const ofMaintainer = (name: string, grant: Grant) =>
    createToken(db, { account: maintainer.login, name, expiresAt: null, grant }, systemRandomness)
  const none: Grant = { scopes: [], ownerIds: null, repositoryIds: null }
  const read: Grant = { ...none, scopes: ['repository:read', 'organization:read', 'package:read'] }
  const write: Grant = { ...none, scopes: ['repository:write', 'organization:read', 'package:write'] }
  const figures: Grant = { ...none, scopes: ['server:read'] }
  const elsewhere: Grant = { ...none, scopes, repositoryIds: [otherId] }
  const session = await issue({ kind: 'session', bearer: { kind: 'account', accountId: olive.id, login: 'olive' }, name: 's', grant: null })
  const cookie = { cookie: `stemma_session=${session}` }
  const push: Grant = { ...none, scopes: ['repository:write', 'package:write'] }
  const deploy = (id: RepositoryId, fullName: string) =>
    issue({ kind: 'deploy', bearer: { kind: 'repository', repositoryId: id, ownerId: olive.id, fullName }, name: 'd', grant: push })
  const privateId = repositoryIds.get('olive/private') as RepositoryId
  const at = (repositoryId: RepositoryId): Identity => ({
    kind: 'repository',
    repositoryId,
    ownerId: olive.id,
    name: 'd',
    grant: push,
    tokenId: 0,
  })
  return {
    anonymous: { headers: {}, identity: { kind: 'anonymous' }, role: null },
    stranger: { headers: bearer(stranger.token), identity: as(stranger), role: null },
    reader: { headers: { authorization: `token ${reader.token}` }, identity: as(reader), role: 'read' },
    writer: { headers: { authorization: basic(`x:${writer.token}`) }, identity: as(writer), role: 'write' },
    maintainer: { headers: bearer(maintainer.token), identity: as(maintainer), role: 'admin' },
    olive: { headers: bearer(olive.token), identity: as(olive), role: null },
    admin: { headers: bearer(admin.token), identity: as(admin), role: null },
    session: { headers: { ...cookie, 'sec-fetch-site': 'same-origin' }, identity: as(olive), role: null },
    'session from elsewhere': { headers: { ...cookie, 'sec-fetch-site': 'cross-site' }, identity: as(olive), role: null },
    'ended session': { headers: { cookie: 'stemma_session=stm_00' }, identity: { kind: 'anonymous' }, role: null },
    'no scopes': { headers: bearer(await ofMaintainer('none', none)), identity: as(maintainer, none), role: 'admin' },
    'read scopes': { headers: bearer(await ofMaintainer('read', read)), identity: as(maintainer, read), role: 'admin' },
    'write scopes': { headers: bearer(await ofMaintainer('write', write)), identity: as(maintainer, write), role: 'admin' },
    'bound elsewhere': { headers: bearer(await ofMaintainer('bound', elsewhere)), identity: as(maintainer, elsewhere), role: 'admin' },
    'reading admin': {
      headers: bearer(await createToken(db, { account: admin.login, name: 'figures', expiresAt: null, grant: figures }, systemRandomness)),
      identity: as(admin, figures),
      role: null,
    },
    deploy: { headers: bearer(await deploy(privateId, 'olive/the-private')), identity: at(privateId), role: null },
    'deploy of another': { headers: bearer(await deploy(otherId, 'olive/other')), identity: at(otherId), role: null },
    suspended: { headers: bearer(suspended.token), identity: as(suspended), role: 'admin' },
    'expired token': { headers: bearer(olive.expired), identity: null, role: null },
    'unknown token': { headers: bearer('stm_0000000000000000000000000000000000000000'), identity: null, role: null },
    'session as a token': { headers: bearer(session), identity: null, role: null },
    'malformed header': { headers: { authorization: basic(':') }, identity: null, role: null },
  }
}

function basic(text: string): string {
  return `Basic ${Buffer.from(text).toString('base64')}`
}

/** The status of the answer: `admitted` where the handler would run. */
export function expected(cast: Cast, cell: Cell): number {
  const { route, action, caller } = cell
  const isCookie = 'cookie' in cast.parts[caller].headers
  if (route.isSigningIn && !isCookie) return admitted // what the header says isn't looked at
  const { identity } = cast.parts[caller]
  if (identity === null) return 401
  if (caller === 'session from elsewhere' && !['GET', 'HEAD'].includes(route.method)) return 403
  if (caller === 'suspended') return 403
  if (action === 'public') return admitted
  if (identity.kind === 'anonymous' && (!isOpenToAnonymous(action) || cell.kind === 'own-package')) return 401
  if (identity.kind === 'repository' && cell.kind === 'own-package') return 403 // no account calls
  const hidden = identity.kind === 'anonymous' && route.challenge ? 401 : 404
  const resource = resourceIn(cast, cell)
  if (resource !== null) {
    if (may(identity, action, resource)) return admitted
    const isSeen = resource.kind !== 'repository' && resource.kind !== 'package' ? true : may(identity, `${resource.kind}:read`, resource)
    return isSeen ? 403 : hidden
  }
  if (cell.kind === 'self') return 403 // no account calls
  const creating = action === 'repository:push' ? 'repository:create' : action === 'package:write' ? 'package:create' : null
  const isCreating = creating !== null && may(identity, creating, ownerIn(cast, cell))
  return isCreating ? admitted : hidden
}

/** Null: there is no such thing. */
function resourceIn(cast: Cast, { kind, owner, thing, caller }: Cell): Resource | null {
  const { identity, role } = cast.parts[caller]
  if (kind === 'self') {
    return identity?.kind === 'account' ? { kind: 'account', accountId: identity.accountId, accountKind: 'user', role: null } : null
  }
  if (kind === 'account' || kind === 'organization') {
    return thing === 'missing' || (kind === 'organization' && owner === 'olive') ? null : ownerIn(cast, { owner, caller })
  }
  if (kind === 'registry') return { kind }
  if (kind === 'own-package') return ownPackageIn(cast, identity, thing)
  const repositoryId = cast.repositoryIds.get(`${owner}/${thing}`)
  if (repositoryId === undefined || thing === 'missing') return null
  if (kind === 'package') {
    const packageId = cast.packageIds.get(`${owner}/${thing}`) as PackageId
    const facts = { kind, packageId, ownerId: cast.ownerIds[owner], visibility: thing, role, isUpstreams: false } as const
    return { ...facts, repositoryId: owner === 'guild' ? null : repositoryId }
  }
  return { kind: 'repository', repositoryId, ownerId: cast.ownerIds[owner], visibility: thing, role }
}

/** Olive and the maintainer have some; of the others' own there is none. */
function ownPackageIn(
  { ownerIds, packageIds, repositoryIds, maintainerId }: Cast,
  identity: Identity | null,
  thing: Thing,
): Resource | null {
  if (identity?.kind !== 'account' || thing === 'missing') return null
  const { accountId: ownerId } = identity
  if (ownerId !== ownerIds.olive && ownerId !== maintainerId) return null
  const isOlive = ownerId === ownerIds.olive
  const packageId = packageIds.get(`${isOlive ? 'olive' : 'maintainer'}/${thing}`) as PackageId
  const repositoryId = isOlive ? (repositoryIds.get(`olive/${thing}`) as RepositoryId) : null
  return { kind: 'package', packageId, ownerId, repositoryId, visibility: thing, role: null, isUpstreams: false }
}

function ownerIn(cast: Cast, { owner, caller }: Pick<Cell, 'owner' | 'caller'>): Resource {
  const accountKind = owner === 'guild' ? 'organization' : 'user'
  return { kind: 'account', accountId: cast.ownerIds[owner], accountKind, role: owner === 'guild' ? cast.parts[caller].role : null }
}

/** Where the action stands in the body. */
const bodies: Partial<Record<Action, string>> = {
  'repository:push': '{"operation":"upload"}',
  'repository:read': '{"operation":"download"}',
}

/** What stands for the rest of a path. */
function behind({ route: { url }, owner, thing }: Cell, rest: string): string {
  if (url.startsWith('/npm/')) return `${owner}/the-${thing}${rest === 'manifests/x' ? '' : `/${rest}`}`
  return url.startsWith('/v2/') ? `the-${thing}/${rest}` : 'x'
}

export async function ask(listener: Listener, cast: Cast, cell: Cell): Promise<LightMyRequestResponse> {
  const { route, action, caller, owner, thing } = cell
  const { access } = route
  const login = thing === 'missing' ? 'nobody' : owner
  const example =
    access === 'public' || typeof access.action === 'string' || action === 'public' ? '' : (access.action.examples[action] ?? '')
  const query = example.startsWith('?') ? example : ''
  const rest = example === query ? 'manifests/x' : example // of a path that a wildcard takes
  const path = route.url
    .replace(/:owner/, owner)
    .replace(/:repo/, `the-${thing}`)
    .replace(/:(login|org)\b/, login)
    .replace(':package_type', 'container')
    .replace(/:(package_name|package|image)\b/, route.url.startsWith('/npm/-/') ? `@${owner}%2fthe-${thing}` : `the-${thing}`)
    .replaceAll(/:\w+/g, '1')
    .replace('*', behind(cell, rest))
  const isBodyAsked = access !== 'public' && access.after === 'body'
  return listener.inject({
    method: route.method as 'GET',
    url: path + query,
    headers: { ...cast.parts[caller].headers, ...(isBodyAsked ? { 'content-type': 'application/json' } : {}) },
    ...(isBodyAsked && action !== 'public' ? { payload: bodies[action] ?? '' } : {}),
  })
}
