// What is taken out of an image that is deleted, on rows.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type ContentHost, contentHost } from '../../../tests/support/content.ts'
import { makePackage } from '../../../tests/support/oci-rows.ts'
import { sql } from '../../db/index.ts'
import { until } from '../../../tests/support/until.ts'
import { dropReviews, emptyPackage } from './removal.ts'

let host: ContentHost
before(async () => {
  host = await contentHost()
})
after(() => host?.close())

test('a blob that comes while its image is emptied is still looked at, should the image stay', async () => {
  const { queries } = host.db.database
  const one = await makePackage(host)
  const reviews = async () => {
    const { rows } = await sql<{ kind: string }>`select kind from oci_review where package_id = ${one.id}`.execute(queries)
    return rows.map(({ kind }) => kind)
  }
  await one.manifest({ blobs: [await one.blob()] })
  assert.ok((await reviews()).length >= 2)
  await emptyPackage(host.db.database, one.id)
  assert.deepEqual(await reviews(), [])
  await one.blob() // between the last step and the reviews
  await dropReviews(queries, one.id)
  assert.deepEqual(await reviews(), ['blob'])
})

test('a manifest that comes while its image is emptied keeps its blobs, and an index its manifests', async () => {
  const { database } = host.db
  const one = await makePackage(host)
  const blob = await one.blob()
  const child = await one.manifest({ blobs: [blob] })
  // as a push does it: what is named is locked and named, and seen by others at the commit
  const locked = Promise.withResolvers<void>()
  const go = Promise.withResolvers<void>()
  const pushed = database.transaction(async (tx) => {
    await sql`select from oci_manifest where package_id = ${one.id} and digest = ${child} for key share`.execute(tx)
    await sql`select from oci_blob where package_id = ${one.id} and digest = ${blob} for key share`.execute(tx)
    locked.resolve()
    await go.promise
    const index = Buffer.alloc(32, 0xee)
    await sql`insert into oci_manifest (package_id, digest, media_type, bytes) values (${one.id}, ${index}, 'x', '')`.execute(tx)
    await sql`insert into oci_manifest_part (package_id, manifest, ordinal, kind, digest, size_bytes, media_type)
      values (${one.id}, ${index}, 0, 'manifest', ${child}, 1, 'x'), (${one.id}, ${index}, 1, 'layer', ${blob}, 1, 'x')`.execute(tx)
  })
  await locked.promise
  const emptied = emptyPackage(database, one.id)
  await untilWaiting()
  go.resolve()
  await Promise.all([pushed, emptied])
  const { rows } = await sql<{ manifests: number; blobs: number }>`select
    (select count(*)::int from oci_manifest where package_id = ${one.id}) as manifests,
    (select count(*)::int from oci_blob where package_id = ${one.id}) as blobs`.execute(database.queries)
  const { rows: lost } = await sql`select from oci_manifest_part p where p.package_id = ${one.id}
    and not exists (select from oci_blob b where b.package_id = p.package_id and b.digest = p.digest)
    and not exists (select from oci_manifest m where m.package_id = p.package_id and m.digest = p.digest)`.execute(database.queries)
  assert.deepEqual({ rows, lost: lost.length }, { rows: [{ manifests: 2, blobs: 1 }], lost: 0 })
})

/** Somebody waits for a lock. */
async function untilWaiting(): Promise<void> {
  await until('a lock is waited for', async () => {
    const { rows } = await sql`select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`.execute(
      host.db.database.queries,
    )
    return rows.length > 0
  })
}
