// What is collected and what stays: by rows as the registry writes them, with leases of our own, and with somebody else holding locks.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, test } from 'node:test'
import { type ContentHost, contentHost, put, sha256 } from '../../../tests/support/content.ts'
import { digestBytes } from '../../store/index.ts'
import { sql, type Tx } from '../../db/index.ts'
import { renewBlob, renewManifest } from './leases.ts'
import { emptyPackage } from './removal.ts'
import { collect, type CollectionSettings } from './review.ts'
import { makePackage } from '../../../tests/support/oci-rows.ts'

let host: ContentHost
const hour = 3600_000
const settings: CollectionSettings = { delayMs: 0, leaseMs: hour, untaggedMs: 0 }

before(async () => {
  host = await contentHost()
})
after(() => host?.close())

/** The lease of everything in the package is over. */
async function endLeases(packageId: number): Promise<void> {
  const { queries } = host.db.database
  await sql`update oci_blob set leased_until = now() where package_id = ${packageId}`.execute(queries)
  await sql`update oci_manifest set confirmed_at = now() - interval '1 day', pushed_at = now() - interval '1 day' where package_id = ${packageId}`.execute(
    queries,
  )
  await sql`update oci_review set noted_at = least(noted_at, now()) where package_id = ${packageId}`.execute(queries)
}

async function left(packageId: number): Promise<{ blobs: string[]; manifests: string[]; held: string[]; reviews: number }> {
  const { rows } = await sql<{ blobs: string[]; manifests: string[]; held: string[]; reviews: number }>`
    select array(select encode(digest, 'hex') from oci_blob where package_id = ${packageId} order by 1) as blobs,
      array(select encode(digest, 'hex') from oci_manifest where package_id = ${packageId} order by 1) as manifests,
      array(select encode(digest, 'hex') from content_reference where kind = 'oci' and id = ${packageId}::text order by 1) as held,
      (select count(*)::float8 from oci_review where package_id = ${packageId}) as reviews`.execute(host.db.database.queries)
  return rows[0] as { blobs: string[]; manifests: string[]; held: string[]; reviews: number }
}

const hexes = (...digests: Uint8Array[]): string[] => digests.map((digest) => Buffer.from(digest).toString('hex')).sort()

test('a blob that no manifest names goes when its lease is over, and its content is let go', async () => {
  const one = await makePackage(host)
  const blob = await one.blob()
  const named = await one.blob()
  await one.manifest({ blobs: [named], tag: 'latest' })
  assert.deepEqual(await collect(host.db.database, settings), { manifests: 0, blobs: 0 })
  assert.equal((await left(one.id)).reviews >= 1, true, 'a leased blob is looked at again')
  await endLeases(one.id)
  assert.deepEqual(await collect(host.db.database, settings), { manifests: 0, blobs: 1 })
  assert.deepEqual(await left(one.id), { blobs: hexes(named), manifests: hexes(one.last), held: hexes(named), reviews: 0 })
  assert.equal(await renewBlob(host.db.database.queries, one.id, blob, hour), false)
})

test('a lease that was renewed keeps a blob, and it is looked at when that ends', async () => {
  const one = await makePackage(host)
  const blob = await one.blob()
  await endLeases(one.id)
  assert.equal(await renewBlob(host.db.database.queries, one.id, blob, hour), true)
  assert.equal((await collect(host.db.database, settings)).blobs, 0)
  await endLeases(one.id)
  assert.equal((await collect(host.db.database, settings)).blobs, 1)
})

test('a tag that moves frees a manifest, its blobs, and the manifests of an index; what others name stays', async () => {
  const one = await makePackage(host)
  const [base, top, other] = [await one.blob(), await one.blob(), await one.blob()]
  const child = await one.manifest({ blobs: [base, top] })
  const index = await one.manifest({ manifests: [child], tag: 'latest' })
  const signature = await one.manifest({ blobs: [], subject: index })
  await endLeases(one.id)
  assert.deepEqual(await collect(host.db.database, settings), { manifests: 0, blobs: 1 }, 'only the blob that nothing names yet')
  const second = await one.blob()
  const next = await one.manifest({ blobs: [base, second], tag: 'latest' })
  await endLeases(one.id)
  assert.deepEqual(await collect(host.db.database, settings), { manifests: 3, blobs: 1 }, 'the index, its child, what was signed')
  const after = await left(one.id)
  assert.deepEqual([after.blobs, after.manifests, after.held], [hexes(base, second), hexes(next), hexes(base, second)])
  assert.ok(![...after.manifests].includes(hexes(signature)[0] as string))
  assert.equal(other.length, 32)
})

test('untagged manifests stay for ever by default, or as long as they are told to', async () => {
  const one = await makePackage(host)
  const manifest = await one.manifest({ blobs: [await one.blob()], tag: 'a' })
  await sql`delete from oci_tag where package_id = ${one.id}`.execute(host.db.database.queries)
  await endLeases(one.id)
  assert.deepEqual(await collect(host.db.database, { ...settings, untaggedMs: null }), { manifests: 0, blobs: 0 })
  assert.deepEqual(await collect(host.db.database, { ...settings, untaggedMs: hour }), { manifests: 0, blobs: 0 })
  assert.deepEqual((await left(one.id)).manifests, hexes(manifest))
  assert.equal(await renewManifest(host.db.database.queries, one.id, manifest), true)
  assert.equal((await collect(host.db.database, settings)).manifests, 0, 'somebody was told that it is there')
  await endLeases(one.id)
  assert.equal((await collect(host.db.database, settings)).manifests, 1)
})

test('a blob that a manifest is being written for stays', async () => {
  const one = await makePackage(host)
  const [kept, gone] = [await one.blob(), await one.blob()]
  await endLeases(one.id)
  await host.db.database.transaction(async (tx: Tx) => {
    await sql`select from oci_blob where package_id = ${one.id} and digest = ${kept} for key share`.execute(tx)
    assert.equal((await collect(host.db.database, settings)).blobs, 1, 'what is locked is passed over, not waited for')
    await one.manifest({ blobs: [kept], tag: 'latest' }, tx)
  })
  await endLeases(one.id)
  assert.equal((await collect(host.db.database, settings)).blobs, 0)
  assert.deepEqual((await left(one.id)).blobs, hexes(kept))
  assert.equal(gone.length, 32)
})

test('content that two digests of one image name is held until both are gone', async () => {
  const one = await makePackage(host)
  const bytes = randomBytes(100)
  await put(host.store, bytes)
  const content = digestBytes(sha256(bytes))
  const [short, long] = [await one.blob({ content }), await one.blob({ content, digest: randomBytes(64) })]
  const manifest = await one.manifest({ blobs: [long], tag: 'a' })
  await endLeases(one.id)
  assert.equal((await collect(host.db.database, settings)).blobs, 1)
  assert.deepEqual([(await left(one.id)).blobs, (await left(one.id)).held], [hexes(long), hexes(content)])
  await sql`delete from oci_manifest where package_id = ${one.id} and digest = ${manifest}`.execute(host.db.database.queries)
  assert.equal((await collect(host.db.database, settings)).blobs, 1)
  assert.deepEqual((await left(one.id)).held, [])
  assert.equal(short.length, 32)
})

test('whoever takes content in while it is let go waits, and holds it afterwards', async () => {
  const one = await makePackage(host)
  const blob = await one.blob()
  await endLeases(one.id)
  const held = Promise.withResolvers<void>()
  const go = Promise.withResolvers<void>()
  const collecting = host.db.database.transaction(async (tx) => {
    await sql`select from content where digest = ${blob} for update`.execute(tx)
    await sql`delete from oci_blob where package_id = ${one.id}`.execute(tx)
    held.resolve()
    await go.promise
  })
  await held.promise
  const again = one.blob({ content: blob })
  go.resolve()
  await Promise.all([collecting, again])
  assert.deepEqual((await left(one.id)).held, hexes(blob))
})

test('a package is emptied in steps, and its deletion leaves nothing', async () => {
  const one = await makePackage(host)
  const blob = await one.blob()
  const child = await one.manifest({ blobs: [blob] })
  for (let n = 0; n < 3; n++) await one.manifest({ blobs: [blob, await one.blob()], manifests: [child], tag: `t${n}` })
  await emptyPackage(host.db.database, one.id)
  assert.deepEqual(await left(one.id), { blobs: [], manifests: [], held: [], reviews: 0 })
  await sql`delete from package where id = ${one.id}`.execute(host.db.database.queries)

  const full = await makePackage(host)
  await full.manifest({ blobs: [await full.blob()], manifests: [await full.manifest({ blobs: [] })], tag: 'a' })
  await sql`delete from package where id = ${full.id}`.execute(host.db.database.queries)
  assert.deepEqual(await left(full.id), { blobs: [], manifests: [], held: [], reviews: 0 })
})
