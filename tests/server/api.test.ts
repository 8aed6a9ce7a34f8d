// The API as GitHub's own client sees it: Octokit, unmodified, with our base URL.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { openApi, type TestApi } from '../support/api.ts'
import { octokitOf } from '../support/octokit.ts'

let api: TestApi
before(async () => {
  api = await openApi()
})
after(async () => await api?.close())

const octokit = (auth?: string) => octokitOf(api.url, auth)

interface ErrorBody {
  readonly message: string
  readonly status: string
  readonly documentation_url: string
  readonly errors?: readonly { readonly resource: string; readonly field: string; readonly code: string; readonly message: string }[]
}

async function refused(call: Promise<unknown>): Promise<{ status: number; body: ErrorBody }> {
  try {
    await call
  } catch (error) {
    const { status, response } = error as { status: number; response: { data: ErrorBody } }
    assert.ok(response, String(error))
    assert.equal(response.data.status, String(status))
    assert.match(response.data.documentation_url, /^https:/)
    return { status, body: response.data }
  }
  return assert.fail('it was not refused')
}

test('create, get, list, change, rename, delete', async () => {
  const { rest } = octokit(api.owner.token)
  const { status, data, headers } = await rest.repos.createForAuthenticatedUser({ name: 'Hello', description: 'first', private: true })
  assert.equal(status, 201)
  assert.equal(headers.location, `${api.url}/api/v3/repos/Olive/Hello`)
  assert.deepEqual(
    [data.full_name, data.private, data.visibility, data.default_branch, data.description, data.size],
    ['Olive/Hello', true, 'private', 'main', 'first', 0],
  )
  assert.equal(data.clone_url, `${api.url}/Olive/Hello.git`)
  assert.match(data.created_at ?? '', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
  assert.deepEqual([data.owner.login, data.permissions], ['Olive', { admin: true, push: true, pull: true }])
  const got = await rest.repos.get({ owner: 'olive', repo: 'hello' })
  assert.deepEqual(got.data, data)
  const changed = await rest.repos.update({ owner: 'Olive', repo: 'Hello', name: 'Goodbye', private: false, description: '' })
  assert.deepEqual([changed.data.full_name, changed.data.private, changed.data.description], ['Olive/Goodbye', false, ''])
  assert.equal((await refused(rest.repos.get({ owner: 'Olive', repo: 'Hello' }))).status, 404)
  assert.equal((await octokit().rest.repos.get({ owner: 'Olive', repo: 'Goodbye' })).data.permissions?.push, false)
  assert.equal((await rest.repos.delete({ owner: 'Olive', repo: 'Goodbye' })).status, 204)
  assert.equal((await refused(rest.repos.get({ owner: 'Olive', repo: 'Goodbye' }))).status, 404)
})

test('users', async () => {
  const own = await octokit(api.owner.token).rest.users.getAuthenticated()
  assert.deepEqual([own.data.login, own.data.id, own.data.site_admin, own.data.type], ['Olive', api.owner.id, false, 'User'])
  const other = await octokit().rest.users.getByUsername({ username: 'ROOT' })
  assert.deepEqual([other.data.login, other.data.site_admin], ['root', true])
  assert.equal((await refused(octokit().rest.users.getByUsername({ username: 'nobody' }))).status, 404)
  assert.deepEqual((await octokit().request('GET /')).data.current_user_url, `${api.url}/api/v3/user`)
  assert.equal((await octokit().rest.meta.get()).data.verifiable_password_authentication, false)
})

test('lists: Octokit follows the Link header through every page', async () => {
  const { rest, paginate } = octokit(api.stranger.token)
  const names = Array.from({ length: 25 }, (_, index) => `r${String(index).padStart(2, '0')}`)
  for (const name of names) await rest.repos.createForAuthenticatedUser({ name, private: name > 'r19' })
  const all = await paginate(rest.repos.listForAuthenticatedUser, { per_page: 7 })
  assert.deepEqual(
    all.map((repository) => repository.name),
    names,
  )
  const first = await rest.repos.listForAuthenticatedUser({ per_page: 7 })
  assert.equal(first.data.length, 7)
  assert.match(first.headers.link ?? '', /page=2>; rel="next", .*page=4>; rel="last"/)
  assert.equal((await rest.repos.listForAuthenticatedUser({ per_page: 1000 })).data.length, 25)
  const of = async (query: Parameters<typeof rest.repos.listForAuthenticatedUser>[0]) =>
    (await rest.repos.listForAuthenticatedUser(query)).data.map((item) => item.name)
  assert.deepEqual(await of({ type: 'private' }), names.slice(20))
  assert.deepEqual(await of({ visibility: 'public', per_page: 2, page: 2 }), ['r02', 'r03'])
  assert.deepEqual(await of({ sort: 'created', per_page: 2 }), ['r24', 'r23'])
  assert.deepEqual(await of({ direction: 'desc', per_page: 1 }), ['r24'])
  assert.deepEqual([await of({ type: 'member' }), await of({ affiliation: 'collaborator' }), await of({ page: 99 })], [[], [], []])
  assert.equal((await refused(of({ type: 'owner', visibility: 'all' }))).status, 422)
  assert.equal((await refused(of({ sort: 'size' as 'created' }))).status, 422)
  const seen = async (auth?: string) => {
    const client = octokit(auth)
    return (await client.paginate(client.rest.repos.listForUser, { username: 'sam' })).length
  }
  assert.deepEqual(
    [await seen(), await seen(api.owner.token), await seen(api.stranger.token), await seen(api.admin.token)],
    [20, 20, 25, 25],
  )
})

test('object_format is our own field', async () => {
  const { request } = octokit(api.owner.token)
  const made = await request('POST /user/repos', { name: 'long-ids', object_format: 'sha256' } as { name: string })
  assert.equal((made.data as { object_format?: string }).object_format, 'sha256')
  const { body } = await refused(request('POST /user/repos', { name: 'odd', object_format: 'md5' } as { name: string }))
  assert.deepEqual(
    [body.message, body.errors?.[0]?.resource, body.errors?.[0]?.field, body.errors?.[0]?.code],
    ['Validation Failed', 'Repository', 'object_format', 'invalid'],
  )
  assert.equal(body.errors?.[0]?.message, 'object_format must be one of sha1, sha256')
})

test('the default branch must exist', async () => {
  const { rest } = octokit(api.owner.token)
  const { data } = await rest.repos.createForAuthenticatedUser({ name: 'branches' })
  const place = { owner: 'Olive', repo: 'branches' }
  const { status, body } = await refused(rest.repos.update({ ...place, default_branch: 'dev' }))
  assert.deepEqual([status, body.errors?.[0]?.field, body.errors?.[0]?.code], [422, 'default_branch', 'invalid'])
  for (const name of ['', 'a..b', '/a', 'a/', 'a b', 'a\u0000', '-a', '.a', 'a.lock', 'a@{1', 'x'.repeat(300), 'refs/heads/y', 'a\ud800']) {
    assert.equal((await refused(rest.repos.update({ ...place, default_branch: name }))).status, 422, JSON.stringify(name))
  }
  await api.db.queries
    .insertInto('ref')
    .values({ repository_id: data.id, name: 'refs/heads/dev', oid: new Uint8Array(20) })
    .execute()
  assert.equal((await rest.repos.update({ ...place, default_branch: 'dev' })).data.default_branch, 'dev')
})

test('what is wrong is told in GitHub’s shape', async () => {
  const { rest, request } = octokit(api.owner.token)
  await rest.repos.createForAuthenticatedUser({ name: 'taken' })
  const again = await refused(rest.repos.createForAuthenticatedUser({ name: 'TAKEN' }))
  assert.deepEqual([again.status, again.body.message], [422, 'Repository creation failed.'])
  assert.deepEqual(again.body.errors, [
    { resource: 'Repository', field: 'name', code: 'custom', message: 'name already exists on this account' },
  ])
  const missing = await refused(request('POST /user/repos', {} as { name: string }))
  assert.deepEqual([missing.status, missing.body.message, missing.body.errors?.[0]?.code], [422, 'Validation Failed', 'missing_field'])
  for (const body of [
    { name: 'a/b' },
    { name: '..' },
    { name: 'a.git' },
    { name: 1 },
    { name: 'x', private: 'yes' },
    { name: 'x', description: 'a\u0000' },
    { name: 'x', description: 'half a pair \udc00' },
    { name: 'x', default_branch: 'refs/heads/y' },
    { name: 'x', default_branch: 'y\ud800' },
    { name: 'x', private: true, visibility: 'public' },
    { name: 'x', auto_init: true },
  ]) {
    assert.equal((await refused(request('POST /user/repos', body as { name: string }))).status, 422, JSON.stringify(body))
  }
  const url = `${api.url}/api/v3/user/repos`
  const broken = await fetch(url, { method: 'POST', body: '{', headers: { authorization: `Bearer ${api.owner.token}` } })
  assert.deepEqual([broken.status, ((await broken.json()) as ErrorBody).message], [400, 'Problems parsing JSON'])
  assert.deepEqual((await refused(octokit('stm_wrong').rest.users.getAuthenticated())).body.message, 'Bad credentials')
  assert.deepEqual((await refused(octokit().rest.users.getAuthenticated())).body.message, 'Requires authentication')
  const forbidden = await refused(octokit(api.stranger.token).rest.repos.delete({ owner: 'Olive', repo: 'taken' }))
  assert.deepEqual([forbidden.status, forbidden.body.message], [403, 'Must have admin rights to Repository.'])
  const reader = await refused(octokit(api.stranger.token).request('PUT /repos/Olive/taken/contents/x', { message: 'x', content: '' }))
  assert.match(
    `${reader.status} ${reader.body.message}`,
    /^403 You may read this repository, but not push to it: this takes the role write/,
  )
  const ruler = await refused(octokit(api.stranger.token).request('GET /audit-log'))
  assert.match(`${ruler.status} ${ruler.body.message}`, /^403 This takes an administrator of the server/)
  assert.equal((await refused(octokit().request('GET /nowhere'))).body.message, 'Not Found')
})

test('an answer that the client has already is not sent again', async () => {
  const url = `${api.url}/api/v3/user`
  const ask = (headers: Record<string, string> = {}) => fetch(url, { headers: { authorization: `Bearer ${api.owner.token}`, ...headers } })
  const first = await ask()
  const tag = first.headers.get('etag') ?? ''
  assert.match(tag, /^W\/"/)
  const second = await ask({ 'if-none-match': `"x", ${tag}` })
  assert.deepEqual([second.status, await second.text(), second.headers.get('etag')], [304, '', tag])
  assert.equal((await ask({ 'if-none-match': 'W/"x"' })).status, 200)
  const head = await fetch(url, { method: 'HEAD', headers: { authorization: `Bearer ${api.owner.token}` } })
  assert.deepEqual([head.status, head.headers.get('etag')], [200, tag])
})

test('a revoked token is void at once, and no token is ever logged', async () => {
  const { token } = api.stranger
  const status = async () => (await fetch(`${api.url}/api/v3/user`, { headers: { authorization: `Bearer ${token}` } })).status
  assert.equal(await status(), 200)
  await api.db.queries.deleteFrom('token').where('account_id', '=', api.stranger.id).where('name', '=', 'test').execute()
  assert.equal(await status(), 401)
  const secrets = [api.owner, api.stranger, api.admin].flatMap((account) => [
    account.token,
    Buffer.from(`x:${account.token}`).toString('base64'),
  ])
  assert.ok(api.log.length > 50 && api.log.every((line) => !secrets.some((secret) => line.includes(secret))))
})

test('settings of git are read and changed by their names', async () => {
  const kit = octokit(api.owner.token)
  await kit.rest.repos.createForAuthenticatedUser({ name: 'configured' })
  const url = '/repos/{owner}/{repo}/git-config'
  const at = { owner: 'Olive', repo: 'configured' }
  assert.deepEqual((await kit.request(`GET ${url}`, at)).data, {})
  const body = { ...at, 'receive.denyDeletes': true, 'transfer.hideRefs': ['refs/pull', '!refs/pull/1'], 'receive.certNonceSeed': 'secret' }
  const changed = await kit.request(`PATCH ${url}`, body as never)
  assert.deepEqual(changed.data, {
    'receive.denydeletes': ['true'],
    'transfer.hiderefs': ['refs/pull', '!refs/pull/1'],
    'receive.certnonceseed': ['(set)'],
  })
  // what was shown can be sent back
  assert.deepEqual((await kit.request(`PATCH ${url}`, { ...at, ...changed.data } as never)).data, changed.data)
  const kept = await api.db.queries.selectFrom('repository').select('settings').where('name', '=', 'configured').executeTakeFirstOrThrow()
  assert.deepEqual((kept.settings as Record<string, unknown>)['receive.certnonceseed'], ['secret'])
  const taken = await kit.request(`PATCH ${url}`, { ...at, 'transfer.hiderefs': null, 'Receive.certNonceSeed': null } as never)
  assert.deepEqual(taken.data, { 'receive.denydeletes': ['true'] })
  assert.deepEqual((await kit.request(`GET ${url}`, at)).data, taken.data)
  for (const bad of [
    { 'receive.denyDelete': true },
    { 'receive.denyDeletes': 'perhaps' },
    { 'not a key': 'x' },
    { 'core.pager': 'less' },
  ]) {
    assert.equal((await refused(kit.request(`PATCH ${url}`, { ...at, ...bad } as never))).status, 422, JSON.stringify(bad))
  }
  assert.deepEqual((await kit.request(`GET ${url}`, at)).data, taken.data)
})
