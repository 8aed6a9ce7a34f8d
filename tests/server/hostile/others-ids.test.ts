// Ids of other owners' things: every route that takes one, asked by sam about his own place with the id of a thing of olive's. What comes back is what a
// number that nobody has brings, to the byte, and olive's things stay as they were. The routes are the listener's own: a new one is covered when it is
// registered, or this test says which kind of thing it doesn't know.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type Account, findAccount } from '../../../src/access/index.ts'
import type { RouteFacts } from '../../../src/http/index.ts'
import { makeAccount, type TestAccount } from '../../support/accounts.ts'
import { openFaces, type TestFaces } from '../../support/faces.ts'
import { makeImage } from '../../support/images.ts'

let faces: TestFaces
let olive: TestAccount
let sam: TestAccount
/** Of olive's things, by the route that makes them. */
const ids = new Map<string, number>()
const nobodys = 999_999_999
const samsHooks = new Map<string, number>()

/** Keys of SSH: each opens one thing alone. */
const keys = [
  'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g',
  'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICAfHh0cGxoZGBcWFRQTEhEQDw4NDAsKCQgHBgUEAwIB',
  'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEDBQcJCw0PERMVFxkbHR8hIyUnKSstLzEzNTc5Oz0/',
]
const hook = { config: { url: 'https://hooks.example.org/x', secret: 'olives own secret' } }
/** How olive comes by each kind of thing: path below /api/v3, body. */
const made: readonly [string, object][] = [
  ['/repos/:owner/:repo/hooks', hook],
  ['/repos/:owner/:repo/keys', { title: 'olives deploy key', key: keys[0] }],
  ['/repos/:owner/:repo/tokens', { name: 'olives deploy token', scopes: ['repository:read'] }],
  ['/repos/:owner/:repo/ref-rules', { pattern: 'olives-branch' }],
  ['/repos/:owner/:repo/ci-trusts', { name: 'olives trust', issuer: 'https://gitlab.com', claims: { project_path: 'olive/app' } }],
  ['/orgs/:org/hooks', { name: 'web', ...hook }],
  ['/user/keys', { title: 'olives key', key: keys[1] }],
  ['/user/ssh_signing_keys', { title: 'olives signing key', key: keys[2] }],
  ['/user/tokens', { name: 'olives token', scopes: [] }],
]

async function ask(who: TestAccount, method: string, url: string, body?: object) {
  const payload = body === undefined ? {} : { payload: JSON.stringify(body) }
  const headers = { authorization: `Bearer ${who.token}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) }
  return faces.listener.inject({ method: method as 'GET', url, headers, ...payload })
}

const placeOf = (path: string, login: string) =>
  path
    .replace(':owner', login)
    .replace(':repo', 'app')
    .replace(':org', `${login}-org`)
    .replace(':login', login)
    .replace(':package_type', 'container')
    .replace(':package_name', 'app')

before(async () => {
  faces = await openFaces({ isWhole: true })
  ;[olive, sam] = [await makeAccount(faces.db, 'olive'), await makeAccount(faces.db, 'sam')]
  for (const who of [olive, sam]) {
    assert.equal((await ask(who, 'POST', '/api/v3/user/repos', { name: 'app' })).statusCode, 201)
    assert.equal((await ask(who, 'POST', '/api/v3/user/orgs', { login: `${who.login}-org` })).statusCode, 201)
  }
  for (const [path, body] of made) {
    const answer = await ask(olive, 'POST', `/api/v3${placeOf(path, 'olive')}`, body)
    assert.equal(answer.statusCode, 201, `${path}: ${answer.body}`)
    ids.set(path, (answer.json() as { id: number }).id)
  }
  const lock = await ask(olive, 'POST', '/olive/app.git/info/lfs/locks', { path: 'olives.psd' })
  ids.set('/:owner/:repo.git/info/lfs/locks', Number((lock.json() as { lock: { id: string } }).lock.id))
  for (const login of ['olive', 'sam', 'olive-org', 'sam-org']) {
    const { id: ownerId } = (await findAccount(faces.db.queries, login)) as Account
    const { versionId } = await makeImage(faces.db, { ownerId, ownerLogin: login, name: 'app' })
    const versions = 'packages/:package_type/:package_name/versions'
    if (login === 'olive') ids.set(`/user/${versions}`, versionId).set(`/users/:login/${versions}`, versionId)
    if (login === 'olive-org') ids.set(`/orgs/:org/${versions}`, versionId)
  }
  const session = await faces.db.queries
    .insertInto('token')
    .values({
      account_id: olive.id,
      kind: 'session',
      name: 'olives session',
      hash: Buffer.alloc(32, 7),
      expires_at: new Date(Date.now() + 1e9),
    })
    .returning('id')
    .executeTakeFirstOrThrow()
  ids.set('/user/sessions', session.id)
  for (const path of ['/repos/:owner/:repo/hooks', '/orgs/:org/hooks']) {
    // a hook is told that it was made
    const delivery = await faces.db.queries
      .selectFrom('hook_delivery')
      .select('id')
      .where('hook_id', '=', ids.get(path) as number)
      .executeTakeFirstOrThrow()
    ids.set(`${path}/:hook_id/deliveries`, delivery.id)
    const own = await ask(sam, 'POST', `/api/v3${placeOf(path, 'sam')}`, { name: 'web', ...hook })
    samsHooks.set(path, (own.json() as { id: number }).id)
  }
})
after(async () => await faces?.close())

/** The numbers that a route takes: not names, not what stands for any one of the server's administrators. */
function numbersOf({ url }: RouteFacts): string[] {
  return [...url.matchAll(/:(\w+)/g)].map(([, name]) => name as string).filter((name) => /^(?:\w+_)?id$/.test(name))
}

/** What has to stand in a body for the id to be looked at. */
const bodies: readonly [RegExp, object][] = [
  [/\/hooks\/:hook_id$/, { active: false }],
  [/\/hooks\/:hook_id\/config$/, { content_type: 'json' }],
  [/\/ref-rules\/:id$/, { pattern: 'sams-branch' }],
  [/\/locks\/:id\/unlock$/, {}],
]

test('an id of another owner’s thing is a number that nobody has, on every route that takes one', async () => {
  const before = await everything()
  let count = 0
  const strange: string[] = []
  for (const route of faces.listener.routes) {
    const numbers = numbersOf(route)
    if (numbers.length === 0 || route.method === 'HEAD' || route.url.startsWith('/api/v3/admin/')) continue
    const path = route.url.replace(/^\/api\/v3/, '')
    const first = path.slice(0, path.indexOf(`/:${numbers[0]}`))
    const olives = ids.get(first) ?? (first === '/user/gpg_keys' ? ids.get('/user/keys') : undefined)
    assert.ok(olives !== undefined, `${route.method} ${route.url}: this test has nothing of olive's there; teach it to make one`)
    const body = bodies.find(([pattern]) => pattern.test(route.url))?.[1]
    const told = async (id: number, ofOwnHook = false) => {
      const delivery = String(ofOwnHook ? id : (ids.get(`${first}/:hook_id/deliveries`) ?? nobodys))
      const values: Record<string, string> = {
        [numbers[0] as string]: String(ofOwnHook ? samsHooks.get(first) : id),
        delivery_id: delivery,
      }
      const url = placeOf(route.url, 'sam').replace(/:(\w+)/g, (_, name: string) => values[name] ?? '')
      const answer = await ask(sam, route.method, url, route.method === 'GET' || route.method === 'DELETE' ? undefined : (body ?? {}))
      const requestId = String(answer.headers['x-request-id'])
      return [answer.statusCode, answer.body.replaceAll(requestId, 'ID').replaceAll(String(id), 'N')]
    }
    const [others, missing] = [await told(olives), await told(nobodys)]
    if (others[0] !== 404) strange.push(`${route.method} ${route.url}: ${others.join(' ')}`)
    assert.deepEqual(others, missing, `${route.method} ${route.url}`)
    if (numbers.includes('delivery_id')) {
      const delivery = await told(ids.get(`${first}/:hook_id/deliveries`) as number, true)
      assert.equal(delivery[0], 404, `${route.method} ${route.url} of his own hook: ${delivery.join(' ')}`)
      assert.deepEqual(delivery, await told(nobodys, true), `${route.method} ${route.url}, of his own hook`)
    }
    count++
  }
  assert.deepEqual(strange, [])
  assert.ok(count >= 25, `${count} routes`)
  assert.deepEqual(await everything(), before)
})

/** Olive's things as they stand in the database. */
async function everything(): Promise<unknown[]> {
  const { queries } = faces.db
  return Promise.all([
    queries.selectFrom('hook').select(['id', 'is_active', 'url', 'content_type', 'secret']).orderBy('id').execute(),
    queries.selectFrom('ssh_key').select(['id', 'title']).orderBy('id').execute(),
    queries.selectFrom('ref_rule').select(['id', 'pattern']).orderBy('id').execute(),
    queries.selectFrom('ci_trust').select(['id', 'name']).orderBy('id').execute(),
    queries.selectFrom('lfs_lock').select(['id', 'path']).orderBy('id').execute(),
    queries.selectFrom('token').select(['id', 'name']).orderBy('id').execute(),
    queries.selectFrom('oci_manifest').select(['id', 'digest']).orderBy('id').execute(),
  ])
}
