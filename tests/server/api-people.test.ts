// Users, organisations, members, collaborators, tokens and the audit as GitHub's own client sees them: Octokit, unmodified, with our base URL.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Octokit } from 'octokit'
import { openApi, type TestApi } from '../support/api.ts'
import { octokitOf } from '../support/octokit.ts'

let api: TestApi
before(async () => {
  api = await openApi()
})
after(async () => await api?.close())

const octokit = (auth?: string) => octokitOf(api.url, auth)
const by = (caller: 'owner' | 'stranger' | 'admin') => octokit(api[caller].token)

interface Fault {
  readonly field: string
  readonly code: string
  readonly message: string
}

/** Status, and the first field that was wrong. */
async function refused(call: Promise<unknown>): Promise<[number, string?]> {
  try {
    await call
  } catch (error) {
    const { status, response } = error as { status: number; response?: { data?: { errors?: Fault[] } } }
    assert.ok(typeof status === 'number', String(error))
    const field = response?.data?.errors?.[0]?.field
    return field === undefined ? [status] : [status, field]
  }
  return assert.fail('it was not refused')
}

test('a user changes himself, and finds the others', async () => {
  const { rest } = by('owner')
  const { data } = await rest.users.updateAuthenticated({ name: 'Olive Oyl', email: 'olive@example.org' })
  assert.deepEqual([data.login, data.name, data.email], ['Olive', 'Olive Oyl', 'olive@example.org'])
  assert.deepEqual(await refused(rest.users.updateAuthenticated({ email: 'nowhere' })), [422, 'email'])
  assert.equal((await by('stranger').rest.users.getByUsername({ username: 'olive' })).data.email, null)
  const everyone = await rest.users.list({ per_page: 100 })
  assert.deepEqual(everyone.data.map(({ login }) => login).sort(), ['Olive', 'root', 'sam'])
  const first = await rest.users.list({ per_page: 2 })
  const next = /<([^>]+)>; rel="next"/.exec(first.headers.link ?? '')?.[1] ?? ''
  assert.equal(((await rest.users.list({ since: Number(new URL(next).searchParams.get('since')) })).data ?? []).length, 1)
  assert.deepEqual(await refused(octokit().rest.users.list()), [401])
})

test('an organisation from its making to its end', async () => {
  const { rest, request } = by('owner')
  const made = await request('POST /user/orgs', { login: 'Guild', name: 'The Guild' })
  assert.deepEqual([made.status, made.data.login, made.data.type], [201, 'Guild', 'Organization'])
  assert.deepEqual(await refused(request('POST /user/orgs', { login: 'SAM' })), [422, 'login'])
  assert.deepEqual((await rest.orgs.get({ org: 'guild' })).data.name, 'The Guild')
  assert.equal((await rest.orgs.update({ org: 'guild', name: 'Guild', email: 'g@example.org' })).data.email, 'g@example.org')
  assert.deepEqual(await refused(by('stranger').rest.orgs.update({ org: 'guild', name: 'x' })), [403])
  assert.deepEqual(
    (await rest.orgs.listForAuthenticatedUser()).data.map(({ login }) => login),
    ['Guild'],
  )
  assert.deepEqual((await rest.users.getByUsername({ username: 'guild' })).data.type, 'Organization')

  const membership = (more: object) => rest.orgs.setMembershipForUser({ org: 'guild', username: 'sam', ...more })
  assert.deepEqual([(await membership({})).data.role, (await membership({})).data.state], ['member', 'active'])
  const writes = await request('PUT /orgs/{org}/memberships/{username}', { org: 'guild', username: 'sam', permission: 'write' } as never)
  assert.equal((writes.data as { permission?: string }).permission, 'write')
  assert.deepEqual(await refused(membership({ role: 'member', permission: 'admin' })), [422, 'permission'])
  assert.deepEqual(await refused(rest.orgs.setMembershipForUser({ org: 'guild', username: 'nobody' })), [404])
  assert.deepEqual(await refused(rest.orgs.setMembershipForUser({ org: 'guild', username: 'guild' })), [422, 'username'])
  const members = async (role: 'all' | 'admin' | 'member') =>
    (await rest.orgs.listMembers({ org: 'guild', role })).data.map(({ login }) => login)
  assert.deepEqual([await members('all'), await members('admin'), await members('member')], [['Olive', 'sam'], ['Olive'], ['sam']])
  assert.equal((await rest.orgs.checkMembershipForUser({ org: 'guild', username: 'sam' })).status, 204)
  assert.deepEqual((await by('stranger').rest.orgs.getMembershipForUser({ org: 'guild', username: 'olive' })).data.role, 'admin')
  const own = await by('stranger').rest.orgs.listMembershipsForAuthenticatedUser()
  assert.deepEqual(
    own.data.map(({ organization, role }) => [organization.login, role]),
    [['Guild', 'member']],
  )
  // a repository of the guild: whoever may write makes one, the guild can't go while it is there
  const repository = await by('stranger').rest.repos.createInOrg({ org: 'guild', name: 'tools', private: true })
  assert.deepEqual([repository.data.full_name, repository.data.permissions?.push], ['Guild/tools', true])
  assert.deepEqual(await refused(rest.orgs.delete({ org: 'guild' })), [422, 'org'])
  assert.deepEqual(await refused(rest.orgs.removeMember({ org: 'guild', username: 'olive' })), [422, 'role'])
  assert.equal((await by('stranger').request('DELETE /user/memberships/orgs/{org}', { org: 'guild' })).status, 204)
  assert.deepEqual(await refused(by('stranger').rest.repos.get({ owner: 'guild', repo: 'tools' })), [404])
  await rest.repos.delete({ owner: 'guild', repo: 'tools' })
  assert.equal((await rest.orgs.delete({ org: 'guild' })).status, 202)
  assert.deepEqual(await refused(rest.orgs.get({ org: 'guild' })), [404])
})

test('who belongs where is known to those who belong there', async () => {
  await by('owner').request('POST /user/orgs', { login: 'secret-society' })
  const seen = async (client: Octokit) => (await client.rest.orgs.listForUser({ username: 'olive' })).data.map(({ login }) => login)
  assert.deepEqual([await seen(octokit()), await seen(by('stranger')), await seen(by('owner'))], [[], [], ['secret-society']])
  assert.deepEqual(await refused(by('stranger').rest.orgs.listMembers({ org: 'secret-society' })), [403])
  assert.deepEqual(await refused(by('stranger').rest.orgs.checkMembershipForUser({ org: 'secret-society', username: 'olive' })), [403])
  // a token that isn't for organisations shows none of them, also to its own user
  const { data } = await by('owner').request('POST /user/tokens', { name: 'code only', scopes: ['repository:write'] })
  assert.deepEqual((await octokit(data.token).rest.orgs.listForAuthenticatedUser()).data, [])
  assert.deepEqual((await octokit(data.token).rest.orgs.listMembershipsForAuthenticatedUser()).data, [])
  await by('owner').rest.orgs.delete({ org: 'secret-society' })
})

test('collaborators: added, shown, changed, removed, at once', async () => {
  const { rest } = by('owner')
  const place = { owner: 'Olive', repo: 'shared' }
  await rest.repos.createForAuthenticatedUser({ name: 'shared', private: true })
  const sam = { ...place, username: 'sam' }
  const reads = async () => (await by('stranger').rest.repos.get(place)).data.permissions
  assert.deepEqual(await refused(reads()), [404])
  assert.equal((await rest.repos.addCollaborator({ ...sam, permission: 'pull' })).status, 204)
  assert.deepEqual(await reads(), { admin: false, push: false, pull: true })
  assert.deepEqual(await refused(by('stranger').rest.repos.listCollaborators(place)), [403])
  await rest.repos.addCollaborator(sam)
  assert.deepEqual(await reads(), { admin: false, push: true, pull: true })
  const list = await by('stranger').rest.repos.listCollaborators(place)
  assert.deepEqual(
    list.data.map(({ login, role_name }) => [login, role_name]),
    [
      ['Olive', 'admin'],
      ['sam', 'write'],
    ],
  )
  const only = (query: object) => rest.repos.listCollaborators({ ...place, ...query }).then(({ data }) => data.map(({ login }) => login))
  assert.deepEqual([await only({ affiliation: 'outside' }), await only({ permission: 'admin' })], [['sam'], ['Olive']])
  assert.equal((await rest.repos.checkCollaborator(sam)).status, 204)
  assert.deepEqual(await refused(rest.repos.checkCollaborator({ ...place, username: 'root' })), [404])
  const standing = async (username: string) => (await rest.repos.getCollaboratorPermissionLevel({ ...place, username })).data.permission
  assert.deepEqual([await standing('sam'), await standing('root'), await standing('olive')], ['write', 'admin', 'admin'])
  assert.deepEqual(await refused(rest.repos.addCollaborator({ ...place, username: 'olive' })), [422, 'username'])
  assert.deepEqual(await refused(rest.repos.addCollaborator({ ...sam, permission: 'triage' })), [422, 'permission'])
  assert.deepEqual(await refused(by('stranger').rest.repos.removeCollaborator(sam)), [403])
  assert.equal((await rest.repos.removeCollaborator(sam)).status, 204)
  assert.deepEqual(await refused(reads()), [404])
  assert.equal(await standing('sam'), 'none')
})

test('a repository goes to another owner, where its giver may make one', async () => {
  const { rest, request } = by('owner')
  await rest.repos.createForAuthenticatedUser({ name: 'gift', private: true })
  await request('POST /user/orgs', { login: 'receivers' })
  await by('stranger').request('POST /user/orgs', { login: 'closed' })
  const give = (owner: string, more: object) => rest.repos.transfer({ owner, repo: 'gift', new_owner: 'receivers', ...more })
  // what there isn't, and what is not his: the same words but for the name that he gave
  const told = async (new_owner: string) => {
    const answer = await fetch(`${api.url}/api/v3/repos/olive/gift/transfer`, {
      method: 'POST',
      body: JSON.stringify({ new_owner }),
      headers: { authorization: `Bearer ${api.owner.token}` },
    })
    return [answer.status, (await answer.text()).replaceAll(new_owner, 'X')]
  }
  assert.deepEqual(await told('closed'), await told('nowhere'))
  assert.deepEqual(await told('closed'), await told('sam'))
  assert.deepEqual(await refused(give('olive', { new_name: 'a/b' })), [422, 'new_name'])
  const given = await give('olive', { new_name: 'present' })
  assert.deepEqual([given.status, given.data.full_name], [202, 'receivers/present'])
  assert.deepEqual(await refused(rest.repos.get({ owner: 'olive', repo: 'gift' })), [404])
  const audit = await request('GET /orgs/{org}/audit-log', { org: 'receivers', phrase: 'action:repository' })
  assert.deepEqual(
    (audit.data as unknown as { action: string; details: object }[]).map(({ action, details }) => [action, details]),
    [['repository.transfer', { from: 'Olive/gift', to: 'receivers/present' }]],
  )
  const outbox = await api.db.queries.selectFrom('outbox').select('kind').where('kind', '=', 'repository.transferred').execute()
  assert.equal(outbox.length, 1)
})

test('tokens: shown once, no stronger than what asks for them, revoked at once', async () => {
  const { rest, request } = by('owner')
  await rest.repos.createForAuthenticatedUser({ name: 'alpha', private: true })
  await by('stranger').rest.repos.createForAuthenticatedUser({ name: 'hidden', private: true })
  const make = (client: Octokit, body: object) =>
    client.request('POST /user/tokens', body as never) as Promise<{ data: { id: number; token: string } }>
  const manager = octokit((await make(by('owner'), { name: 'manager', scopes: ['account:admin', 'repository:read'] })).data.token)
  assert.deepEqual(await refused(make(manager, { name: 'x', scopes: ['repository:write'] })), [422, 'scopes'])
  assert.deepEqual(await refused(make(manager, { name: 'x', scopes: null })), [422, 'scopes'])
  const reader = await make(manager, { name: 'reader', scopes: ['repository:read'], repositories: ['olive/alpha'] })
  assert.match(reader.data.token, /^stm_[0-9a-f]{40}$/)
  const one = octokit(reader.data.token)
  assert.equal((await one.rest.repos.get({ owner: 'olive', repo: 'alpha' })).status, 200)
  assert.deepEqual(await refused(one.rest.repos.get({ owner: 'olive', repo: 'shared' })), [404])
  assert.deepEqual(await refused(make(one, { name: 'x', scopes: [] })), [403])
  // another one's private repository and none at all
  for (const name of ['sam/hidden', 'sam/none', 'x', 'a/b/c']) {
    assert.deepEqual(await refused(make(manager, { name: 'x', scopes: [], repositories: [name] })), [422, 'repositories'])
  }
  const soon = new Date(Date.now() + 3_600_000).toISOString()
  const brief = octokit((await make(by('owner'), { name: 'brief', scopes: ['account:admin'], expires_at: soon })).data.token)
  assert.deepEqual(await refused(make(brief, { name: 'x', scopes: [] })), [422, 'expires_at'])
  assert.deepEqual(await refused(make(by('owner'), { name: 'x', scopes: [], expires_at: '2001-01-01T00:00:00Z' })), [422, 'expires_at'])
  assert.deepEqual(await refused(make(by('owner'), { name: 'reader', scopes: [] })), [422, 'name'])
  const listed = (await request('GET /user/tokens')).data as { id: number; name: string; token?: string; repositories: string[] | null }[]
  const shown = listed.find(({ name }) => name === 'reader')
  assert.deepEqual([shown?.id, shown?.repositories, shown?.token], [reader.data.id, ['Olive/alpha'], undefined])
  assert.deepEqual(await refused(by('stranger').request('DELETE /user/tokens/{id}', { id: reader.data.id })), [404])
  assert.equal((await manager.request('DELETE /user/tokens/{id}', { id: reader.data.id })).status, 204)
  assert.deepEqual(await refused(one.rest.repos.get({ owner: 'olive', repo: 'alpha' })), [401])
})

test('what a token is bound to is not told when its user may not read it any more', async () => {
  const place = { owner: 'sam', repo: 'lent' }
  await by('stranger').rest.repos.createForAuthenticatedUser({ name: 'lent', private: true })
  await by('stranger').rest.repos.addCollaborator({ ...place, username: 'olive' })
  await by('owner').request('POST /user/tokens', { name: 'for lent', scopes: ['repository:read'], repositories: ['sam/lent'] })
  await by('stranger').rest.repos.removeCollaborator({ ...place, username: 'olive' })
  await by('stranger').rest.repos.update({ ...place, name: 'new-name' })
  const { data } = await by('owner').request('GET /user/tokens')
  assert.deepEqual((data as { name: string; repositories: string[] }[]).find(({ name }) => name === 'for lent')?.repositories, [])
})

test('a repository’s own tokens', async () => {
  const { request } = by('owner')
  const place = { owner: 'Olive', repo: 'alpha' }
  const { data } = await request('POST /repos/{owner}/{repo}/tokens', { ...place, name: 'staging' })
  const deploy = octokit((data as { token: string }).token)
  assert.equal((await deploy.rest.repos.get(place)).status, 200)
  assert.deepEqual(await refused(deploy.rest.users.getAuthenticated()), [403])
  assert.deepEqual(await refused(request('POST /repos/{owner}/{repo}/tokens', { ...place, name: 'x', scopes: ['repository:admin'] })), [
    422,
    'scopes.0',
  ])
  assert.deepEqual(await refused(request('POST /repos/{owner}/{repo}/tokens', { ...place, name: 'staging' })), [422, 'name'])
  assert.deepEqual(await refused(by('stranger').request('GET /repos/{owner}/{repo}/tokens', place)), [404])
  const list = (await request('GET /repos/{owner}/{repo}/tokens', place)).data as { id: number; name: string; kind: string }[]
  assert.deepEqual(
    list.map(({ name, kind }) => [name, kind]),
    [['staging', 'deploy']],
  )
  const [{ id } = { id: 0 }] = list
  await by('owner').rest.repos.createForAuthenticatedUser({ name: 'beta' })
  assert.deepEqual(await refused(request('DELETE /repos/{owner}/{repo}/tokens/{id}', { owner: 'olive', repo: 'beta', id })), [404])
  assert.equal((await request('DELETE /repos/{owner}/{repo}/tokens/{id}', { ...place, id })).status, 204)
  assert.deepEqual(await refused(deploy.rest.repos.get(place)), [401])
})

test('administration: users made, changed, suspended, deleted; everybody’s tokens', async () => {
  const { rest, request } = by('admin')
  assert.equal((await request('POST /admin/users', { login: 'temp', email: 'temp@example.org' })).status, 201)
  assert.deepEqual(await refused(by('owner').request('POST /admin/users', { login: 'other' })), [403])
  assert.deepEqual(await refused(request('POST /admin/users', { login: 'temp' })), [422, 'login'])
  const renamed = await request('PATCH /admin/users/{username}', { username: 'temp', login: 'Temporary', name: 'T' })
  assert.deepEqual([renamed.data.login, renamed.data.suspended_at], ['Temporary', null])
  assert.deepEqual(await refused(request('PATCH /admin/users/{username}', { username: 'temporary', login: 'sam' })), [422, 'login'])
  assert.deepEqual(await refused(request('DELETE /users/{username}/site_admin', { username: 'root' })), [422, 'site_admin'])
  assert.equal((await request('PUT /users/{username}/suspended', { username: 'sam' })).status, 204)
  assert.deepEqual(await refused(by('stranger').rest.users.getAuthenticated()), [403])
  await request('DELETE /users/{username}/suspended', { username: 'sam' })
  assert.equal((await by('stranger').rest.users.getAuthenticated()).status, 200)
  assert.equal((await request('PUT /users/{username}/site_admin', { username: 'temporary' })).status, 204)
  const society = await request('POST /admin/organizations', { login: 'society', admin: 'temporary' })
  assert.equal(society.status, 201)
  assert.deepEqual(await refused(request('DELETE /admin/users/{username}', { username: 'temporary' })), [422, 'role'])
  await rest.orgs.delete({ org: 'society' })
  assert.equal((await request('DELETE /admin/users/{username}', { username: 'temporary' })).status, 204)
  const tokens = (await request('GET /admin/tokens', { account: 'sam' })).data as { id: number; bearer: string; user: { login: string } }[]
  assert.deepEqual([...new Set(tokens.map(({ bearer, user: { login } }) => `${bearer} ${login}`))], ['sam sam'])
  const extra = (await by('stranger').request('POST /user/tokens', { name: 'extra', scopes: [] })).data as { id: number; token: string }
  await request('DELETE /admin/tokens/{id}', { id: extra.id })
  assert.deepEqual(await refused(octokit(extra.token).rest.users.getByUsername({ username: 'sam' })), [401])
})

interface Entry {
  readonly _document_id: string
  readonly action: string
  readonly actor: string
  readonly actor_ip?: string | null
  readonly target: string
}

test('the audit: in pages both ways, narrowed, and all of it as lines', async () => {
  const { request } = by('admin')
  const ask = async (query: Record<string, string | number>) => {
    const { data, headers } = await request('GET /audit-log', query)
    return { entries: data as Entry[], link: headers.link ?? '' }
  }
  const follow = (link: string, rel: string) => {
    const url = new RegExp(`<([^>]+)>; rel="${rel}"`).exec(link)?.[1]
    return url === undefined
      ? null
      : request(`GET ${url}`).then(({ data, headers }) => ({ entries: data as Entry[], link: headers.link ?? '' }))
  }
  const ids = (entries: readonly Entry[]) => entries.map((entry) => entry._document_id)
  const all = (await ask({ per_page: 100 })).entries
  assert.ok(all.length > 20)
  const first = await ask({ per_page: 7 })
  const second = await follow(first.link, 'next')
  assert.deepEqual([...ids(first.entries), ...ids(second?.entries ?? [])], ids(all.slice(0, 14)))
  assert.equal(await follow(first.link, 'prev'), null)
  assert.deepEqual(ids((await follow(second?.link ?? '', 'prev'))?.entries ?? []), ids(first.entries))
  assert.deepEqual(ids((await ask({ per_page: 100, order: 'asc' })).entries).toReversed(), ids(all))
  const members = (await ask({ phrase: 'action:member actor:OLIVE', per_page: 100 })).entries
  assert.ok(members.length >= 3 && members.every(({ action, actor }) => action.startsWith('member.') && actor === 'Olive'))
  assert.deepEqual((await ask({ phrase: 'created:<2026-01-01' })).entries, [])
  assert.ok((await ask({ phrase: 'created:2026-01-01..*' })).entries.length > 0)
  for (const phrase of ['anything', 'action:', 'created:soon', 'repo:x']) assert.deepEqual(await refused(ask({ phrase })), [422, 'phrase'])
  assert.deepEqual(await refused(ask({ after: 'x' })), [422, 'after'])
  const lines = await fetch(`${api.url}/api/v3/audit-log?order=asc`, {
    headers: { authorization: `Bearer ${api.admin.token}`, accept: 'application/x-ndjson' },
  })
  assert.equal(lines.headers.get('content-type'), 'application/x-ndjson')
  const entries = (await lines.text())
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Entry)
  assert.deepEqual(ids(entries).toReversed(), ids(all))
  assert.ok(entries.some(({ actor, actor_ip: ip }) => actor === 'Olive' && ip === '127.0.0.1'))
  assert.equal(JSON.stringify(entries).includes('stm_'), false)
})

test('whose audit is whose', async () => {
  const { request } = by('owner')
  assert.deepEqual(await refused(request('GET /audit-log')), [403])
  const own = (await request('GET /user/audit-log', { phrase: 'action:token.create' })).data as Entry[]
  assert.ok(own.length > 0 && own.every(({ target }) => target.startsWith('Olive')))
  assert.equal('actor_ip' in (own[0] ?? {}), false)
  const place = { owner: 'olive', repo: 'shared' }
  const ofRepository = (await request('GET /repos/{owner}/{repo}/audit-log', { ...place, order: 'asc' })).data as Entry[]
  assert.deepEqual(
    ofRepository.map(({ action }) => action),
    ['repository.create', 'collaborator.add', 'collaborator.change', 'collaborator.remove'],
  )
  assert.deepEqual(await refused(by('stranger').request('GET /repos/{owner}/{repo}/audit-log', place)), [404])
  assert.deepEqual(await refused(by('stranger').request('GET /orgs/{org}/audit-log', { org: 'receivers' })), [403])
})

test('the document of the API is served, in both places, and known again', async () => {
  const [root, below] = await Promise.all(['/openapi.json', '/api/v3/openapi.json'].map((path) => fetch(api.url + path)))
  const text = await root?.text()
  assert.equal(await below?.text(), text)
  const document = JSON.parse(text ?? '') as { openapi: string; paths: Record<string, unknown> }
  assert.equal(document.openapi, '3.1.0')
  assert.ok(document.paths['/api/v3/orgs/{org}/memberships/{username}'])
  const again = await fetch(`${api.url}/openapi.json`, { headers: { 'if-none-match': root?.headers.get('etag') ?? '' } })
  assert.equal(again.status, 304)
})
