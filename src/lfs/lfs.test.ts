// The routes over a real listener, database and store: who may, what is told, and what stays stored.
import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { request } from 'node:http'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type TestAccount } from '../../tests/support/accounts.ts'
import { openApi, type TestApi } from '../../tests/support/api.ts'
import { sha256 } from '../../tests/support/content.ts'
import { seededBytes } from '../../tests/support/random.ts'
import { until } from '../../tests/support/until.ts'
import { createRepository, deleteRepository, forkRepository, type Repository, type Visibility } from '../access/index.ts'
import { makeLog, systemClock, systemRandomness } from '../base/index.ts'
import { type Bucket, openBucket } from '../bucket/index.ts'
import { sql } from '../db/index.ts'
import { SegmentStore } from '../store/index.ts'
import { registerLfs } from './index.ts'

let api: TestApi
let store: SegmentStore
let bucket: Bucket
const folder = mkdtempSync(join(tmpdir(), 'stemma-lfs-'))
const type = 'application/vnd.git-lfs+json'

before(async () => {
  mkdirSync(join(folder, 'bucket'))
  const bucketConfig = { kind: 'filesystem', folder: join(folder, 'bucket') } as const
  bucket = await openBucket(bucketConfig, { clock: systemClock, randomness: systemRandomness })
  const log = makeLog('silent')
  api = await openApi((listener, db) => {
    const cache = { memoryBytes: 1 << 20, diskBytes: 0, folder: join(folder, 'cache') }
    store = new SegmentStore({ db, bucket, bucketConfig, randomness: systemRandomness, log, cache, threads: 1 })
    const limits = { objectBytes: 4 << 20, concurrentDownloads: 4, requestTimeoutMs: 60_000 }
    registerLfs(listener, { db, store, clock: systemClock, log, publicUrl: null, limits })
  })
})
after(async () => {
  await api?.close()
  await store?.close()
  await bucket?.close()
  rmSync(folder, { recursive: true, force: true })
})

let count = 0
async function repository(visibility: Visibility = 'public', owner: TestAccount = api.owner): Promise<Repository> {
  return createRepository(api.db, { ownerId: owner.id, name: `r${++count}`, visibility })
}

interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly bytes: Buffer
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into whatever came
  readonly json: any
}

async function ask(
  caller: TestAccount | null,
  method: string,
  path: string,
  body?: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const raw = body instanceof Uint8Array
  const answer = await fetch(path.startsWith('http') ? path : `${api.url}/${path}`, {
    method,
    headers: {
      accept: type,
      ...(body === undefined ? {} : { 'content-type': raw ? 'application/octet-stream' : type }),
      ...(caller === null ? {} : { authorization: `Basic ${Buffer.from(`${caller.login}:${caller.token}`).toString('base64')}` }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: raw ? Buffer.from(body) : JSON.stringify(body) }),
  })
  const bytes = Buffer.from(await answer.arrayBuffer())
  const isJson = answer.headers.get('content-type')?.startsWith(type) === true
  return { status: answer.status, headers: answer.headers, bytes, json: isJson ? JSON.parse(bytes.toString()) : null }
}

function at({ name, ownerLogin }: { name: string; ownerLogin: string }, path: string): string {
  return `${ownerLogin}/${name}.git/info/lfs/${path}`
}

function batch(caller: TestAccount | null, where: Repository, operation: string, ...objects: { oid: string; size: number }[]) {
  return ask(caller, 'POST', at(where, 'objects/batch'), { operation, transfers: ['basic'], objects })
}

async function upload(where: Repository, bytes: Uint8Array, caller: TestAccount = api.owner): Promise<string> {
  const oid = sha256(bytes)
  const [object] = (await batch(caller, where, 'upload', { oid, size: bytes.length })).json.objects
  const { upload: put, verify } = object.actions
  assert.equal((await ask(caller, 'PUT', put.href, bytes)).status, 200)
  assert.equal((await ask(caller, 'POST', verify.href, { oid, size: bytes.length })).status, 200)
  return oid
}

async function contents(): Promise<number> {
  const row = await api.db.queries
    .selectFrom('content')
    .select((eb) => eb.fn.countAll<number>().as('n'))
    .executeTakeFirstOrThrow()
  return Number(row.n)
}

function segmentFiles(): string[] {
  return readdirSync(join(folder, 'bucket', 'segment'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
}

function held(where: Repository): Promise<unknown[]> {
  return api.db.queries.selectFrom('content_reference').selectAll().where('kind', '=', 'lfs').where('id', '=', String(where.id)).execute()
}

test('upload, verify, download, and ranges of it', async () => {
  const where = await repository()
  const bytes = seededBytes('lfs', 2_500_000)
  const oid = await upload(where, bytes)
  const again = (await batch(api.owner, where, 'upload', { oid, size: bytes.length })).json.objects[0]
  assert.deepEqual([again.actions, again.error], [undefined, undefined])
  const { json, headers } = await batch(null, where, 'download', { oid, size: bytes.length })
  assert.deepEqual([json.transfer, json.hash_algo, headers.get('cache-control')], ['basic', 'sha256', 'no-store'])
  const { href, header } = json.objects[0].actions.download
  assert.deepEqual([href, header], [`${api.url}/${at(where, `objects/${oid}`)}`, {}])
  const whole = await ask(null, 'GET', href)
  assert.deepEqual([whole.status, whole.headers.get('content-length'), sha256(whole.bytes)], [200, '2500000', oid])
  const etag = whole.headers.get('etag') ?? ''
  const part = await ask(null, 'GET', href, undefined, { range: 'bytes=1000000-', 'if-range': etag })
  assert.deepEqual([part.status, part.headers.get('content-range')], [206, 'bytes 1000000-2499999/2500000'])
  assert.ok(part.bytes.equals(bytes.subarray(1_000_000)))
  assert.equal((await ask(null, 'GET', href, undefined, { range: 'bytes=5-', 'if-range': '"x"' })).status, 200)
  const beyond = await ask(null, 'GET', href, undefined, { range: 'bytes=2500000-' })
  assert.deepEqual([beyond.status, beyond.headers.get('content-range')], [416, 'bytes */2500000'])
  assert.equal((await ask(null, 'HEAD', href)).status, 405)
})

test('an empty object comes and goes, too', async () => {
  const where = await repository()
  const oid = await upload(where, new Uint8Array(0))
  const answer = await ask(null, 'GET', at(where, `objects/${oid}`))
  assert.deepEqual([answer.status, answer.bytes.length], [200, 0])
})

test('actions carry the caller’s own credentials', async () => {
  const where = await repository('private')
  const [object] = (await batch(api.owner, where, 'upload', { oid: 'ab'.repeat(32), size: 1 })).json.objects
  const { header, expires_in: expiresIn } = object.actions.upload
  assert.equal(header.Authorization, `Basic ${Buffer.from(`${api.owner.login}:${api.owner.token}`).toString('base64')}`)
  assert.deepEqual([object.authenticated, expiresIn > 60], [true, true])
})

test('bytes that aren’t what their name or size says are refused, and nothing is stored', async () => {
  const where = await repository()
  const bytes = seededBytes('wrong', 5000)
  const before = await contents()
  const wrong = await ask(api.owner, 'PUT', at(where, `objects/${'0'.repeat(64)}`), bytes)
  assert.deepEqual([wrong.status, typeof wrong.json.request_id, typeof wrong.json.documentation_url], [422, 'string', 'string'])
  assert.equal((await ask(api.owner, 'PUT', at(where, `objects/${sha256(bytes)}?size=4999`), bytes)).status, 422)
  assert.equal((await ask(api.owner, 'PUT', at(where, 'objects/abc'), bytes)).status, 422)
  const large = new Uint8Array((4 << 20) + 1)
  assert.equal((await ask(api.owner, 'PUT', at(where, `objects/${sha256(large)}`), large)).status, 413)
  assert.deepEqual([await contents(), (await held(where)).length], [before, 0])
  assert.equal((await ask(api.owner, 'POST', at(where, 'verify'), { oid: sha256(bytes), size: 5000 })).status, 404)
  const oid = await upload(where, bytes)
  assert.equal((await ask(api.owner, 'POST', at(where, 'verify'), { oid, size: 4999 })).status, 422)
})

test('a batch tells each object’s own error', async () => {
  const where = await repository()
  const oid = await upload(where, seededBytes('own', 100))
  const codes = async (operation: string, ...objects: { oid: string; size: number }[]) =>
    (await batch(api.owner, where, operation, ...objects)).json.objects.map((one: { error?: { code: number } }) => one.error?.code ?? null)
  const missing = { oid: '12'.repeat(32), size: 3 }
  assert.deepEqual(await codes('download', { oid, size: 100 }, missing, { oid: 'x', size: 1 }, { oid, size: 7 }), [null, 404, 422, 422])
  assert.deepEqual(await codes('upload', missing, { oid: missing.oid, size: 5 << 20 }, { oid, size: 7 }), [null, 413, 422])
  const other = await ask(api.owner, 'POST', at(where, 'objects/batch'), { operation: 'download', hash_algo: 'sha512', objects: [missing] })
  assert.equal(other.json.objects[0].error.code, 409)
  for (const body of [{}, [], null, { operation: 'x', objects: [] }])
    assert.equal((await ask(api.owner, 'POST', at(where, 'objects/batch'), body)).status, 422)
  assert.equal((await ask(api.owner, 'POST', at(where, 'objects/batch'), undefined)).status, 422)
})

test('an object whose content was lost is asked for again, by whoever has it', async () => {
  const where = await repository()
  const bytes = seededBytes('lost', 4000)
  const oid = await upload(where, bytes)
  await api.db.queries.deleteFrom('content_reference').where('id', '=', String(where.id)).execute()
  await api.db.queries.deleteFrom('content').where('digest', '=', Buffer.from(oid, 'hex')).execute()
  const asked = async () => Object.keys((await batch(api.owner, where, 'upload', { oid, size: 4000 })).json.objects[0].actions ?? {})
  assert.deepEqual(await asked(), ['upload', 'verify'])
  assert.equal((await ask(null, 'GET', at(where, `objects/${oid}`))).status, 500, 'for those who want it: an alarm')
  await upload(where, bytes)
  assert.deepEqual(await asked(), [])
  assert.ok((await ask(null, 'GET', at(where, `objects/${oid}`))).bytes.equals(bytes))
  assert.equal((await held(where)).length, 1)
})

test('an object that shares its content with an image, and whose bytes are found to be lost, is asked for again, and mended', async () => {
  const where = await repository()
  const bytes = seededBytes('lost', 700_000)
  const pieces = async function* () {
    yield bytes
  }
  const digest = Buffer.from(sha256(bytes), 'hex')
  await store.uploads.receive(pieces(), { expected: { algorithm: 'sha256', digest }, limitBytes: 1 << 20 })
  const oid = await upload(where, bytes)
  const actions = async () => (await batch(api.owner, where, 'upload', { oid, size: bytes.length })).json.objects[0].actions
  assert.equal(await actions(), undefined)
  await sql`update whole_part set uuid = gen_random_uuid() where digest = ${digest}`.execute(api.db.queries)
  assert.equal(await actions(), undefined, 'nobody knows it yet')
  assert.equal((await ask(null, 'GET', at(where, `objects/${oid}`))).status, 500)
  const marks = async () => (await sql`select 1 from content_whole where findings is not null`.execute(api.db.queries)).rows.length
  await until('it is marked', async () => (await marks()) === 1)
  assert.deepEqual(Object.keys(await actions()), ['upload', 'verify'])
  await upload(where, bytes)
  assert.equal(await actions(), undefined)
  assert.equal(await marks(), 0)
  assert.ok((await ask(null, 'GET', at(where, `objects/${oid}`))).bytes.equals(bytes))
})

test('knowing an oid is no permission: what another repository holds must be uploaded to have it', async () => {
  const secret = await repository('private')
  const bytes = seededBytes('secret', 3000)
  const oid = await upload(secret, bytes)
  const own = await repository('public', api.stranger)
  assert.equal((await ask(api.stranger, 'GET', at(own, `objects/${oid}`))).status, 404)
  assert.equal((await batch(api.stranger, own, 'download', { oid, size: 3000 })).json.objects[0].error.code, 404)
  assert.equal((await ask(api.stranger, 'POST', at(own, 'verify'), { oid, size: 3000 })).status, 404)
  const [object] = (await batch(api.stranger, own, 'upload', { oid, size: 3000 })).json.objects
  assert.ok(object.actions.upload, 'the same answer as for an object that nobody has')
  assert.equal((await ask(api.stranger, 'PUT', object.actions.upload.href, bytes.subarray(1))).status, 422)
  assert.equal((await ask(api.stranger, 'GET', at(own, `objects/${oid}`))).status, 404)
  await upload(own, bytes, api.stranger)
  assert.equal((await ask(null, 'GET', at(own, `objects/${oid}`))).status, 200)
})

const routes = (oid: string): readonly (readonly [string, string, unknown, 'read' | 'push'])[] => [
  ['POST', 'objects/batch', { operation: 'download', objects: [{ oid, size: 10 }] }, 'read'],
  ['POST', 'objects/batch', { operation: 'upload', objects: [{ oid, size: 10 }] }, 'push'],
  ['POST', 'objects/batch', [], 'read'],
  ['GET', `objects/${oid}`, undefined, 'read'],
  ['PUT', `objects/${oid}`, seededBytes('ten', 10), 'push'],
  ['POST', 'verify', { oid, size: 10 }, 'push'],
  ['GET', 'locks', undefined, 'read'],
  ['POST', 'locks', { path: 'a' }, 'push'],
  ['POST', 'locks/verify', {}, 'push'],
  ['POST', 'locks/00000000-0000-4000-8000-000000000000/unlock', {}, 'push'],
]

test('a private repository is like a missing one, and a public one is read by all and written by its owner', async () => {
  const shown = await repository('public')
  const hidden = await repository('private')
  const oid = sha256(seededBytes('ten', 10))
  for (const where of [shown, hidden]) await upload(where, seededBytes('ten', 10))
  const nowhere = { ...hidden, name: 'nothing' }
  for (const [method, path, body, right] of routes(oid)) {
    const name = `${method} ${path}`
    for (const caller of [null, api.stranger]) {
      const [there, missing] = [await ask(caller, method, at(hidden, path), body), await ask(caller, method, at(nowhere, path), body)]
      assert.deepEqual([there.status, missing.status], caller === null ? [401, 401] : [404, 404], name)
      assert.deepEqual({ ...there.json, request_id: '' }, { ...missing.json, request_id: '' }, name)
      if (caller === null) assert.match(there.headers.get('lfs-authenticate') ?? '', /^Basic /)
      const open = await ask(caller, method, at(shown, path), body)
      if (right === 'read') assert.ok([200, 422].includes(open.status), `${name}: ${open.status}`)
      else assert.equal(open.status, caller === null ? 401 : 403, name)
    }
  }
})

test('the first upload makes the repository, as the first push does', async () => {
  const where = { ownerLogin: api.owner.login, name: 'brand-new' } as Repository
  assert.deepEqual((await ask(api.owner, 'POST', at(where, 'locks/verify'), {})).json, { ours: [], theirs: [] })
  const oid = await upload(where, seededBytes('new', 50))
  assert.equal((await ask(api.owner, 'GET', at(where, `objects/${oid}`))).status, 200)
  assert.equal((await ask(api.stranger, 'GET', at(where, `objects/${oid}`))).status, 404)
})

test('locks: one for each path, found in pages, broken by force alone', async () => {
  const where = await repository()
  const make = (caller: TestAccount, path: string) => ask(caller, 'POST', at(where, 'locks'), { path, ref: { name: 'refs/heads/main' } })
  const first = await make(api.owner, 'b.bin')
  assert.equal(first.status, 201)
  assert.match(first.json.lock.locked_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
  assert.deepEqual([first.json.lock.path, first.json.lock.owner], ['b.bin', { name: api.owner.login }])
  const second = await make(api.admin, 'b.bin')
  assert.deepEqual([second.status, second.json.lock, typeof second.json.message], [409, first.json.lock, 'string'])
  for (const path of ['c.bin', 'a.bin']) assert.equal((await make(api.admin, path)).status, 201)

  const paths = (locks: { path: string }[]) => locks.map(({ path }) => path)
  const all = await ask(null, 'GET', at(where, 'locks'))
  assert.deepEqual([paths(all.json.locks), all.json.next_cursor], [['a.bin', 'b.bin', 'c.bin'], undefined])
  const one = await ask(null, 'GET', at(where, 'locks?limit=2'))
  const rest = await ask(null, 'GET', at(where, `locks?limit=2&cursor=${one.json.next_cursor}`))
  assert.deepEqual([paths(one.json.locks), paths(rest.json.locks), rest.json.next_cursor], [['a.bin', 'b.bin'], ['c.bin'], undefined])
  assert.deepEqual(paths((await ask(null, 'GET', at(where, 'locks?path=c.bin&id=&cursor=&limit=&refspec=x'))).json.locks), ['c.bin'])
  assert.deepEqual(paths((await ask(null, 'GET', at(where, `locks?id=${first.json.lock.id}`))).json.locks), ['b.bin'])
  assert.deepEqual((await ask(null, 'GET', at(where, 'locks?id=nonsense'))).json.locks, [])
  const mine = (await ask(api.owner, 'POST', at(where, 'locks/verify'), { limit: 2 })).json
  assert.deepEqual([paths(mine.ours), paths(mine.theirs), typeof mine.next_cursor], [['b.bin'], ['a.bin'], 'string'])

  const unlock = (caller: TestAccount, body: unknown) => ask(caller, 'POST', at(where, `locks/${first.json.lock.id}/unlock`), body)
  assert.equal((await unlock(api.admin, {})).status, 403)
  assert.equal((await unlock(api.stranger, { force: true })).status, 403)
  const elsewhere = at(await repository(), `locks/${first.json.lock.id}/unlock`)
  assert.equal((await ask(api.owner, 'POST', elsewhere, { force: true })).status, 404)
  const broken = await unlock(api.admin, { force: true })
  assert.deepEqual([broken.status, broken.json.lock], [200, first.json.lock])
  assert.equal((await unlock(api.owner, {})).status, 404)
  assert.equal((await make(api.admin, 'b.bin')).status, 201)
})

test('one of many who lock a path at once gets it', async () => {
  const where = await repository()
  const answers = await Promise.all(
    Array.from({ length: 8 }, (_, i) => ask(i % 2 ? api.owner : api.admin, 'POST', at(where, 'locks'), { path: 'x' })),
  )
  assert.deepEqual(answers.map(({ status }) => status).sort(), [201, ...Array.from({ length: 7 }, () => 409)])
  assert.equal(new Set(answers.map(({ json }) => json.lock.id)).size, 1)
})

test('a fork has the objects of its source, also when that is gone; the last one lets them go', async () => {
  const source = await repository()
  const oid = await upload(source, seededBytes('forked', 4000))
  const fork = await forkRepository(api.db, { sourceId: source.id, ownerId: api.stranger.id, name: `fork${++count}`, takesRef: () => true })
  assert.ok(fork)
  const later = await upload(source, seededBytes('later', 4000))
  assert.equal((await ask(null, 'GET', at(fork, `objects/${later}`))).status, 404)
  assert.equal((await held(source)).length, 2)
  await deleteRepository(api.db, source.id)
  assert.deepEqual([(await held(source)).length, (await held(fork)).length], [0, 1])
  const review = await api.db.queries.selectFrom('content_review').select('digest').execute()
  assert.ok(
    review.some(({ digest }) => Buffer.from(digest).toString('hex') === later),
    'looked at by the collection',
  )
  assert.equal((await ask(null, 'GET', at(fork, `objects/${oid}`))).status, 200)
  await deleteRepository(api.db, fork.id)
  assert.equal((await held(fork)).length, 0)
})

test('stored bytes that have changed are never sent: the answer breaks off before them', async () => {
  const where = await repository()
  const before = new Set(segmentFiles())
  const oid = await upload(where, seededBytes('spoiled', 4 << 20))
  const [file] = segmentFiles().filter((path) => !before.has(path))
  assert.ok(file, 'the object has a segment of its own')
  const bytes = readFileSync(file)
  bytes[3_500_000] = (bytes[3_500_000] as number) ^ 1
  chmodSync(file, 0o600)
  writeFileSync(file, bytes)
  await assert.rejects(ask(null, 'GET', at(where, `objects/${oid}`)), TypeError)
  const whole = await ask(null, 'GET', at(where, `objects/${oid}`), undefined, { range: 'bytes=0-999999' })
  assert.equal(whole.status, 206, 'what is before it can be had')
  const spoiled = await ask(null, 'GET', at(where, `objects/${oid}`), undefined, { range: 'bytes=3499900-3500100' })
  assert.deepEqual([spoiled.status, typeof spoiled.json.message], [500, 'string'])
})

test('clients that leave in the middle of downloads leave their places to others', async () => {
  const where = await repository()
  const bytes = seededBytes('leave', 4 << 20)
  const oid = await upload(where, bytes)
  for (let i = 0; i < 8; i++) {
    const leaving = new AbortController()
    const answer = await fetch(`${api.url}/${at(where, `objects/${oid}`)}`, { signal: leaving.signal })
    await answer.body?.getReader().read()
    leaving.abort()
  }
  assert.equal(sha256((await ask(null, 'GET', at(where, `objects/${oid}`))).bytes), oid)
})

test('uploads that one account sends slowly keep no other account out', async () => {
  const slow = await repository('private', api.stranger)
  const where = await repository()
  const authorization = `Basic ${Buffer.from(`${api.stranger.login}:${api.stranger.token}`).toString('base64')}`
  const begun = Array.from({ length: 20 }, (_, i) => {
    const url = `${api.url}/${at(slow, `objects/${sha256(Buffer.from(`${i}`))}`)}`
    const sent = request(url, { method: 'PUT', agent: false, headers: { authorization, 'content-length': 1 << 22 } })
    sent.on('error', () => {}) // they are cut off at the end
    return sent
  })
  try {
    // more than one chunk: each that is read from holds a place until all of it has come
    for (const one of begun) one.write(Buffer.alloc(2 << 20))
    await sleep(3000)
    const bytes = seededBytes('quick', 1_500_000)
    const put = await fetch(`${api.url}/${at(where, `objects/${sha256(bytes)}`)}`, {
      method: 'PUT',
      body: Buffer.from(bytes),
      headers: { authorization: `Basic ${Buffer.from(`${api.owner.login}:${api.owner.token}`).toString('base64')}` },
      signal: AbortSignal.timeout(25_000),
    })
    assert.equal(put.status, 200)
  } finally {
    for (const one of begun) one.destroy()
  }
})
