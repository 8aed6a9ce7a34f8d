// Plain packages as curl and scripts use them: files put and got, in versions of names; nothing of a refused one is left.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { createOrganization, operator, setMember, setQuota, type Account, findAccount } from '../../src/access/index.ts'
import { sql } from '../../src/db/index.ts'
import { makeAccount, type TestAccount } from '../support/accounts.ts'
import { openFaces, type TestFaces } from '../support/faces.ts'
import { noise } from '../support/seeded.ts'
import { until } from '../support/until.ts'

let faces: TestFaces
let url: string
let olive: TestAccount
let sam: TestAccount
let mia: TestAccount
before(async () => {
  faces = await openFaces({ isWhole: true, environment: { STEMMA_LIMITS_GENERIC_FILE_BYTES: '2MiB' } })
  url = await faces.listener.listen({ host: '127.0.0.1', port: 0 })
  ;[olive, sam, mia] = [await makeAccount(faces.db, 'olive'), await makeAccount(faces.db, 'sam'), await makeAccount(faces.db, 'mia')]
})
after(async () => await faces?.close())

const sha256 = (bytes: Uint8Array, encoding: 'hex' | 'base64' = 'hex') => createHash('sha256').update(bytes).digest(encoding)

async function ask(
  who: TestAccount | null,
  method: string,
  path: string,
  {
    body,
    headers = {},
  }: { readonly body?: Uint8Array | string | ReadableStream; readonly headers?: Readonly<Record<string, string>> } = {},
) {
  const authorization = who === null ? {} : { authorization: `Basic ${Buffer.from(`${who.login}:${who.token}`).toString('base64')}` }
  const answer = await fetch(`${url}/generic/${path}`, {
    method,
    headers: { ...authorization, ...headers },
    ...(body === undefined ? {} : { body: body as string, duplex: 'half' }),
  } as RequestInit)
  const bytes = Buffer.from(await answer.arrayBuffer())
  return { status: answer.status, headers: answer.headers, bytes, json: () => JSON.parse(bytes.toString()) as Record<string, unknown> }
}

const put = (path: string, body: Uint8Array | string, headers = {}, who = olive) => ask(who, 'PUT', path, { body, headers })
const statusOf = async (asking: Promise<{ readonly status: number }>) => (await asking).status

/** What there is of packages, in all tables; what nobody holds any more is another matter. */
async function counts() {
  const { rows } = await sql`
    select (select count(*) from package)::float8 as packages, (select count(*) from package_version)::float8 as versions,
      (select count(*) from package_file)::float8 as files, (select count(*) from content_reference where kind = 'package')::float8 as held`.execute(
    faces.db.queries,
  )
  return rows[0]
}

describe('files', () => {
  const large = noise(1, 1_500_000)

  test('the first makes the package, private, and its version; the same again is no fault, another is', async () => {
    const made = await put('olive/tool/1.0.0/tool.tar.gz', large)
    assert.equal(made.status, 201, made.bytes.toString())
    const place = `${url}/generic/olive/tool/1.0.0/tool.tar.gz`
    assert.deepEqual(
      [made.json(), made.headers.get('location')],
      [{ name: 'tool.tar.gz', size: large.length, sha256: sha256(large), url: place }, place],
    )
    assert.equal(await statusOf(put('olive/tool/1.0.0/tool.tar.gz', large)), 200)
    const other = await put('olive/tool/1.0.0/tool.tar.gz', 'other')
    assert.deepEqual([other.status, Object.keys(other.json())], [409, ['message']])
    assert.equal(await statusOf(put('olive/tool/1.0.0/empty', '')), 201)
    assert.deepEqual(await counts(), { packages: 1, versions: 1, files: 2, held: 2 })
  })

  test('they come back byte for byte: whole, in part, or not when they are known', async () => {
    const path = 'olive/tool/1.0.0/tool.tar.gz'
    const whole = await ask(olive, 'GET', path)
    assert.deepEqual([whole.status, sha256(whole.bytes)], [200, sha256(large)])
    const etag = whole.headers.get('etag') ?? ''
    assert.deepEqual(
      ['content-length', 'content-disposition', 'x-content-type-options', 'x-checksum-sha256', 'repr-digest', 'vary'].map((name) =>
        whole.headers.get(name),
      ),
      [
        String(large.length),
        'attachment; filename="tool.tar.gz"',
        'nosniff',
        sha256(large),
        `sha-256=:${sha256(large, 'base64')}:`,
        'Authorization',
      ],
    )
    const part = await ask(olive, 'GET', path, { headers: { range: 'bytes=1000000-1000009' } })
    assert.deepEqual([part.status, part.headers.get('content-range')], [206, `bytes 1000000-1000009/${large.length}`])
    assert.deepEqual(part.bytes, Buffer.from(large.subarray(1_000_000, 1_000_010)))
    assert.equal(await statusOf(ask(olive, 'GET', path, { headers: { range: 'bytes=9999999-' } })), 416)
    assert.equal(await statusOf(ask(olive, 'GET', path, { headers: { 'if-none-match': etag } })), 304)
    assert.equal(await statusOf(ask(olive, 'GET', path, { headers: { range: 'bytes=0-9', 'if-range': '"another"' } })), 200)
    assert.equal(await statusOf(ask(olive, 'GET', path, { headers: { range: 'bytes=0-9', 'if-range': etag } })), 206)
    const head = await ask(olive, 'HEAD', path)
    assert.deepEqual([head.status, head.headers.get('content-length'), head.bytes.length], [200, String(large.length), 0])
    assert.equal((await ask(olive, 'GET', 'olive/tool/1.0.0/empty')).bytes.length, 0)
  })

  test('downloads are counted, wholes alone', async () => {
    const read = async () => {
      const { rows } = await sql<{ count: number }>`select coalesce(sum(download_count), 0)::float8 as count from package_version`.execute(
        faces.db.queries,
      )
      return rows[0]?.count
    }
    // two whole ones and the empty file above; HEAD, 304, 206 are none
    await until('three downloads are written', async () => (await read()) === 3)
  })

  test('a digest that is said is looked at: Content-Digest by either algorithm, x-checksum-sha256', async () => {
    const body = Buffer.from('some bytes')
    const sha512 = createHash('sha512').update(body).digest('base64')
    const good = [
      { 'x-checksum-sha256': sha256(body) },
      { 'content-digest': `sha-256=:${sha256(body, 'base64')}:` },
      { 'content-digest': `md5=:AAAA:, sha-512=:${sha512}:` },
    ]
    for (const [at, headers] of good.entries()) assert.equal(await statusOf(put(`olive/tool/2.0.0/good${at}`, body, headers)), 201)
    const wrong = Buffer.from('others')
    const bad = [
      { 'x-checksum-sha256': sha256(wrong) },
      { 'x-checksum-sha256': 'abc' },
      { 'content-digest': `sha-256=:${sha256(wrong, 'base64')}:` },
      { 'content-digest': 'sha-256=:AAAA:' },
      { 'content-digest': 'sha-256' },
      { 'content-digest': `sha-512=:${createHash('sha512').update(wrong).digest('base64')}:` },
    ]
    const before = await counts()
    for (const [at, headers] of bad.entries())
      assert.equal(await statusOf(put(`olive/fresh/1/bad${at}`, body, headers)), 400, JSON.stringify(headers))
    assert.deepEqual(await counts(), before, 'neither package nor version')
  })

  test('a version tells its files; spellings of it that differ in case are one', async () => {
    assert.equal(await statusOf(put('olive/tool/3.0.0-RC1/b', 'b')), 201)
    assert.equal(await statusOf(put('Olive/Tool/3.0.0-rc1/a', 'a')), 201)
    const { status, headers, ...answer } = await ask(olive, 'GET', 'olive/tool/3.0.0-rc1')
    const { published_at: at, files, ...facts } = answer.json() as { published_at: string; files: Record<string, unknown>[] }
    assert.deepEqual([status, headers.get('content-type'), facts], [200, 'application/json', { name: 'tool', version: '3.0.0-RC1' }])
    assert.ok(Date.parse(at) > 0)
    assert.deepEqual(
      { ...files[0], created_at: undefined },
      {
        created_at: undefined,
        name: 'a',
        size: 1,
        sha256: sha256(Buffer.from('a')),
        url: `${url}/generic/olive/tool/3.0.0-rc1/a`,
      },
    )
    assert.deepEqual(
      files.map(({ name }) => name),
      ['a', 'b'],
    )
    assert.equal(await statusOf(ask(olive, 'GET', 'olive/tool/4.0.0')), 404)
  })

  test('a file goes, the version with its last one; a version goes at once, and may come again', async () => {
    for (const file of ['x', 'y']) assert.equal(await statusOf(put(`olive/tool/9/${file}`, `9 ${file}`)), 201)
    assert.equal(await statusOf(ask(olive, 'DELETE', 'olive/tool/9/x')), 204)
    assert.equal(await statusOf(ask(olive, 'DELETE', 'olive/tool/9/x')), 404)
    assert.equal(await statusOf(ask(olive, 'GET', 'olive/tool/9')), 200)
    assert.equal(await statusOf(ask(olive, 'DELETE', 'olive/tool/9/y')), 204)
    assert.equal(await statusOf(ask(olive, 'GET', 'olive/tool/9')), 404)
    assert.equal(await statusOf(put('olive/tool/9/x', 'another')), 201)
    assert.equal(await statusOf(ask(olive, 'DELETE', 'olive/tool/9')), 204)
    assert.equal(await statusOf(ask(olive, 'GET', 'olive/tool/9/x')), 404)
    const { rows } = await sql<{ action: string }>`
      select action from audit where target = 'generic olive/tool' and action like 'package.delete-%' order by id`.execute(faces.db.queries)
    assert.deepEqual(
      rows.map(({ action }) => action),
      ['package.delete-file', 'package.delete-version', 'package.delete-version'],
    )
    const { rows: told } = await sql<{ kind: string; file: string | null }>`
      select kind, payload ->> 'file' as file from outbox where payload ->> 'version' = '9' order by id`.execute(faces.db.queries)
    assert.deepEqual(
      told.map(({ kind, file }) => `${kind} ${file ?? '-'}`),
      ['package.published x', 'package.updated y', 'package.updated x', 'package.deleted -', 'package.published x', 'package.deleted -'],
    )
  })

  test('several that put into one version at once all come in; of two others under one name one wins', async () => {
    const all = await Promise.all(Array.from({ length: 8 }, (_, n) => statusOf(put('olive/race/1/'.concat(`f${n}`), `${n}`))))
    assert.deepEqual(new Set(all), new Set([201]))
    const same = await Promise.all(Array.from({ length: 6 }, (_, n) => statusOf(put('olive/race/2/f', `${n % 2}`))))
    assert.deepEqual(same.toSorted(), [200, 200, 201, 409, 409, 409])
  })
})

describe('what is refused', () => {
  test('names that aren’t any, whatever they are asked for', async () => {
    const before = await counts()
    const names = ['..', '%2e%2e', 'a..b', '.hidden', '-x', 'a%2fb', 'a%20b', 'a%00b', '%c3%bc', 'a%5cb', 'x'.repeat(300), 'a%0d%0ab']
    for (const name of names) {
      for (const path of [`olive/${name}/1/f`, `olive/tool/${name}/f`, `olive/tool/1/${name}`]) {
        const { status } = await put(path, 'x')
        assert.ok(status === 400 || status === 404, `${path}: ${status}`)
        assert.ok([400, 404].includes(await statusOf(ask(olive, 'GET', path))), path)
        assert.ok([400, 404].includes(await statusOf(ask(olive, 'DELETE', path))), path)
      }
    }
    assert.deepEqual(await counts(), before)
  })

  test('too many bytes, said or not; packed ones; half a body: nothing is left of them', async () => {
    const before = await counts()
    assert.equal(await statusOf(put('olive/big/1/f', noise(2, (2 << 20) + 1))), 413)
    const stream = new ReadableStream({
      pull(controller) {
        controller.enqueue(new Uint8Array(1 << 18))
      },
    })
    assert.equal(await statusOf(ask(olive, 'PUT', 'olive/big/1/f', { body: stream })), 413)
    assert.equal(await statusOf(put('olive/big/1/f', 'x', { 'content-encoding': 'gzip' })), 415)
    const { port } = new URL(url)
    const socket = connect(Number(port), '127.0.0.1')
    const token = Buffer.from(`olive:${olive.token}`).toString('base64')
    socket.write(`PUT /generic/olive/big/1/f HTTP/1.1\r\nhost: x\r\nauthorization: Basic ${token}\r\ncontent-length: 100\r\n\r\nhalf`)
    await new Promise((resolve) => setTimeout(resolve, 200))
    socket.destroy()
    await new Promise((resolve) => setTimeout(resolve, 200))
    assert.deepEqual(await counts(), before)
  })

  test('more than the owner’s quota has room for; what is his already costs nothing', async () => {
    const account = (await findAccount(faces.db.queries, 'mia')) as Account
    await setQuota(faces.db, account, 1_000_000, operator)
    assert.equal(await statusOf(put('mia/a/1/f', noise(4, 600_000), {}, mia)), 201)
    assert.equal(await statusOf(put('mia/a/1/g', noise(5, 600_000), {}, mia)), 403)
    assert.equal(await statusOf(put('mia/b/1/g', noise(5, 600_000), {}, mia)), 403)
    assert.equal(await statusOf(put('mia/a/2/f', noise(4, 100_000), {}, mia)), 201)
    const { rows } = await sql<{ used: number }>`select used_bytes::float8 as used from owner_quota where owner_id = ${mia.id}`.execute(
      faces.db.queries,
    )
    assert.equal(rows[0]?.used, 700_000)
    assert.equal(await statusOf(ask(mia, 'GET', 'mia/b/1')), 404)
  })
})

describe('who may', () => {
  test('private and missing are told alike; who shows nothing is asked to', async () => {
    assert.equal(await statusOf(put('olive/secret/1/f', 'x')), 201)
    for (const path of ['olive/secret/1/f', 'olive/missing/1/f', 'olive/secret/1', 'nobody/x/1/f']) {
      const anonymous = await ask(null, 'GET', path)
      assert.deepEqual([anonymous.status, anonymous.headers.get('www-authenticate')?.startsWith('Basic ')], [401, true], path)
      const stranger = await ask(sam, 'GET', path)
      assert.deepEqual([stranger.status, stranger.json()], [404, { message: 'Not Found' }], path)
      assert.equal(await statusOf(put(path.includes('/f') ? path : `${path}/f`, 'y', {}, sam)), 404, path)
    }
    const show = await faces.listener.inject({
      method: 'PATCH',
      url: '/api/v3/users/olive/packages/generic/secret',
      headers: { authorization: `Bearer ${olive.token}` },
      payload: { visibility: 'public' },
    })
    assert.deepEqual([show.statusCode, (show.json() as { package_type: string }).package_type], [200, 'generic'])
    assert.equal(await statusOf(ask(null, 'GET', 'olive/secret/1/f')), 200)
    assert.equal(await statusOf(put('olive/secret/1/g', 'y', {}, sam)), 403)
    assert.equal(await statusOf(ask(sam, 'DELETE', 'olive/secret/1/f')), 403)
  })

  test('members publish by their role, and delete as admins alone', async () => {
    await createOrganization(faces.db, { login: 'guild', firstAdmin: olive.id, actor: operator })
    const guild = (await findAccount(faces.db.queries, 'guild')) as Account
    await setMember(faces.db, guild, (await findAccount(faces.db.queries, 'sam')) as Account, 'write', operator)
    assert.equal(await statusOf(put('guild/kit/1/f', 'x', {}, sam)), 201)
    assert.equal(await statusOf(ask(sam, 'DELETE', 'guild/kit/1/f')), 403)
    assert.equal(await statusOf(ask(olive, 'DELETE', 'guild/kit/1/f')), 204)
    assert.equal(await statusOf(ask(mia, 'GET', 'guild/kit/1')), 404)
  })
})

test('curl puts, lists and gets', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'stemma-curl-'))
  try {
    const bytes = noise(7, 300_000)
    writeFileSync(join(folder, 'app.bin'), bytes)
    const curl = async (...given: string[]) =>
      (await promisify(execFile)('curl', ['-sS', '--fail-with-body', '-u', `olive:${olive.token}`, ...given], { cwd: folder })).stdout
    await curl('-T', 'app.bin', `${url}/generic/olive/curled/1.0/`)
    assert.match(await curl(`${url}/generic/olive/curled/1.0`), /"app.bin"/)
    rmSync(join(folder, 'app.bin'))
    await curl('-OJ', `${url}/generic/olive/curled/1.0/app.bin`)
    assert.equal(sha256(readFileSync(join(folder, 'app.bin'))), sha256(bytes))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
