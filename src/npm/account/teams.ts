// `npm org` and `npm team`. Members of an organisation have one role in all that it has (docs/design/access.md); there are no teams but one, as npm's own registry makes it
// for every organisation: `developers`, which is all members. What would need others is refused in words that say how it is done here.
import type { FastifyReply, FastifyRequest } from 'fastify'
import { type Account, accountOf, actorOf, findAccount, memberRole, onOrganization, type Role, setMember } from '../../access/index.ts'
import { InputError } from '../../base/index.ts'
import { notFound, type Routes } from '../../http/index.ts'
import { sendJson } from '../protocol/form.ts'
import { type JsonObject, readObject, textIn } from '../protocol/json-body.ts'
import { type AccountParts, smallBodyBytes } from './parts.ts'
import { membersOf } from './people.ts'

const onlyTeam = 'developers'

const rolesOfNpm: Readonly<Record<string, Role>> = { developer: 'write', admin: 'admin', owner: 'admin' }
/** `read` is none of npm's: clients show the word as it is. */
const wordsForNpm: Readonly<Record<Role, string>> = { read: 'read', write: 'developer', admin: 'admin' }

export function registerTeams(routes: Routes, parts: AccountParts, prefix: string): void {
  const { db } = parts
  const read = { config: { access: onOrganization('organization:read') } }
  const change = { config: { access: onOrganization('organization:administer') } }
  const members = `${prefix}/-/org/:org/user`
  routes.get(members, read, async (request, reply) => {
    const found = [...(await membersOf(db.queries, accountOf(request).id))]
    return sendJson(reply, 200, Object.fromEntries(found.map(([login, role]) => [login, wordsForNpm[role]])))
  })
  routes.put(members, change, (request, reply) => addMember(parts, request, reply))
  routes.delete(members, change, async (request, reply) => {
    const body = await readObject(request, smallBodyBytes)
    await setMember(db, accountOf(request), await userIn(parts, body), null, actorOf(request))
    return reply.code(204).send()
  })
  registerTeam(routes, parts, prefix)
}

function registerTeam(routes: Routes, parts: AccountParts, prefix: string): void {
  const read = { config: { access: onOrganization('organization:read') } }
  const change = { config: { access: onOrganization('organization:administer') } }
  const teams = `${prefix}/-/org/:org/team`
  const team = `${prefix}/-/team/:org/:team`
  routes.get(teams, read, async (request, reply) => sendJson(reply, 200, [`${accountOf(request).login}:${onlyTeam}`]))
  routes.put(teams, change, async () =>
    refuse('There is one team, developers, which is all members of the organisation: no other can be made'),
  )
  routes.delete(team, change, async (request) => {
    assertTeam(request)
    return refuse('The team developers is all members of the organisation: it stays')
  })
  routes.get(`${team}/user`, read, async (request, reply) => {
    assertTeam(request)
    return sendJson(reply, 200, [...(await membersOf(parts.db.queries, accountOf(request).id)).keys()])
  })
  routes.put(`${team}/user`, change, async (request, reply) => {
    assertTeam(request)
    const user = await userIn(parts, await readObject(request, smallBodyBytes))
    const organization = accountOf(request)
    const isMember = (await memberRole(parts.db.queries, organization.id, user.id)) !== null
    if (!isMember) await setMember(parts.db, organization, user, 'write', actorOf(request))
    return sendJson(reply, 201, {})
  })
  routes.delete(`${team}/user`, change, async (request) => {
    assertTeam(request)
    const { login } = accountOf(request)
    return refuse(`The team developers is all members of ${login}: to take somebody out of it, npm org rm ${login} USER`)
  })
  routes.put(`${team}/package`, change, (request, reply) => grant(request, reply))
  routes.delete(`${team}/package`, change, async (request) => {
    assertTeam(request)
    return refuse(
      'Members have their role in all packages of the organisation: it can not be taken from them for one. Its visibility can: npm access set status=',
    )
  })
}

/** Refusal 404: there is no other team. */
export function assertTeam(request: FastifyRequest): void {
  if ((request.params as { readonly team: string }).team !== onlyTeam) throw notFound()
}

async function addMember(parts: AccountParts, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const body = await readObject(request, smallBodyBytes)
  const word = textIn(body, 'role') ?? 'developer'
  const role = Object.hasOwn(rolesOfNpm, word) ? rolesOfNpm[word] : undefined
  if (role === undefined) throw new InputError('bad-role', 'The role is developer, admin or owner')
  const [organization, user] = [accountOf(request), await userIn(parts, body)]
  await setMember(parts.db, organization, user, role, actorOf(request))
  const { size } = await membersOf(parts.db.queries, organization.id)
  return sendJson(reply, 200, { org: { name: organization.login, size }, user: user.login, role: wordsForNpm[role] })
}

/** What every member that publishes has already; less can't be said of one package. */
async function grant(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  assertTeam(request)
  const body = await readObject(request, smallBodyBytes)
  if (body.permissions === 'read-write') return sendJson(reply, 201, {})
  return refuse('Members have their role in all packages of the organisation: it can not be made less for one. For all: npm org set')
}

async function userIn({ db }: AccountParts, body: JsonObject): Promise<Account> {
  const login = textIn(body, 'user') ?? ''
  const account = await findAccount(db.queries, login.replace(/^[~@]/, ''))
  if (account !== null && account.kind === 'user') return account
  throw new InputError('no-such-user', `There is no user '${login.slice(0, 100)}'`)
}

function refuse(how: string): never {
  throw new InputError('no-teams', how)
}
