// After a rebuild of the store's rows, blobs hold their content again: what images need isn't collected.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { sql } from '../../db/index.ts'
import { rebuildStore } from '../../store/index.ts'
import { contentHost, type ContentHost, pieces, read } from '../../../tests/support/content.ts'
import { noise } from '../../../tests/support/seeded.ts'
import { holdBlobs } from './kept-content.ts'

let host: ContentHost
before(async () => {
  host = await contentHost()
})
after(() => host.close())

test('blobs hold their content again', async () => {
  const { queries } = host.db.database
  const { rows: accounts } = await sql<{ id: number }>`insert into account (login) values ('olive') returning id::float8 as id`.execute(
    queries,
  )
  const { rows: packages } = await sql<{ id: number }>`
    insert into package (owner_id, format, name, visibility) values (${accounts[0]?.id}, 'oci', 'app', 'private') returning id::float8 as id`.execute(
    queries,
  )
  const packageId = packages[0]?.id as number
  const bytes = noise(7, 300_000)
  const { digest } = await host.store.uploads.receive(pieces(bytes), {
    limitBytes: 2 ** 30,
    reference: { kind: 'oci', id: String(packageId) },
  })
  const content = Buffer.from(digest, 'hex')
  // the same bytes by two names are held once
  for (const name of [content, Buffer.alloc(64, 7)]) {
    await sql`insert into oci_blob (package_id, digest, content, size_bytes, leased_until) values (${packageId}, ${name}, ${content}, 300000, now())`.execute(
      queries,
    )
  }
  const missing = Buffer.alloc(32, 9)
  await sql`insert into oci_blob (package_id, digest, content, size_bytes, leased_until) values (${packageId}, ${missing}, ${missing}, 1, now())`.execute(
    queries,
  )
  await sql`truncate content, content_review cascade`.execute(queries)
  assert.equal((await rebuildStore(host.db.database, host.bucket)).wholes, 1)
  assert.equal(await holdBlobs(queries), 1)
  assert.equal(await holdBlobs(queries), 0)
  await sql`update content set leased_until = now()`.execute(queries)
  await sql`update content_review set due_at = now()`.execute(queries)
  await host.store.tidy()
  assert.equal(Buffer.compare((await read(host.store, digest)) as Buffer, bytes), 0)
})
