// Packages of every format by the same routes, as the API and the commands show them.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { sql } from '../../src/db/index.ts'
import { makeAccount, type TestAccount } from '../support/accounts.ts'
import { openFaces, type TestFaces } from '../support/faces.ts'
import { makeImage } from '../support/images.ts'
import { makeVersioned, type VersionedPackage } from '../support/package-rows.ts'
import { noise } from '../support/seeded.ts'

let faces: TestFaces
let olive: TestAccount
let sam: TestAccount
let npm: VersionedPackage
before(async () => {
  faces = await openFaces({ isWhole: true })
  ;[olive, sam] = [await makeAccount(faces.db, 'olive'), await makeAccount(faces.db, 'sam')]
  npm = await makeVersioned({ db: { database: faces.db }, store: faces.store }, 'npm', { ownerId: olive.id, name: '@olive/kit' })
  await sql`insert into npm_package (package_id) values (${npm.one.id})`.execute(faces.db.queries)
  await makeImage(faces.db, { ownerId: olive.id, ownerLogin: 'olive', name: 'kit' })
})
after(async () => await faces?.close())

async function ask(who: TestAccount | null, method: string, path: string, body?: object) {
  const headers = who === null ? {} : { authorization: `Bearer ${who.token}` }
  const answer = await faces.listener.inject({
    method: method as 'GET',
    url: `/api/v3${path}`,
    headers,
    ...(body === undefined ? {} : { payload: body }),
  })
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into whatever came
  return { status: answer.statusCode, body: (answer.body === '' ? null : answer.json()) as any }
}

const kit = '/users/olive/packages/npm/%40olive%2Fkit'

/** A version with a tag, as npm's own rows have it. */
async function publish(version: string, tag: string): Promise<number> {
  const { queries } = faces.db
  const id = await npm.publish(version, { [`kit-${version}.tgz`]: noise(Number(version[0]), 300) })
  await sql`insert into npm_version (version_id, package_id, manifest, unpacked_bytes, file_count, has_install_script)
    values (${id}, ${npm.one.id}, '{}', 1, 1, false)`.execute(queries)
  await sql`insert into npm_tag (package_id, tag, version_id) values (${npm.one.id}, ${tag}, ${id})
    on conflict (package_id, tag) do update set version_id = excluded.version_id`.execute(queries)
  return id
}

test('lists are of all types or of one; each package says which', async () => {
  await publish('1.0.0', 'latest')
  const listed = async (query: string) =>
    (await ask(olive, 'GET', `/users/olive/packages${query}`)).body.map(
      (one: { name: string; package_type: string; version_count: number }) => [one.package_type, one.name, one.version_count],
    )
  const [image, package_] = [
    ['container', 'kit', 1],
    ['npm', '@olive/kit', 1],
  ]
  assert.deepEqual(await listed(''), [package_, image])
  assert.deepEqual(await listed('?package_type=npm'), [package_])
  assert.deepEqual(await listed('?package_type=container'), [image])
  assert.deepEqual(await listed('?package_type=maven'), [])
  assert.deepEqual((await ask(sam, 'GET', '/users/olive/packages')).body, [])
})

test('a package is found by its type and name, never as another’s', async () => {
  const { status, body } = await ask(olive, 'GET', kit)
  assert.deepEqual([status, body.package_type, body.visibility], [200, 'npm', 'private'])
  assert.match(body.url, /\/api\/v3\/users\/olive\/packages\/npm\/%40olive%2Fkit$/)
  assert.equal((await ask(olive, 'GET', '/user/packages/npm/%40olive%2Fkit')).body.id, npm.one.id)
  for (const path of ['container/%40olive%2Fkit', 'generic/%40olive%2Fkit', 'npm/kit', 'maven/%40olive%2Fkit'])
    assert.equal((await ask(olive, 'GET', `/users/olive/packages/${path}`)).status, 404, path)
  assert.equal((await ask(sam, 'GET', kit)).status, 404)
  assert.equal((await ask(olive, 'PATCH', kit, { visibility: 'public' })).status, 200)
  assert.equal((await ask(null, 'GET', kit)).status, 200)
  assert.equal((await ask(olive, 'GET', `${kit}/retention`)).status, 404, 'tags that move are images’ alone')
})

test('versions of npm packages: with their tags; what is deleted never comes again, latest leads to the highest that is left', async () => {
  const beta = await publish('3.0.0-beta.1', 'next')
  const second = await publish('2.0.0', 'latest')
  const { body } = await ask(olive, 'GET', `${kit}/versions`)
  assert.deepEqual(
    body.map((one: { name: string; metadata: { npm: { dist_tags: string[] } } }) => [one.name, one.metadata.npm.dist_tags]),
    [
      ['2.0.0', ['latest']],
      ['3.0.0-beta.1', ['next']],
      ['1.0.0', []],
    ],
  )
  assert.equal((await ask(sam, 'DELETE', `${kit}/versions/${second}`)).status, 403)
  assert.equal((await ask(olive, 'DELETE', `${kit}/versions/${second}`)).status, 204)
  assert.equal((await ask(olive, 'DELETE', `${kit}/versions/${second}`)).status, 404)
  const { rows } = await sql<{ tag: string; version: string; revision: number }>`
    select t.tag, v.version, n.revision from npm_tag t join package_version v on v.id = t.version_id join npm_package n on n.package_id = v.package_id
    where v.package_id = ${npm.one.id} order by tag`.execute(faces.db.queries)
  assert.deepEqual(rows, [
    { tag: 'latest', version: '1.0.0', revision: 2 },
    { tag: 'next', version: '3.0.0-beta.1', revision: 2 },
  ])
  await assert.rejects(publish('2.0.0', 'latest'), /never comes again/)
  assert.equal((await ask(olive, 'DELETE', `${kit}/versions/${beta}`)).status, 204)
  const [last] = (await ask(olive, 'GET', `${kit}/versions`)).body
  assert.equal((await ask(olive, 'DELETE', `${kit}/versions/${last.id}`)).status, 204)
  assert.equal((await ask(olive, 'GET', kit)).status, 404, 'with its last version the package goes')
})
