// Images that were made and never filled, on rows.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type ContentHost, contentHost } from '../../../tests/support/content.ts'
import { makePackage, type TestPackage } from '../../../tests/support/oci-rows.ts'
import { changePackage, findPackageById, operator, type PackageId } from '../../access/index.ts'
import { sql } from '../../db/index.ts'
import { removeUnfilled } from './empty-packages.ts'

let host: ContentHost
const hour = 3600_000

before(async () => {
  host = await contentHost()
})
after(() => host?.close())

const db = () => host.db.database
const idOf = ({ id }: TestPackage) => id as PackageId
const isThere = async (one: TestPackage): Promise<boolean> => (await findPackageById(db().queries, idOf(one))) !== null

async function madeHoursAgo(hours: number): Promise<TestPackage> {
  const one = await makePackage(host)
  await sql`update package set created_at = now() - ${hours} * interval '1 hour', updated_at = now() - ${hours} * interval '1 hour'
    where id = ${one.id}`.execute(db().queries)
  return one
}

test('an image that a refused push left empty goes when its lease is over, with a word in the audit; one that holds or is said anything of stays', async () => {
  const [empty, young, filled, pushed, said, ruled, sending] = [
    await madeHoursAgo(2),
    await madeHoursAgo(0),
    await madeHoursAgo(2),
    await madeHoursAgo(2),
    await madeHoursAgo(2),
    await madeHoursAgo(2),
    await madeHoursAgo(2),
  ]
  await filled.manifest({ blobs: [] })
  await pushed.blob()
  await changePackage(db(), idOf(said), { visibility: 'public' }, operator)
  await sql`insert into oci_tag_rule (package_id, tags) values (${ruled.id}, 'v*')`.execute(db().queries)
  await sql`insert into content_upload (id, scope, algorithm) values (gen_random_uuid(), ${`oci/${sending.id}`}, 'sha256')`.execute(
    db().queries,
  )
  assert.equal(await removeUnfilled(db(), hour), 1)
  assert.equal(await isThere(empty), false)
  for (const one of [young, filled, pushed, said, ruled, sending]) assert.equal(await isThere(one), true, one.name)
  const { rows } = await sql<{ actor: string; target: string }>`select actor, target from audit where action = 'package.delete'`.execute(
    db().queries,
  )
  assert.deepEqual(
    rows.map(({ actor, target }) => [actor, target.endsWith(`/${empty.name}`)]),
    [['collection', true]],
  )
  assert.equal(await removeUnfilled(db(), hour), 0)
})

test('a push that comes while an empty image is looked at is seen', async () => {
  const one = await madeHoursAgo(2)
  const sent = Promise.withResolvers<void>()
  const end = Promise.withResolvers<void>()
  const push = db().transaction(async (tx) => {
    await one.manifest({ blobs: [] }, tx)
    sent.resolve()
    await end.promise
  })
  await sent.promise
  assert.equal(await removeUnfilled(db(), hour), 0, 'somebody has its row')
  end.resolve()
  await push
  assert.equal(await removeUnfilled(db(), hour), 0)
  assert.equal(await isThere(one), true)
})
