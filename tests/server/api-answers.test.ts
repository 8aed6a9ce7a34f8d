// What the API's routes answer to every kind of caller keeps to the schemas that they declare. Who is let in: authorisation.test.ts.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, test } from 'node:test'
import type { TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import {
  type Action,
  addSshKey,
  createAccount,
  createOrganization,
  createRepository,
  deleteRepository,
  findRepository,
  fullName,
  makeGate,
  onRepository,
  operator,
  type Repository,
  type SshKeyOwner,
} from '../../src/access/index.ts'
import { makeLog, systemClock, systemRandomness } from '../../src/base/index.ts'
import { Database } from '../../src/db/index.ts'
import { type Listener, makeListener, type RouteFacts, textForm } from '../../src/http/index.ts'
import { createHook, listDeliveries, pingHook } from '../../src/hooks/index.ts'
import { makeImage } from '../support/images.ts'
import { openApi, registerTestApi, testHooks, type TestApi } from '../support/api.ts'

let api: TestApi
before(async () => {
  api = await openApi(registerGitLike)
  await createAccount(api.db, { login: 'pat' })
  await createOrganization(api.db, { login: 'guild', firstAdmin: api.owner.id, actor: operator })
})
after(async () => await api?.close())

// Routes as the git room has them, so that challenge, choice of action and creating pushes are covered here too.
function registerGitLike(listener: Listener): void {
  listener.room({ form: textForm, challenge: true, body: { raw: /^application\/x-git-/ } }, (routes) => {
    const of = (request: { readonly url: string }): Action =>
      request.url.includes('git-receive-pack') ? 'repository:push' : 'repository:read'
    const choice = { of, examples: { 'repository:read': '?service=git-upload-pack', 'repository:push': '?service=git-receive-pack' } }
    routes.get('/:owner/:repo.git/info/refs', { config: { access: onRepository(choice) } }, async () => 'refs')
    routes.post('/:owner/:repo.git/git-receive-pack', { config: { access: onRepository('repository:push') } }, async () => 'pushed')
  })
}

const callers = ['anonymous', 'stranger', 'owner', 'admin', 'wrong token', 'expired token', 'malformed header'] as const
type Caller = (typeof callers)[number]
type Thing = 'public' | 'private' | 'missing'

function authorizationOf(caller: Caller): string | undefined {
  switch (caller) {
    case 'anonymous':
      return undefined
    case 'stranger':
      return `Bearer ${api.stranger.token}`
    case 'owner':
      return `Basic ${Buffer.from(`whoever:${api.owner.token}`).toString('base64')}`
    case 'admin':
      return `token ${api.admin.token}`
    case 'wrong token':
      return 'Bearer stm_0000000000000000000000000000000000000000'
    case 'expired token':
      return `Bearer ${api.owner.expired}`
    case 'malformed header':
      return 'Basic Og=='
  }
}

/** Of each repository: its hook, and a delivery of that. */
const hooks = new Map<string, { readonly hook: number; readonly delivery: number }>()

async function freshHook(repository: Repository): Promise<void> {
  const { db, owner } = api
  const room = testHooks(db)
  const settings = { isActive: false, events: ['push'], contentType: 'json', insecureSsl: false, secret: null } as const
  const act = { actor: operator, ownerId: owner.id, target: repository.name }
  const hook = await createHook(room, { repositoryId: repository.id }, { ...settings, url: 'http://127.0.0.1:9/' }, act)
  await pingHook(room, hook, { repository }, { ...owner, kind: 'user', isAdmin: false })
  await db.queries.updateTable('hook_delivery').set({ due_at: null, delivered_at: new Date(), status: 'OK', status_code: 200 }).execute()
  const [delivery] = await listDeliveries(db.queries, hook.id, { before: null, most: 1 })
  hooks.set(repository.name, { hook: hook.id, delivery: delivery?.id ?? 0 })
}

/** The owner's own key, and one of each repository. */
const keys = { own: 0, deploy: new Map<string, number>() }

async function freshKey(owner: SshKeyOwner): Promise<number> {
  const fields = [Buffer.from('ssh-ed25519'), randomBytes(32)].flatMap((field) => [Buffer.from([0, 0, 0, field.length]), field])
  const line = `ssh-ed25519 ${Buffer.concat(fields).toString('base64')}`
  return (await api.db.transaction((tx) => addSshKey(tx, { owner, title: '', line, isReadOnly: true, actor: operator }))).id
}

/** Of each image. */
const versions = new Map<string, number>()

async function freshThings(): Promise<void> {
  keys.own ||= await freshKey({ accountId: api.owner.id, login: api.owner.login })

  for (const visibility of ['public', 'private'] as const) {
    const old = await findRepository(api.db.queries, 'olive', `the-${visibility}`)
    if (old) await deleteRepository(api.db, old.id)
    const made = await createRepository(api.db, { ownerId: api.owner.id, name: `the-${visibility}`, visibility })
    await freshHook(made)
    const { versionId } = await makeImage(api.db, { ownerId: api.owner.id, ownerLogin: 'olive', name: made.name, visibility })
    versions.set(made.name, versionId)
    keys.deploy.set(made.name, await freshKey({ repositoryId: made.id, ownerId: made.ownerId, fullName: fullName(made) }))
  }
}

function urlOf(route: RouteFacts, action: Action | null, thing: Thing): string {
  const path = route.url
    .replace(/:owner/, 'olive')
    .replace(/:repo/, `the-${thing}`)
    .replace(':hook_id', String(hooks.get(`the-${thing}`)?.hook ?? 1))
    .replace(':delivery_id', String(hooks.get(`the-${thing}`)?.delivery ?? 1))
    .replace(':key_id', String(route.url.includes(':repo') ? (keys.deploy.get(`the-${thing}`) ?? 1) : keys.own))
    .replace('compare/*', 'compare/main...main')
    .replace('*', 'main')
    .replace(':branch', 'main')
    .replace(':id', '1')
    .replace(':sha', '1234567890123456789012345678901234567890')
    .replace(':package_type', 'container')
    .replace(/:(image|package_name|package)\b/, `the-${thing}`)
    .replace(/:(reference|tag|version)\b/, 'latest')
    .replace(':digest', `sha256%3A${'0'.repeat(64)}`)
    .replace(':package_version_id', String(versions.get(`the-${thing}`) ?? 1))
    .replace(/:login\b/, thing === 'missing' ? 'nobody' : 'olive')
    .replace(/:org\b/, thing === 'missing' ? 'nobody' : 'guild')
    .replace(/:username\b/, 'pat')
  assert.ok(!path.includes(':') && !path.includes('*'), `${route.url}: this test doesn't know how to fill its parameters; teach it`)
  if (route.access === 'public' || typeof route.access.action === 'string' || action === null) return path
  return path + (route.access.action.examples[action] ?? '')
}

async function ask(route: RouteFacts, url: string, caller: Caller) {
  const authorization = authorizationOf(caller)
  return api.listener.inject({ method: route.method as 'GET', url, headers: authorization === undefined ? {} : { authorization } })
}

test('a room with a challenge asks for credentials', async () => {
  const answer = await api.listener.inject({ url: '/olive/the-private.git/info/refs' })
  assert.deepEqual([answer.statusCode, answer.headers['www-authenticate']], [401, 'Basic realm="Stemma", charset="UTF-8"'])
})

test('answers keep to the schemas that the routes declare', async () => {
  await freshThings()
  let count = 0
  for (const route of api.listener.routes) {
    const responses = route.schema?.response as Record<string, TSchema> | undefined
    if (!responses || route.method === 'HEAD' || route.method === 'DELETE') continue
    for (const caller of callers) {
      const answer = await ask(route, urlOf(route, null, 'public'), caller)
      const schema = responses[answer.statusCode]
      if (route.access === 'public' && answer.statusCode === 401) continue
      assert.ok(schema, `${route.method} ${route.url} doesn't declare ${answer.statusCode}`)
      const validator = Compile(schema)
      assert.ok(
        validator.Check(bodyOf(answer)),
        `${route.method} ${route.url} ${answer.statusCode}: ${JSON.stringify(validator.Errors(bodyOf(answer)))}`,
      )
      count++
    }
  }
  assert.ok(count > 20)
})

test('without a database everything that needs one is 503, and nothing is let through', async () => {
  const log = makeLog('silent')
  const db = new Database({ url: 'postgresql://stemma@127.0.0.1:1/stemma', poolSize: 1, log })
  const listener = makeListener({
    gate: makeGate({ db, clock: systemClock, log, isCreatingOnPush: true }),
    log,
    randomness: systemRandomness,
  })
  registerTestApi(listener, db)
  registerGitLike(listener)
  for (const url of ['/api/v3/repos/olive/x', '/olive/x.git/info/refs']) {
    for (const headers of [{}, { authorization: `Bearer ${api.owner.token}` }]) {
      const answer = await listener.inject({ url, headers })
      assert.deepEqual([answer.statusCode, answer.headers['retry-after']], [503, '5'])
    }
  }
  await listener.close()
  await db.close()
})

/** A redirect has none; what is asked for raw is none of ours to look into. */
function bodyOf(answer: { readonly body: string; readonly headers: Readonly<Record<string, unknown>>; json(): unknown }): unknown {
  if (answer.body === '') return null
  return /json/.test(String(answer.headers['content-type'])) ? answer.json() : answer.body
}
