// npm packages over the API, as they were really published: what they say, what needs them, files, differences, downloads.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, test } from 'node:test'
import type { TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import type { TestAccount } from '../support/accounts.ts'
import { TestNpm } from '../support/npm-registry.ts'
import { until } from '../support/until.ts'

let npm: TestNpm
before(async () => {
  npm = await TestNpm.open()
  const kit = { name: '@olive/kit', readme: '# Kit' }
  const one = { 'index.js': 'one', 'lib/same.js': 'same' }
  const two = { 'index.js': 'two!', 'lib/same.js': 'same', 'new.js': 'new' }
  const more = { keywords: ['a', 7, 'b'], homepage: 'https://kit.example' }
  assert.equal((await npm.publish({ ...kit, version: '1.0.0', files: one, more })).status, 201)
  assert.equal(
    (await npm.publish({ ...kit, version: '2.0.0-rc.1', tag: 'next', files: two, more: { dependencies: { left: '^1' } } })).status,
    201,
  )
  const needs = {
    dependencies: { '@olive/kit': '^1.0.0', opt: '*' },
    optionalDependencies: { opt: '*' },
    peerDependencies: { host: '>=2' },
  }
  assert.equal((await npm.publish({ name: 'app', version: '1.0.0', more: needs })).status, 201)
  // what an old version needs is no matter
  assert.equal((await npm.publish({ name: 'past', version: '1.0.0', more: needs })).status, 201)
  assert.equal((await npm.publish({ name: 'past', version: '2.0.0' })).status, 201)
})
after(async () => await npm?.close())

async function ask(path: string, as: TestAccount | null = npm.olive, headers: Readonly<Record<string, string>> = {}) {
  const answer = await fetch(`${npm.url}/api/v3/npm/${path}`, {
    headers: { ...(as === null ? {} : { authorization: `Bearer ${as.token}` }), ...headers },
  })
  const bytes = Buffer.from(await answer.arrayBuffer())
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into whatever came
  const body = (/json/.test(answer.headers.get('content-type') ?? '') ? JSON.parse(bytes.toString()) : null) as any
  if (body !== null) assertDeclared(path, answer.status, body)
  return { status: answer.status, headers: answer.headers, bytes, body }
}

/** What was answered keeps to the schema that its route declares. */
function assertDeclared(path: string, status: number, body: unknown): void {
  const [plain = ''] = path.split('?')
  const shape = `/api/v3/npm/${plain}`
    .replace(/^(\/api\/v3\/npm)\/[^/]+\/[^/]+/, '$1/:owner/:package')
    .replace(/\/versions\/[^/]+/, '/versions/:version')
  const route = npm.faces.listener.routes.find(({ url, method }) => url === shape && method === 'GET')
  const schema = (route?.schema?.response as Record<string, TSchema> | undefined)?.[status]
  assert.ok(schema, `${shape} doesn't declare ${status}`)
  const validator = Compile(schema)
  assert.ok(validator.Check(body), `${shape} ${status}: ${JSON.stringify(validator.Errors(body))}`)
}

const kit = 'olive/%40olive%2Fkit'

test('a package says what its latest version does, with readme and tags; strangers are told that there is none', async () => {
  const { status, body } = await ask(kit)
  assert.equal(status, 200, JSON.stringify(body))
  const { name, full_name: full, visibility, description, license, homepage, keywords, readme, dist_tags: tags, versions } = body
  assert.deepEqual(
    { name, full, visibility, description, license, homepage, keywords, readme, tags, versions },
    {
      name: '@olive/kit',
      full: 'olive/@olive/kit',
      visibility: 'private',
      description: 'a package of a test',
      license: 'MIT',
      homepage: 'https://kit.example',
      keywords: ['a', 'b'],
      readme: '# Kit',
      tags: { latest: '1.0.0', next: '2.0.0-rc.1' },
      versions: 2,
    },
  )
  for (const path of [
    '',
    '/versions',
    '/versions/1.0.0',
    '/versions/1.0.0/files',
    '/versions/1.0.0/file?path=package/index.js',
    '/dependants',
    '/downloads',
    '/compare?base=1.0.0&head=next',
  ])
    assert.equal((await ask(`${kit}${path}`, npm.sam)).status, 404, path)
  assert.equal((await ask('olive/nothing')).status, 404)
})

test('versions: by number or tag, with what they need', async () => {
  const { body } = await ask(`${kit}/versions`)
  assert.deepEqual(
    body.map((one: { version: string; dist_tags: string[]; file_count: number }) => [one.version, one.dist_tags, one.file_count]),
    [
      ['2.0.0-rc.1', ['next'], 4],
      ['1.0.0', ['latest'], 3],
    ],
  )
  const { body: next } = await ask(`${kit}/versions/next`)
  assert.deepEqual([next.version, next.dependencies], ['2.0.0-rc.1', [{ name: 'left', kind: 'dependencies', range: '^1' }]])
  assert.equal(next.manifest.name, '@olive/kit')
  assert.match(next.tarball.integrity, /^sha512-/)
  for (const name of ['3.0.0', 'nothing', '1.0']) assert.equal((await ask(`${kit}/versions/${name}`)).status, 404, name)
})

test('dependants: what the caller may read, by latest versions', async () => {
  const { body } = await ask(`${kit}/dependants`)
  assert.deepEqual(
    body.map(({ url: _url, ...one }: { url: string }) => one),
    [{ name: 'app', owner: 'olive', version: '1.0.0', kind: 'dependencies', range: '^1.0.0' }],
  )
  const kinds = await npm.rows<{ text: string }>(
    `select d.kind || ' ' || d.name as text from npm_dependency d join package_version v on v.id = d.version_id join package p on p.id = v.package_id
     where p.name = 'app' order by 1`,
  )
  assert.deepEqual(
    kinds.map(({ text }) => text),
    ['dependencies @olive/kit', 'optionalDependencies opt', 'peerDependencies host'],
  )
  const show = (visibility: string, name: string) =>
    fetch(`${npm.url}/api/v3/users/olive/packages/npm/${name}`, {
      method: 'PATCH',
      headers: { authorization: `Bearer ${npm.olive.token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ visibility }),
    })
  assert.equal((await show('public', '%40olive%2Fkit')).status, 200)
  assert.deepEqual((await ask(`${kit}/dependants`, npm.sam)).body, [], 'app is private')
  assert.equal((await show('public', 'app')).status, 200)
  assert.equal((await ask(`${kit}/dependants`, null)).body.length, 1)
})

test('files of a version, the bytes of one, and what differs between two', async () => {
  const { status, body } = await ask(`${kit}/versions/1.0.0/files?per_page=100`)
  assert.equal(status, 200, JSON.stringify(body))
  const files = body.files.filter(({ type }: { type: string }) => type === 'file') as { path: string; sha256: string; size_bytes: number }[]
  assert.deepEqual(files.map(({ path }) => path).toSorted(), ['package/index.js', 'package/lib/same.js', 'package/package.json'])
  assert.equal(files.find(({ path }) => path === 'package/index.js')?.sha256, createHash('sha256').update('one').digest('hex'))
  const file = await ask(`${kit}/versions/latest/file?path=package/index.js`)
  assert.deepEqual([file.status, file.bytes.toString(), file.headers.get('content-type')], [200, 'one', 'application/octet-stream'])
  assert.equal((await ask(`${kit}/versions/latest/file?path=package/none`)).status, 404)
  const { body: diff } = await ask(`${kit}/compare?base=1.0.0&head=next`)
  assert.deepEqual(
    diff.files.map((one: { path: string; status: string }) => `${one.status} ${one.path}`),
    ['changed package/index.js', 'added package/new.js', 'changed package/package.json'],
  )
  assert.deepEqual([diff.base, diff.head, diff.added, diff.removed, diff.changed, diff.total], ['1.0.0', '2.0.0-rc.1', 1, 0, 2, 3])
})

test('downloads by day, of all versions or one', async () => {
  assert.equal((await npm.ask('GET', 'olive/@olive/kit/-/kit-1.0.0.tgz')).status, 200)
  await until('the download is written', async () => (await ask(`${kit}/downloads?days=3`)).body.total === 1)
  const { body } = await ask(`${kit}/downloads?days=3&version=latest`)
  assert.deepEqual(
    body.days.map((one: { downloads: number }) => one.downloads),
    [0, 0, 1],
  )
  assert.equal((await ask(`${kit}/downloads?version=next`)).body.total, 0)
  assert.equal((await ask(`${kit}/downloads?days=0`)).status, 422)
  assert.equal((await ask(`${kit}/downloads?version=%00`)).status, 404)
})
