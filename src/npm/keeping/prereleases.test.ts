// Which prereleases go, and that nothing goes which a tag leads to.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type ContentHost, contentHost } from '../../../tests/support/content.ts'
import { makeVersioned } from '../../../tests/support/package-rows.ts'
import { noise } from '../../../tests/support/seeded.ts'
import { operator } from '../../access/index.ts'
import { sql } from '../../db/index.ts'
import { judgePrereleases, removePrereleases } from './prereleases.ts'

let host: ContentHost
before(async () => {
  host = await contentHost()
})
after(() => host?.close())

test('the newest, the young and the tagged stay; releases are no matter', () => {
  const now = new Date('2026-11-27T00:00:00Z')
  const version = (name: string, daysAgo: number, ...tags: string[]) => ({
    name,
    tags,
    publishedAt: new Date(now.getTime() - daysAgo * 86_400_000),
  })
  const versions = [
    version('1.0.0', 100),
    version('1.0.0-rc.1', 90, 'next'),
    version('1.0.0-rc.2', 80),
    version('2.0.0-a.1', 40),
    version('2.0.0-a.2', 5),
    version('2.0.0-a.3', 4),
    version('1.0.1+build-7', 200),
  ]
  const told = (newest: number, days: number) =>
    judgePrereleases({ newest, days }, versions, now).map(({ name, goes }) => `${goes ? '-' : '+'}${name}`)
  assert.deepEqual(told(1, 30), ['+2.0.0-a.3', '+2.0.0-a.2', '-2.0.0-a.1', '-1.0.0-rc.2', '+1.0.0-rc.1'])
  assert.deepEqual(told(3, 0), ['+2.0.0-a.3', '+2.0.0-a.2', '+2.0.0-a.1', '-1.0.0-rc.2', '+1.0.0-rc.1'])
  assert.deepEqual(
    told(0, 0).filter((one) => one.startsWith('+')),
    ['+1.0.0-rc.1'],
  )
})

test('they go for ever, and neither releases nor what has a tag by now', async () => {
  const db = host.db.database
  const { one, publish } = await makeVersioned(host, 'npm')
  await sql`insert into npm_package (package_id) values (${one.id})`.execute(db.queries)
  for (const version of ['1.0.0', '1.0.0-a.1', '1.0.0-a.2', '1.0.0-a.3']) {
    const id = await publish(version, { [`${one.name}-${version}.tgz`]: noise(1, 20) })
    await sql`insert into npm_version (version_id, package_id, manifest, unpacked_bytes, file_count, has_install_script)
      values (${id}, ${one.id}, '{}', 1, 1, false)`.execute(db.queries)
    const tag = { '1.0.0': 'latest', '1.0.0-a.3': 'next' }[version]
    if (tag !== undefined)
      await sql`insert into npm_tag (package_id, tag, version_id) values (${one.id}, ${tag}, ${id})`.execute(db.queries)
  }
  assert.deepEqual(await removePrereleases(db, one, ['1.0.0', '1.0.0-a.1', '1.0.0-a.2', '1.0.0-a.3', '9.9.9-x'], operator), [
    '1.0.0-a.1',
    '1.0.0-a.2',
  ])
  const { rows } = await sql<{ version: string }>`select version from package_version where package_id = ${one.id} order by id`.execute(
    db.queries,
  )
  assert.deepEqual(
    rows.map(({ version }) => version),
    ['1.0.0', '1.0.0-a.3'],
  )
  await assert.rejects(publish('1.0.0-a.1', {}), /never comes again/)
})
