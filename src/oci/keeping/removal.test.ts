// What is taken out of an image that is deleted, on rows.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type ContentHost, contentHost } from '../../../tests/support/content.ts'
import { makePackage } from '../../../tests/support/oci-rows.ts'
import { sql } from '../../db/index.ts'
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
