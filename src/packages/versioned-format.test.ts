// What formats of versions with files have in common: lists, figures, deletion in steps, what marks stay, what the check of what is stored finds.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, test } from 'node:test'
import { type ContentHost, contentHost } from '../../tests/support/content.ts'
import { makeVersioned } from '../../tests/support/package-rows.ts'
import { noise } from '../../tests/support/seeded.ts'
import { findPackageById, operator, type PackageId } from '../access/index.ts'
import { InputError } from '../base/index.ts'
import { sql } from '../db/index.ts'
import type { FormatRoom, FormatVersion } from './format-room.ts'
import { deleteWhole } from './package-deletion.ts'
import { versionedRoom } from './versioned-format.ts'

let host: ContentHost
before(async () => {
  host = await contentHost()
})
after(() => host?.close())

const changed: PackageId[] = []
const common = {
  type: 'npm',
  registry: { name: 'a registry', type: 'npm', path: '/npm' },
  tags: null,
  fileUrl: (origin: string, { name }: { readonly name: string }, version: string, file: string) => [origin, name, version, file].join('/'),
  changed: async (_tx: unknown, id: PackageId) => void changed.push(id),
  upstream: null,
} as const
const forEver = versionedRoom({ ...common, format: 'npm', isForEver: true })
const plain = versionedRoom({ ...common, format: 'generic', type: 'generic', isForEver: false })

const queries = () => host.db.database.queries
const page = { page: 1, perPage: 100 }
const codes = async (room: FormatRoom) => {
  const found: string[] = []
  for await (const { code } of room.contents.check(queries())) found.push(code)
  return found
}

test('versions are listed, the newest first, counted, and told with their files', async () => {
  const { one, publish } = await makeVersioned(host, 'generic')
  const same = noise(1, 400_000)
  const first = await publish('1.0', { 'a.bin': same, 'b.bin': same })
  const second = await publish('2.0', { 'a.bin': noise(2, 1000) })
  await sql`insert into package_download_day (version_id, day, count) values (${second}, current_date, 3), (${first}, current_date - 40, 9)`.execute(
    queries(),
  )
  const { versions, total } = await plain.listVersions(queries(), one.id, page)
  assert.deepEqual(
    [versions.map(({ id, name }) => [id, name]), total],
    [
      [
        [second, '2.0'],
        [first, '1.0'],
      ],
      2,
    ],
  )
  assert.deepEqual(await plain.figures(queries(), one.id), { versions: 2, tags: null, files: 3, fileBytes: 401_000, downloadsIn30Days: 3 })
  assert.deepEqual([...(await plain.countVersions(queries(), [one.id]))], [[one.id, 2]])
  assert.equal((await plain.findVersion(queries(), one.id, first))?.name, '1.0')
  const other = await makeVersioned(host, 'generic')
  assert.equal(await plain.findVersion(queries(), other.one.id, first), null, 'of another package')
  const told = (await plain.toldVersion(queries(), 'http://x', one, { version: '1.0' })) as {
    id: number
    package_files: { download_url: string }[]
  }
  assert.deepEqual(
    [told.id, told.package_files.map((file) => file.download_url)],
    [first, ['a', 'b'].map((name) => `http://x/${one.name}/1.0/${name}.bin`)],
  )
  assert.equal(await plain.toldVersion(queries(), 'http://x', one, { visibility: 'public' }), null)
})

test('a version that is deleted is gone for ever where its format says so, and may come again where it doesn’t', async () => {
  for (const room of [forEver, plain]) {
    const { one, publish } = await makeVersioned(host, room.format)
    const id = await publish('1.0', { a: noise(3, 10) })
    const version = (await room.findVersion(queries(), one.id, id)) as FormatVersion
    assert.deepEqual([await room.deleteVersion(host.db.database, one, version, operator), changed.at(-1)], [true, one.id])
    assert.equal(await room.deleteVersion(host.db.database, one, version, operator), false)
    const again = publish('1.0', { a: noise(3, 10) })
    if (room === plain) await again
    else await assert.rejects(again, (error) => error instanceof InputError && error.code === 'version-removed')
    const { rows } = await sql<{ kind: string }>`select kind from outbox where payload ->> 'packageId' = ${String(one.id)}`.execute(
      queries(),
    )
    assert.deepEqual(
      rows.map(({ kind }) => kind),
      ['package.deleted'],
    )
    const { rows: audited } = await sql<{
      action: string
    }>`select action from audit where target = ${`${one.format} ${one.ownerLogin}/${one.name}`}`.execute(queries())
    assert.deepEqual(
      audited.map(({ action }) => action),
      ['package.delete-version'],
    )
  }
})

test('a package of many versions goes in steps: nothing holds its content, and marks stay where they must', async () => {
  for (const room of [forEver, plain]) {
    const { one, publish } = await makeVersioned(host, room.format)
    await publish('first', { a: noise(4, 10) })
    await sql`
      insert into package_version (package_id, version, version_key, published_by)
      select ${one.id}, 'v' || n, 'v' || n, 'x' from generate_series(1, 450) n`.execute(queries())
    const before = changed.length
    assert.equal(await deleteWhole(host.db.database, [room], one, operator), true)
    assert.equal(changed.length - before, 3, '451 in steps of 200')
    assert.equal(await findPackageById(queries(), one.id), null)
    const { rows } = await sql<{ marks: number; holds: number }>`
      select (select count(*) from package_tombstone where name = ${one.name})::float8 as marks,
        (select count(*) from content_reference where kind = 'package' and id = ${String(one.id)})::float8 as holds`.execute(queries())
    assert.deepEqual(rows, [{ marks: room === forEver ? 451 : 0, holds: 0 }])
    assert.equal(await deleteWhole(host.db.database, [room], one, operator), false)
  }
})

test('a file whose content nothing keeps is told, and held again; one whose content is nowhere is told', async () => {
  const { one, publish } = await makeVersioned(host, 'npm')
  const id = await publish('1.0', { a: noise(5, 10), b: noise(6, 10) })
  assert.deepEqual(await codes(forEver), [])
  await sql`delete from content_reference where kind = 'package' and id = ${String(one.id)}`.execute(queries())
  assert.deepEqual(await codes(forEver), ['package-unheld', 'package-unheld'])
  assert.deepEqual(
    [await forEver.contents.holdAgain(queries()), await codes(plain), await forEver.contents.holdAgain(queries())],
    [2, [], 0],
  )
  await sql`update package_file set content = ${randomBytes(32)} where version_id = ${id} and name = 'a'`.execute(queries())
  assert.deepEqual(await codes(forEver), ['package-content-missing'])
  await sql`delete from package where id = ${one.id}`.execute(queries())
})
