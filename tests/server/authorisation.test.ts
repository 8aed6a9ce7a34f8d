// Who may do what, at the server's own door: every route of every protocol × every kind of caller × public, internal, private and missing things of a user
// and of an organisation. What must come out follows from authorisation.routes.txt, which is read and changed by people: a route whose declaration
// differs from its line there fails, and so does one without a line.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type Action, actions } from '../../src/access/index.ts'
import { actionsOf, assertDeclared, type RouteFacts } from '../../src/http/index.ts'
import { openFaces, type TestFaces } from '../support/faces.ts'
import { ask, type Caller, callers, type Cell, expected, makeCast, type Cast, things, owners } from './authorisation/cast.ts'

let faces: TestFaces
let cast: Cast
before(async () => {
  faces = await openFaces()
  cast = await makeCast(faces.db)
})
after(async () => await faces?.close())

const table = join(import.meta.dirname, 'authorisation.routes.txt')

/** One route with one of its actions, as the table has it. */
interface Row {
  readonly method: string
  readonly url: string
  readonly action: Action | 'public'
  readonly kind: string
}

const lineOf = ({ method, url, action, kind }: Row) => `${method.padEnd(6)} ${url} ${action} ${kind}`.trimEnd()

function rowsOf(route: RouteFacts): Row[] {
  const { method, url, access } = route
  if (access === 'public') return [{ method, url, action: 'public', kind: '' }]
  const named = access.resource({
    params: { owner: 'o', repo: 'r', login: 'l', org: 'g', package: 'p', '*': 'i/manifests/t' },
  } as never) as {
    readonly kind: string
  }
  return actionsOf(access).map((action) => ({ method, url, action: action as Action, kind: named.kind }))
}

test('every route declares what its line in the table says', () => {
  const lines = faces.listener.routes.flatMap(rowsOf).map(lineOf).sort()
  if (process.env.STEMMA_WRITE_ROUTES === '1') writeFileSync(table, `${lines.join('\n')}\n`)
  const known = readFileSync(table, 'utf8').trimEnd().split('\n')
  const missing = lines.filter((line) => !known.includes(line))
  const gone = known.filter((line) => !lines.includes(line))
  const advice = 'if that is meant, write the table anew with STEMMA_WRITE_ROUTES=1 and read what changed in it'
  assert.deepEqual({ missing, gone }, { missing: [], gone: [] }, advice)
})

test('every action is declared by some route', () => {
  const declared = new Set(faces.listener.routes.flatMap(rowsOf).map((row) => row.action))
  // package:create is asked when what is published isn't there yet; the others wait for the registry's routes
  const undeclared = [...actions].filter((action) => !declared.has(action) && !/^(package|registry):/.test(action))
  assert.deepEqual(undeclared, [])
})

function* cellsOf(route: RouteFacts, row: Row): Generator<Cell> {
  const isOfOwners = row.kind === 'repository' || row.kind === 'package' || row.kind === 'account' || row.kind === 'organization'
  const isAboutThings = isOfOwners || row.kind === 'own-package' // of whoever calls
  for (const caller of callers) {
    for (const owner of isOfOwners ? owners : (['olive'] as const)) {
      for (const thing of isAboutThings ? things : (['public'] as const))
        yield { route, action: row.action, kind: row.kind, caller, owner, thing }
    }
  }
}

/** What is wrong with the answer to one request; null: nothing. */
async function faultOf(cell: Cell): Promise<string | null> {
  const wanted = expected(cast, cell)
  const answer = await ask(faces.listener, cast, cell)
  if (answer.statusCode === wanted) return null
  const { route, action, caller, owner, thing } = cell
  return `${route.method} ${route.url} (${action}) by ${caller}, ${thing} of ${owner}: ${answer.statusCode}, wanted ${wanted}: ${answer.body.slice(0, 100)}`
}

/** Requests. */
const atOnce = 12

test('every route for every caller', async (t) => {
  const faults: string[] = []
  let count = 0
  for (const route of faces.listener.routes) {
    for (const row of rowsOf(route)) {
      // at once, as requests come: what is asked of the database together must not be taken for another's
      for (const cells = [...cellsOf(route, row)]; cells.length > 0; ) {
        const found = await Promise.all(cells.splice(0, atOnce).map(faultOf))
        faults.push(...found.filter((fault) => fault !== null))
        count += found.length
      }
    }
  }
  t.diagnostic(`${count} cells`)
  assert.deepEqual(faults.slice(0, 20), [])
  assert.ok(count > 20_000, `${count} cells`)
})

/** Of the same kind of thing, what is allowed to more callers. */
const weaker: Partial<Record<Action, Action>> = {
  'account:usage': 'account:read',
  'self:read': 'account:read',
  'self:administer': 'self:read',
  'server:read': 'self:read',
  'server:administer': 'server:read',
  'organization:create': 'self:read',
  'organization:read': 'account:read',
  'organization:administer': 'organization:read',
  'repository:create': 'account:read',
  'repository:fork': 'repository:read',
  'repository:push': 'repository:fork',
  'repository:administer': 'repository:push',
  'packages:administer': 'account:read',
  'package:stage': 'package:read',
  'package:write': 'package:read',
  'package:delete': 'package:write',
  'package:administer': 'package:write',
}

test('a weaker action on any one route is noticed', async () => {
  const unnoticed: string[] = []
  let count = 0
  for (const route of faces.listener.routes) {
    for (const row of rowsOf(route)) {
      const less = row.action === 'public' ? undefined : weaker[row.action]
      if (less === undefined || route.access === 'public') continue
      count++
      if (!(await isNoticed(route, row, less))) unnoticed.push(lineOf(row))
    }
  }
  assert.deepEqual(unnoticed, [])
  assert.ok(count > 70, `${count} mutations`)
})

/** Puts the weaker action in the route's place for as long as the cells are asked. */
async function isNoticed(route: RouteFacts, row: Row, less: Action): Promise<boolean> {
  const declared = route.access as { action: unknown }
  const { action } = declared
  declared.action = less
  try {
    for (const cell of cellsOf(route, row)) if ((await faultOf(cell)) !== null) return true
    return false
  } finally {
    declared.action = action
  }
}

test('without its declaration no route registers', () => {
  for (const route of faces.listener.routes) assert.throws(() => assertDeclared(faces.gate, route, undefined), /declares no access/)
})

test('a private thing answers like a missing one, byte for byte', async () => {
  for (const route of faces.listener.routes) {
    for (const row of rowsOf(route).filter(({ kind }) => kind === 'repository' || kind === 'package' || kind === 'own-package')) {
      for (const caller of ['anonymous', 'stranger', 'no scopes', 'bound elsewhere', 'deploy of another'] satisfies Caller[]) {
        const [hidden, missing] = await Promise.all(
          (['private', 'missing'] as const).map(async (thing) => {
            const cell = { route, ...row, caller, owner: 'guild', thing } as const
            const { statusCode, headers, body } = await ask(faces.listener, cast, cell)
            const id = String(headers['x-request-id'])
            // the challenge says again what was asked for
            const challenge = String(headers['www-authenticate'] ?? '').replaceAll(`the-${thing}`, 'THING')
            const plain = { ...headers, 'x-request-id': '', date: '', 'www-authenticate': challenge }
            return { statusCode, headers: plain, body: body.replaceAll(id, 'ID') }
          }),
        )
        assert.deepEqual(hidden, missing, `${route.method} ${route.url} by ${caller}`)
      }
    }
  }
})
