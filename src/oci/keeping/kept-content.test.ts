// Blobs without content or hold are told, and held again where the content is there.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, test } from 'node:test'
import { type ContentHost, contentHost } from '../../../tests/support/content.ts'
import { makePackage } from '../../../tests/support/oci-rows.ts'
import { sql } from '../../db/index.ts'
import { type BlobFinding, checkBlobs, holdBlobs } from './kept-content.ts'

let host: ContentHost
before(async () => {
  host = await contentHost()
})
after(() => host?.close())

async function findings(): Promise<BlobFinding[]> {
  const found: BlobFinding[] = []
  for await (const one of checkBlobs(host.db.database.queries)) found.push(one)
  return found
}

test('a blob whose content nothing keeps is held again; one whose content is nowhere is told', async () => {
  const { queries } = host.db.database
  const one = await makePackage(host)
  const [fine, loose] = [await one.blob(), await one.blob()]
  const twin = await one.blob({ content: loose, digest: randomBytes(64) })
  assert.deepEqual(await findings(), [])
  await sql`delete from content_reference where digest = ${loose}`.execute(queries)
  assert.deepEqual(
    (await findings()).map(({ code }) => code),
    ['oci-unheld', 'oci-unheld'],
  )
  assert.equal(await holdBlobs(queries), 1)
  assert.deepEqual([await findings(), await holdBlobs(queries)], [[], 0])
  await sql`update oci_blob set content = ${randomBytes(32)} where digest = ${fine}`.execute(queries)
  const [missing, ...others] = await findings()
  assert.deepEqual([missing?.code, others], ['oci-content-missing', []])
  assert.match(missing?.message ?? '', new RegExp(`sha256:${Buffer.from(fine).toString('hex')} of the image owner\\d+/${one.name}`))
  assert.equal(twin.length, 64)
})
