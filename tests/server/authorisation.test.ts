// Every registered route × every kind of caller × public, private and missing things. What must come out follows from what the route
// declares, and the routes are the listener's own list: a new route is covered as soon as it is registered, or this test says what it lacks.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import {
  makeGate,
  actions,
  createRepository,
  deleteRepository,
  findRepository,
  isOpenToAnonymous,
  may,
  onRepository,
  type Action,
  type Identity,
} from '../../src/access/index.ts'
import { makeLog, systemClock, systemRandomness } from '../../src/base/index.ts'
import { Database } from '../../src/db/index.ts'
import { actionsOf, type Listener, makeListener, type RouteFacts, textForm } from '../../src/http/index.ts'
import { openApi, registerTestApi, type TestApi } from '../support/api.ts'

let api: TestApi
before(async () => {
  api = await openApi(registerGitLike)
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
const things = ['public', 'private', 'missing'] as const
type Thing = (typeof things)[number]

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

function identityOf(caller: Caller): Identity | null {
  if (caller === 'anonymous') return { kind: 'anonymous' }
  if (caller !== 'stranger' && caller !== 'owner' && caller !== 'admin') return null
  return { kind: 'account', accountId: api[caller].id, login: api[caller].login, isAdmin: caller === 'admin', tokenId: 0 }
}

/** `allowed`: any status but 401, 403, 404. */
function expected(route: RouteFacts, action: Action | null, caller: Caller, thing: Thing): number | 'allowed' {
  const identity = identityOf(caller)
  if (identity === null) return 401
  if (action === null) return 'allowed'
  if (identity.kind === 'anonymous' && !isOpenToAnonymous(action)) return 401
  const hidden = identity.kind === 'anonymous' && route.challenge ? 401 : 404
  if (action === 'server:read') return identity.kind === 'account' && identity.isAdmin ? 'allowed' : 403
  if (!route.url.includes(':repo')) return route.url.includes(':login') && thing === 'missing' ? 404 : 'allowed'
  const ownerId = api.owner.id
  if (thing === 'missing') {
    const isCreating = action === 'repository:push' && may(identity, 'repository:create', { kind: 'account', accountId: ownerId })
    return isCreating ? 'allowed' : hidden
  }
  const resource = { kind: 'repository', ownerId, visibility: thing } as const
  if (may(identity, action, resource)) return 'allowed'
  return may(identity, 'repository:read', resource) ? 403 : hidden
}

async function freshThings(): Promise<void> {
  for (const visibility of ['public', 'private'] as const) {
    const old = await findRepository(api.db.queries, 'olive', `the-${visibility}`)
    if (old) await deleteRepository(api.db, old.id)
    await createRepository(api.db, { ownerId: api.owner.id, name: `the-${visibility}`, visibility })
  }
}

function urlOf(route: RouteFacts, action: Action | null, thing: Thing): string {
  const path = route.url
    .replace(/:owner/, 'olive')
    .replace(/:repo/, `the-${thing}`)
    .replace('*', 'main')
    .replace(/:login/, thing === 'missing' ? 'nobody' : 'olive')
  assert.ok(!path.includes(':') && !path.includes('*'), `${route.url}: this test doesn't know how to fill its parameters; teach it`)
  if (route.access === 'public' || typeof route.access.action === 'string' || action === null) return path
  return path + (route.access.action.examples[action] ?? '')
}

async function ask(route: RouteFacts, url: string, caller: Caller) {
  const authorization = authorizationOf(caller)
  return api.listener.inject({ method: route.method as 'GET', url, headers: authorization === undefined ? {} : { authorization } })
}

function routeActions(route: RouteFacts): (Action | null)[] {
  return route.access === 'public' ? [null] : (actionsOf(route.access) as Action[])
}

test('every route for every caller', async () => {
  const faults: string[] = []
  let count = 0
  for (const route of api.listener.routes) {
    for (const action of routeActions(route)) {
      for (const caller of callers) {
        for (const thing of things) {
          if (route.method !== 'GET' && route.method !== 'HEAD') await freshThings()
          else if (count === 0) await freshThings()
          const url = urlOf(route, action, thing)
          const { statusCode } = await ask(route, url, caller)
          const wanted = expected(route, action, caller, thing)
          const isRight = wanted === 'allowed' ? ![401, 403, 404].includes(statusCode) && statusCode < 500 : statusCode === wanted
          if (!isRight) faults.push(`${route.method} ${url} by ${caller}: ${statusCode}, wanted ${wanted}`)
          count++
        }
      }
    }
  }
  assert.deepEqual(faults, [])
  assert.ok(count > 300, `${count} requests`)
})

test('every action is declared by some route', () => {
  const declared = new Set(api.listener.routes.flatMap(routeActions))
  assert.deepEqual(
    [...actions].filter((action) => !declared.has(action)),
    [],
  )
})

test('a private thing answers like a missing one, byte for byte', async () => {
  await freshThings()
  for (const route of api.listener.routes) {
    if (!route.url.includes(':repo')) continue
    for (const action of routeActions(route)) {
      for (const caller of ['anonymous', 'stranger'] as const) {
        const answers = await Promise.all((['private', 'missing'] as const).map((thing) => ask(route, urlOf(route, action, thing), caller)))
        const [hidden, missing] = answers.map(({ statusCode, headers, body }) => ({
          statusCode,
          headers: { ...headers, 'x-request-id': '', date: '' },
          body,
        }))
        assert.deepEqual(hidden, missing, `${route.method} ${route.url}`)
      }
    }
  }
})

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

/** A redirect has none. */
function bodyOf(answer: { readonly body: string; json(): unknown }): unknown {
  return answer.body === '' ? null : answer.json()
}
