// What stays in the registry and what clients are told of it, over HTTP: immutable tags, quotas, pulls counted, leases, webhooks' rows.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { type AccountId, findPackage, operator, type Package, setQuota, ownerUsage } from '../../src/access/index.ts'
import { sql } from '../../src/db/index.ts'
import { setTagRules } from '../../src/oci/index.ts'
import { collect } from '../../src/oci/keeping/review.ts'
import { digestText, imageOf, indexOf, TestRegistry } from '../support/registry.ts'
import { until } from '../support/until.ts'

let registry: TestRegistry
const leaseMs = 3600_000
const KiB = 1024

async function imageNamed(owner: string, name: string): Promise<Package> {
  return (await findPackage(registry.faces.db.queries, { format: 'oci', owner, name })) as Package
}

describe('what stays in the registry', () => {
  before(async () => {
    registry = await TestRegistry.open({ environment: { STEMMA_REGISTRY_LEASE_MS: '1h' } })
  })
  after(() => registry?.close())

  it('a tag that may not move is made once; moving and deleting it, and its manifest, is denied', async () => {
    const { digest } = await registry.pushImage('olive/fixed', 'v1')
    const one = await imageNamed('olive', 'fixed')
    await setTagRules(registry.faces.db, { packageId: one.id }, [{ tags: 'v*', except: ['v0'] }], {
      actor: operator,
      ownerId: one.ownerId,
      target: 'oci olive/fixed',
    })
    const other = imageOf('{}', ['layer of olive/fixed v1'], { annotations: { another: 'one' } })
    const denied = async (answer: Promise<{ status: number; code: string | undefined; json: unknown }>) => {
      const { status, code, json } = await answer
      assert.deepEqual([status, code], [403, 'DENIED'])
      assert.match(JSON.stringify(json), /the tag v1 is immutable, by the rule v\*/)
    }
    await denied(registry.putManifest('olive/fixed', 'v1', other))
    await denied(registry.ask('DELETE', 'olive/fixed/manifests/v1'))
    await denied(registry.ask('DELETE', `olive/fixed/manifests/${digest}`))
    assert.equal((await registry.putManifest('olive/fixed', 'v0', other)).status, 201)
    assert.equal((await registry.putManifest('olive/fixed', 'v2', other)).status, 201, 'a new one may be made')
    const again = await registry.ask('GET', 'olive/fixed/manifests/v1')
    assert.equal(again.headers.get('docker-content-digest'), digest)
    assert.equal(
      (
        await registry.ask('PUT', 'olive/fixed/manifests/v1', {
          body: again.bytes,
          headers: { 'content-type': again.headers.get('content-type') ?? '' },
        })
      ).status,
      201,
    )
  })

  it('an owner’s quota ends uploads at the first byte beyond, whatever way they come, and nothing is left of them', async () => {
    const { db } = registry.faces
    const id = registry.sam.id as AccountId
    const as = registry.sam
    await setQuota(db, { id, login: 'sam' }, 100 * KiB, operator)
    const refused = async (answer: Promise<{ status: number; code: string | undefined; json: unknown }>) => {
      const { status, code, json } = await answer
      assert.deepEqual([status, code], [403, 'DENIED'])
      assert.match(JSON.stringify(json), /quota is exceeded/)
    }
    const small = randomBytes(60 * KiB)
    await registry.pushBlob('sam/full', small, as)
    const large = randomBytes(50 * KiB)
    await refused(registry.ask('POST', `sam/full/blobs/uploads/?digest=${digestText(large)}`, { as, body: large }))
    const begun = await registry.ask('POST', 'sam/full/blobs/uploads/', { as })
    const place = begun.headers.get('location') ?? ''
    assert.equal((await registry.ask('PATCH', place, { as, body: large.subarray(0, 30 * KiB) })).status, 202)
    await refused(registry.ask('PATCH', place, { as, body: large.subarray(30 * KiB) }))
    assert.equal((await registry.ask('GET', place, { as })).status, 404, 'the upload is given up')
    const streamed = new ReadableStream<Uint8Array>({
      start: (stream) => {
        stream.enqueue(large)
        stream.close()
      },
    })
    const next = (await registry.ask('POST', 'sam/full/blobs/uploads/', { as })).headers.get('location') ?? ''
    await refused(registry.ask('PUT', `${next}?digest=${digestText(large)}`, { as, body: streamed }))
    const { rows } = await sql<{ blobs: number; uploads: number }>`
      select (select count(*)::int from oci_blob b join package p on p.id = b.package_id where p.owner_id = ${id}) as blobs,
        (select count(*)::int from content_upload) as uploads`.execute(db.queries)
    assert.deepEqual(rows, [{ blobs: 1, uploads: 0 }])
    // the same bytes in another image of the same owner cost nothing
    assert.equal((await registry.ask('POST', `sam/second/blobs/uploads/?mount=${digestText(small)}&from=sam/full`, { as })).status, 201)
    assert.equal((await ownerUsage(db.queries, id)).packageBytes, 60 * KiB)
    assert.equal(
      (
        await registry.ask('POST', `sam/full/blobs/uploads/?digest=${digestText(large.subarray(0, 39 * KiB))}`, {
          as,
          body: large.subarray(0, 39 * KiB),
        })
      ).status,
      201,
    )
  })

  it('uploads that have not ended have no more together than the owner has left; those that nobody goes on with make way', async () => {
    const { db } = registry.faces
    const id = registry.sam.id as AccountId
    const as = registry.sam
    const { packageBytes } = await ownerUsage(db.queries, id)
    await setQuota(db, { id, login: 'sam' }, packageBytes + 250 * KiB, operator)
    const piece = randomBytes(100 * KiB)
    const begin = async (name: string) => (await registry.ask('POST', `${name}/blobs/uploads/`, { as })).headers.get('location') ?? ''
    const add = async (place: string) => (await registry.ask('PATCH', place, { as, body: piece })).status
    const openNow = async () => {
      const { rows } = await sql<{ bytes: number }>`select coalesce(sum(size_bytes), 0)::float8 as bytes from content_upload`.execute(
        db.queries,
      )
      return rows[0]?.bytes
    }
    // one after the other, in several images
    const places = [await begin('sam/one'), await begin('sam/two'), await begin('sam/two')]
    assert.deepEqual([await add(places[0] as string), await add(places[1] as string), await add(places[2] as string)], [202, 202, 403])
    assert.equal(await openNow(), 200 * KiB)
    const digest = digestText(piece)
    const whole = await registry.ask('POST', `sam/one/blobs/uploads/?digest=${digest}`, { as, body: piece })
    assert.deepEqual([whole.status, whole.code], [403, 'DENIED'])
    // all at once: however many were let in, what stays fits
    const more = await Promise.all(Array.from({ length: 8 }, () => begin('sam/one')))
    await Promise.all(more.map(add))
    assert.ok(((await openNow()) ?? 0) <= 250 * KiB)
    // left behind a while ago
    await sql`update content_upload set touched_at = now() - interval '1 hour'`.execute(db.queries)
    const next = await begin('sam/one')
    assert.deepEqual([await add(next), await add(next)], [202, 202])
    assert.equal(await openNow(), 200 * KiB)
    assert.equal((await registry.ask('PUT', `${next}?digest=${digestText(Buffer.concat([piece, piece]))}`, { as })).status, 201)
    await registry.ask('DELETE', `sam/one/blobs/${digestText(Buffer.concat([piece, piece]))}`, { as })
  })

  it('an owner’s quota counts manifests: one without room is denied, with its tag and its event; one that is there costs nothing', async () => {
    const { db } = registry.faces
    const id = registry.sam.id as AccountId
    const as = registry.sam
    await setQuota(db, { id, login: 'sam' }, null, operator)
    const padded = (padding: string) => JSON.stringify(indexOf([], { annotations: { padding: padding.repeat(30 * KiB) } }))
    assert.equal((await registry.putManifest('sam/indexes', 'none', padded('n'), { as })).status, 201, 'without a limit')
    const { packageBytes } = await ownerUsage(db.queries, id)
    await setQuota(db, { id, login: 'sam' }, packageBytes + padded('a').length, operator)
    for (const tag of ['first', 'again']) assert.equal((await registry.putManifest('sam/indexes', tag, padded('a'), { as })).status, 201)
    const refused = await registry.putManifest('sam/indexes', 'second', padded('b'), { as })
    assert.deepEqual([refused.status, refused.code], [403, 'DENIED'])
    assert.match(JSON.stringify(refused.json), /quota is exceeded: nothing is left/)
    assert.equal((await registry.ask('GET', 'sam/indexes/manifests/second', { as })).status, 404)
    assert.equal((await ownerUsage(db.queries, id)).packageBytes, packageBytes + padded('a').length)
    const { rows } = await sql<{ tag: string }>`
      select payload->>'tag' as tag from outbox where kind = 'package.published' and payload->>'name' = 'indexes' order by id`.execute(
      db.queries,
    )
    assert.deepEqual(
      rows.map(({ tag }) => tag),
      ['none', 'first', 'again'],
    )
  })

  it('pulls are counted by manifest, those of HEAD are not', async () => {
    const { digest } = await registry.pushImage('olive/pulled', 'latest')
    for (const reference of ['latest', digest]) assert.equal((await registry.ask('GET', `olive/pulled/manifests/${reference}`)).status, 200)
    await registry.ask('HEAD', 'olive/pulled/manifests/latest')
    const one = await imageNamed('olive', 'pulled')
    await until('pulls are written', async () => {
      const { rows } = await sql<{ count: number; pulled: boolean }>`
        select pull_count::int as count, pulled_at is not null as pulled from oci_manifest where package_id = ${one.id}`.execute(
        registry.faces.db.queries,
      )
      return rows[0]?.count === 2 && rows[0].pulled
    })
  })

  it('what HEAD says is there stays for as long as a push takes; what nobody asked for goes', async () => {
    const { db } = registry.faces
    const [asked, unasked] = [
      await registry.pushBlob('olive/leased', 'asked for'),
      await registry.pushBlob('olive/leased', 'not asked for'),
    ]
    const child = await registry.pushImage('olive/leased', 'x')
    await registry.ask('DELETE', 'olive/leased/manifests/x')
    const { id } = await imageNamed('olive', 'leased')
    // all of it was brought so long ago that every lease is nearly over
    await sql`update oci_blob set leased_until = now() + interval '1 minute' where package_id = ${id}`.execute(db.queries)
    await sql`update oci_manifest set pushed_at = now() - interval '59 minutes', confirmed_at = now() - interval '59 minutes' where package_id = ${id}`.execute(
      db.queries,
    )
    for (const path of [`blobs/${asked}`, `manifests/${child.digest}`])
      assert.equal((await registry.ask('HEAD', `olive/leased/${path}`)).status, 200)
    await sql`update oci_blob set leased_until = leased_until - interval '2 minutes' where package_id = ${id}`.execute(db.queries)
    await sql`update oci_manifest set pushed_at = pushed_at - interval '2 minutes', confirmed_at = confirmed_at - interval '2 minutes' where package_id = ${id}`.execute(
      db.queries,
    )
    await sql`update oci_review set noted_at = now() - interval '1 day' where package_id = ${id}`.execute(db.queries)
    await collect(db, { delayMs: 0, leaseMs, untaggedMs: 0 })
    assert.equal((await registry.ask('GET', `olive/leased/blobs/${asked}`)).status, 200)
    assert.equal((await registry.ask('GET', `olive/leased/manifests/${child.digest}`)).status, 200)
    const gone = await registry.ask('HEAD', `olive/leased/blobs/${unasked}`)
    assert.equal(gone.status, 404)
    assert.equal((await registry.putManifest('olive/leased', 'y', imageOf('{}', ['asked for']))).status, 201)
  })
})
