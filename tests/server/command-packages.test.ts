// `stemma package` as whoever administers the server uses it.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, test } from 'node:test'
import { createOrFindPackage, createRepository, operator } from '../../src/access/index.ts'
import { sql } from '../../src/db/index.ts'
import type { TestApi } from '../support/api.ts'
import { stemma } from '../support/command.ts'
import { CommandStand } from '../support/command-stand.ts'
import { makeImage } from '../support/images.ts'

let stand: CommandStand
let api: TestApi
before(async () => {
  stand = await CommandStand.open()
  api = stand.api
})
after(async () => await stand?.close())

const ok = (...args: string[]) => stand.ok(...args)
const wrong = (code: number, words: RegExp, ...args: string[]) => stand.wrong(code, words, ...args)

async function ask(method: string, path: string, { token }: { readonly token: string }) {
  const answer = await fetch(`${api.url}${path}`, { method, headers: { authorization: `Bearer ${token}` } })
  const text = await answer.text()
  // oxlint-disable-next-line typescript/no-explicit-any -- the test looks into whatever came
  return { status: answer.status, body: text === '' ? null : (JSON.parse(text) as any) }
}

test('packages are listed, shown, changed and deleted, and the audit tells of it', async () => {
  const { db, owner, stranger } = api
  const image = await makeImage(db, { ownerId: owner.id, ownerLogin: 'Olive', name: 'tools/app', tag: '1.0' })
  await makeImage(db, { ownerId: stranger.id, ownerLogin: 'sam', name: 'other' })
  await createRepository(db, { ownerId: owner.id, name: 'source', visibility: 'private' })
  await createRepository(db, { ownerId: stranger.id, name: 'elsewhere', visibility: 'public' })

  const listed = (await ok('package', 'list', '--json'))
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { name: string }).name)
  assert.deepEqual(listed, ['Olive/tools/app', 'sam/other'])
  const [heads, line] = (await ok('package', 'list', '--owner', 'olive')).split('\n')
  assert.deepEqual(heads?.split('\t'), ['PACKAGE', 'FORMAT', 'VISIBILITY', 'REPOSITORY', 'VERSIONS', 'SIZE', 'CHANGED'])
  assert.deepEqual(line?.split('\t').slice(0, 5), ['Olive/tools/app', 'oci', 'private', '-', '1'])
  assert.match(
    await ok('package', 'show', 'olive/tools/app'),
    /^Olive\/tools\/app is private, linked to no repository\n1 version, 1 tag, 0 blobs/,
  )
  assert.deepEqual((await ok('package', 'tags', 'olive/tools/app')).split('\n')[1]?.split('\t').slice(0, 2), ['1.0', image.digest])

  assert.equal((await ok('package', 'versions', 'olive/tools/app')).split('\n')[1]?.split('\t')[0], image.digest)
  await wrong(1, /no package 'olive\/tools\/app'/, 'package', 'prune', 'olive/tools/app')

  assert.equal(await ok('package', 'set-visibility', 'olive/tools/app', 'internal'), 'Olive/tools/app is internal now\n')
  assert.equal(await ok('package', 'link', 'olive/tools/app', 'source'), 'Olive/tools/app is linked to Olive/source now\n')
  const shown = JSON.parse(await ok('package', 'show', 'olive/tools/app', '--json')) as Record<string, unknown>
  assert.deepEqual([shown.visibility, shown.repository, shown.downloadsIn30Days], ['internal', 'Olive/source', 0])
  await wrong(1, /same owner/, 'package', 'link', 'olive/tools/app', 'sam/elsewhere')
  assert.equal(await ok('package', 'unlink', 'olive/tools/app'), 'Olive/tools/app is linked to no repository now\n')
  await wrong(2, /--yes does it/, 'package', 'delete', 'olive/tools/app')
  assert.match(await ok('package', 'delete', 'olive/tools/app', '--yes'), /^olive\/tools\/app is gone/)
  await wrong(1, /there is no package 'olive\/tools\/app'/, 'package', 'show', 'olive/tools/app')
  const audit = await db.queries
    .selectFrom('audit')
    .select(['action', 'actor'])
    .where('target', '=', 'oci Olive/tools/app')
    .orderBy('id')
    .execute()
  const words = ['package.create', 'package.change', 'package.change', 'package.change', 'package.delete']
  assert.deepEqual(
    audit,
    words.map((action) => ({ action, actor: 'the operator' })),
  )
})

test('retention is set, tried, shown and cleared, of a package and of an owner', async () => {
  const { db, owner } = api
  const at = { ownerId: owner.id, ownerLogin: 'Olive', name: 'kept' }
  const { package: one, digest } = await makeImage(db, { ...at, tag: 'v1' })
  const bytes = Buffer.from(digest.slice('sha256:'.length), 'hex')
  await db.queries.insertInto('oci_tag').values({ package_id: one.id, name: 'nightly', digest: bytes }).execute()
  await db.queries
    .updateTable('oci_manifest')
    .set({ pushed_at: new Date(0), confirmed_at: new Date(0) })
    .where('package_id', '=', one.id)
    .execute()
  const retention = (...args: string[]) => ok('package', 'retention', ...args)
  assert.equal(await retention('show', 'olive/kept'), 'Olive/kept has no policy: everything stays\n')
  await wrong(2, /needs --rule or --untagged/, 'package', 'retention', 'set', 'olive/kept')
  await wrong(2, /--referrers never is none of go, stay/, 'package', 'retention', 'set', 'olive/kept', '--referrers', 'never')

  const tried = await retention('try', 'olive/kept', '--rule', 'night*:newest=0')
  assert.deepEqual(
    tried.split('\n').map((line) => line.split('\t').slice(0, 3).join(' ')),
    [
      'WHAT NAME GOES',
      'tag nightly goes',
      'tag v1 stays',
      '1 of 2 tags and 0 manifests would go, and 0 bytes with them; nothing has changed',
      '',
    ],
  )
  const both = JSON.parse(await retention('try', 'olive/kept', '--rule', '*:newest=0', '--json')) as Record<string, unknown>
  assert.deepEqual([both.tagCount, both.manifestCount, (both.manifests as { digest: string }[])[0]?.digest], [2, 1, digest])
  assert.equal((await ok('package', 'tags', 'olive/kept')).trim().split('\n').length, 3, 'nothing has changed')

  const rules = ['--rule', 'v*:newest=10,pulled=30d,except=v0', '--rule', '*:pushed=90d', '--untagged', '14d', '--referrers', 'stay']
  const set = await retention('set', 'olive/kept', ...rules)
  assert.match(set, /^Olive\/kept, by a policy of its own, which is applied next at 20/)
  const shown = await retention('show', 'olive/kept')
  assert.equal(shown, set)
  const words = shown.split('\n').slice(1).join(' ').replaceAll("'", '').trim().split(/\s+/)
  assert.deepEqual(words, rules, 'what is shown can be set')
  const json = JSON.parse(await retention('show', 'olive/kept', '--json')) as Record<string, unknown>
  assert.deepEqual([json.of, json.untaggedDays, json.referrersGo, (json.rules as unknown[]).length], ['package', 14, false, 2])
  const url = '/api/v3/users/olive/packages/container/kept/retention'
  const { body } = await ask('GET', url, owner)
  assert.deepEqual([body.of, body.rules[0].keep_pulled_days, body.untagged_days], ['package', 30, 14], 'the API says the same')

  await retention('set', 'olive', '--untagged', '30d')
  assert.equal(await retention('clear', 'olive/kept'), 'Olive/kept has no policy of its own any more\n')
  assert.match(await retention('show', 'olive/kept'), /^Olive\/kept, by its owner’s policy, .*\n  --untagged 30d\n/)
  assert.match(await retention('try', 'olive/kept'), /0 of 2 tags and 0 manifests would go/)
  assert.match(await retention('clear', 'olive'), /^Olive has no policy of its own any more/)
})

test('immutable tags are set, shown and cleared', async () => {
  const { db, owner } = api
  await makeImage(db, { ownerId: owner.id, ownerLogin: 'Olive', name: 'fixed', tag: 'v1' })
  const immutable = (...args: string[]) => ok('package', 'immutable', ...args)
  assert.equal(await immutable('show', 'olive/fixed'), 'Olive/fixed has no immutable tags: all may move\n')
  await wrong(1, /pattern of tags/, 'package', 'immutable', 'set', 'olive/fixed', '--rule', 'ü')
  await immutable('set', 'olive', '--rule', 'release-*')
  assert.equal(
    await immutable('set', 'olive/fixed', '--rule', 'v*:except=v0,except=v1.?', '--rule', 'latest'),
    'OF\tRULE\npackage\tv*:except=v0,except=v1.?\npackage\tlatest\nowner\trelease-*\n',
  )
  const lines = (await immutable('show', 'olive/fixed', '--json')).trim().split('\n')
  assert.deepEqual(JSON.parse(lines[0] ?? ''), { of: 'package', tags: 'v*', except: ['v0', 'v1.?'] })
  const { status } = await ask('DELETE', '/api/v3/images/olive/fixed/tags/v1', owner)
  assert.equal(status, 422, 'it holds')
  await immutable('clear', 'olive/fixed')
  assert.equal((await ask('DELETE', '/api/v3/images/olive/fixed/tags/v1', owner)).status, 204)
  assert.equal(await immutable('show', 'olive'), 'OF\tRULE\nowner\trelease-*\n')
  assert.equal(await immutable('clear', 'olive'), 'Olive says of no tags that they stay; a package’s own rules hold\n')
  const told = await db.queries
    .selectFrom('audit')
    .select(['action', 'target'])
    .where('action', 'in', ['package.tag-rules', 'package.retention'])
    .orderBy('id')
    .execute()
  assert.deepEqual(
    told.map(({ action, target }) => `${action} ${target}`),
    [
      ...['oci Olive/kept', 'Olive', 'oci Olive/kept', 'Olive'].map((target) => `package.retention ${target}`),
      ...['Olive', 'oci Olive/fixed', 'oci Olive/fixed', 'Olive'].map((target) => `package.tag-rules ${target}`),
    ],
  )
})

test('what isn’t there, and what is no name, is told', async () => {
  await wrong(1, /there is no package 'olive\/nothing'/, 'package', 'tags', 'olive/nothing')
  await wrong(2, /'olive' is not OWNER\/NAME/, 'package', 'show', 'olive')
  await wrong(2, /'secret' is none of public, internal, private/, 'package', 'set-visibility', 'sam/other', 'secret')
  await wrong(1, /there is no repository 'sam\/nothing'/, 'package', 'link', 'sam/other', 'nothing')
})

test('an upstream where this server may not connect to is declared with a warning', async () => {
  const declare = (place: string, url: string) =>
    stemma(['upstream', 'declare', place, url, '--data', stand.folder], { DATABASE_URL: api.databaseUrl })
  const barred = await declare('olive/near', 'http://10.0.0.1:5000')
  assert.equal(barred.code, 0)
  assert.match(
    barred.stderr,
    /^stemma: nothing will come from there yet: 10\.0\.0\.1 is a private address, .* outbound\.allowPrivate .*\n$/,
  )
  const allowed = await declare('olive/here', 'http://127.0.0.1:5000')
  assert.deepEqual([allowed.code, allowed.stderr], [0, ''])
  const [heads, near] = (await ok('upstream', 'list')).split('\n').map((line) => line.split('\t'))
  assert.deepEqual(
    [heads?.slice(5, 7), near?.slice(5, 7)],
    [
      ['FRESH', 'KEEP'],
      ['5m', '30d'],
    ],
  )
  await ok('upstream', 'remove', 'olive/near', '--yes')
  await ok('upstream', 'declare', 'olive', 'http://127.0.0.1:5000', '--format', 'npm', '--min-age', '3d')
  await ok('upstream', 'claim', 'olive/@acme')
  const listed = (await ok('upstream', 'list')).split('\n').map((line) => line.split('\t'))
  assert.deepEqual(
    listed.slice(-3, -1).map((cells) => [cells[0], cells[1], ...cells.slice(8)]),
    [
      ['Olive', 'http://127.0.0.1:5000', 'npm', '3d'],
      ['Olive/@acme', 'claimed', 'npm', '-'],
    ],
  )
  await wrong(1, /has an upstream already, or is claimed/, 'upstream', 'claim', 'olive/@acme')
  await ok('upstream', 'change', 'olive', '--format', 'npm', '--min-age', 'none')
  for (const place of ['olive', 'olive/@acme']) await ok('upstream', 'remove', place, '--format', 'npm', '--yes')
  await ok('upstream', 'remove', 'olive/here', '--yes')
})

test('prereleases of npm packages: what would go is told, and goes when that is said', async () => {
  const { db, owner } = api
  const one = await createOrFindPackage(
    db,
    { ownerId: owner.id, ownerLogin: 'Olive', format: 'npm', name: '@olive/kit', repositoryId: null, visibility: 'private' },
    operator,
  )
  await sql`insert into npm_package (package_id) values (${one.id})`.execute(db.queries)
  for (const version of ['1.0.0', '1.0.0-a.1', '1.0.0-a.2', '1.0.0-a.3']) {
    const { rows } = await sql<{ id: number }>`
      insert into package_version (package_id, version, version_key, published_by, published_at)
      values (${one.id}, ${version}, ${version}, 'x', now() - interval '90 days' + ${version.slice(-1)}::int * interval '1 day') returning id`.execute(
      db.queries,
    )
    const id = rows[0]?.id
    await sql`insert into npm_version (version_id, package_id, manifest, unpacked_bytes, file_count, has_install_script)
      values (${id}, ${one.id}, '{}', 1, 1, false)`.execute(db.queries)
    await sql`insert into package_file (version_id, package_id, name, content, size_bytes) values (${id}, ${one.id}, ${version}, ${randomBytes(32)}, 1)`.execute(
      db.queries,
    )
    if (version === '1.0.0')
      await sql`insert into npm_tag (package_id, tag, version_id) values (${one.id}, 'latest', ${id})`.execute(db.queries)
  }
  const lines = (await ok('package', 'prune', 'olive/@olive/kit', '--newest', '1')).trim().split('\n')
  assert.deepEqual(
    lines.slice(1).map((line) => line.split('\t').slice(0, 2).join(' ')),
    ['1.0.0-a.3 stays', '1.0.0-a.2 goes', '1.0.0-a.1 goes', '2 of 3 prereleases would go; nothing has changed (--yes does it)'],
  )
  assert.equal((await ok('package', 'versions', 'olive/@olive/kit')).trim().split('\n').length, 5)
  assert.match(
    await ok('package', 'prune', 'olive/@olive/kit', '--newest', '1', '--yes'),
    /\n2 of 3 prereleases went, and never come again\n$/,
  )
  assert.equal((await ok('package', 'versions', 'olive/@olive/kit')).trim().split('\n').length, 3)
  await wrong(2, /no number of versions/, 'package', 'prune', 'olive/@olive/kit', '--newest', 'all')
})
