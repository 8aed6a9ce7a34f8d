// A reference that goes while its content is being reviewed is looked at again.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { randomBytes } from 'node:crypto'
import { type ContentHost, contentHost, put } from '../../tests/support/content.ts'
import { sql } from '../db/index.ts'
import { digestBytes } from './digest.ts'

let host: ContentHost
before(async () => {
  host = await contentHost()
})
after(() => host?.close())

test('content whose last reference goes while it is looked at is collected in the end', async () => {
  const { database: db } = host.db
  const reference = { kind: 'test', id: '1' }
  const { digest } = await put(host.store, randomBytes(1000), { reference })
  await sql`update content set leased_until = now() where digest = ${digestBytes(digest)}`.execute(db.queries)
  await sql`insert into content_review (digest, due_at) values (${digestBytes(digest)}, now())`.execute(db.queries)
  await db.transaction(async (tx) => {
    await host.store.release(tx, reference)
    await host.store.tidy() // sees the reference: it is there until this transaction ends
  })
  assert.equal(await host.store.has(digest), true)
  await sql`update content_review set due_at = now()`.execute(db.queries)
  await host.store.tidy()
  assert.equal(await host.store.has(digest), false)
})
