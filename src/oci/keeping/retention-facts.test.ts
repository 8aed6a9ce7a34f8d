// An image read in pieces for retention: what hangs together comes together, and judged piece by piece it is what it is judged as a whole; however many manifests there are.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type ContentHost, contentHost } from '../../../tests/support/content.ts'
import { makePackage } from '../../../tests/support/oci-rows.ts'
import { Seeded, seedOfRun } from '../../../tests/support/seeded.ts'
import { findPackageById, type Package, type PackageId } from '../../access/index.ts'
import { sql } from '../../db/index.ts'
import { planFor, retain } from './retention.ts'
import { pieces, readNewest } from './retention-facts.ts'
import { planRetention, type RetentionPolicy } from './retention-policy.ts'

let host: ContentHost
before(async () => {
  host = await contentHost()
})
after(() => host?.close())

const random = new Seeded(seedOfRun('retention in pieces'))
const settings = { leaseMs: 3600_000 }
const policy: RetentionPolicy = {
  rules: [
    { tags: 't1*', except: ['t11'], keepNewest: 2, keepPushedDays: null, keepPulledDays: 3 },
    { tags: '*', except: [], keepNewest: 5, keepPushedDays: 2, keepPulledDays: null },
  ],
  untaggedDays: 10,
  referrersGo: true,
}

/** Manifests that name each other, refer to each other, have tags or none; some are young, some pulled. */
async function anything(manifests: number): Promise<PackageId> {
  const { queries } = host.db.database
  const image = await makePackage(host)
  const made: Uint8Array[] = []
  for (let n = 0; n < manifests; n++) {
    const below = made.length === 0 ? [] : Array.from({ length: random.below(3) }, () => random.pick(made))
    const subject = made.length > 0 && random.below(4) === 0 ? { subject: random.pick(made) } : {}
    const digest = await image.manifest({ manifests: random.below(3) === 0 ? below : [], ...subject })
    made.push(digest)
    if (random.below(2) === 0) await image.tag(`t${n}`, digest)
    if (random.below(8) === 0) await image.tag(`sha256-${Buffer.from(random.pick(made)).toString('hex')}.sig${n}`, digest)
  }
  const days = () => sql`now() - ${random.below(30)} * interval '1 day'`
  for (const digest of made) {
    const pulled = random.below(3) === 0 ? days() : sql`null::timestamptz`
    const at = days()
    await sql`update oci_manifest set pushed_at = ${at}, confirmed_at = ${at}, pulled_at = ${pulled}
      where package_id = ${image.id} and digest = ${digest}`.execute(queries)
    await sql`update oci_tag set updated_at = ${days()} where package_id = ${image.id} and digest = ${digest}`.execute(queries)
  }
  await sql`update oci_review set noted_at = now() - interval '20 days' where package_id = ${image.id}`.execute(queries)
  return image.id as PackageId
}

async function planned(id: PackageId, pieceManifests: number) {
  const { database: db } = host.db
  const { newest, now } = await readNewest(db, id, policy)
  const going: string[] = []
  let most = 0
  for await (const facts of pieces(db.queries, id, { ...settings, pieceManifests })) {
    const plan = planRetention(policy, facts, now, newest)
    going.push(...plan.tags.map(({ name, goes }) => `${name} ${goes}`), ...plan.manifests.map(({ digest, why }) => `${digest} ${why}`))
    most = Math.max(most, facts.manifests.length)
  }
  return { going: going.sort(), most }
}

test('in pieces of any size the same goes as of the whole', async () => {
  for (let round = 0; round < 6; round++) {
    const id = await anything(40)
    const whole = await planned(id, 1000)
    assert.ok(whole.going.some((line) => line.endsWith('true')))
    for (const pieceManifests of [1, 3, 7, 39, 40])
      assert.deepEqual((await planned(id, pieceManifests)).going, whole.going, `${pieceManifests}`)
    const dry = await planFor(host.db.database, id, policy, { ...settings, pieceManifests: 7 })
    const manifests = whole.going.filter((line) => /^[0-9a-f]{64} /.test(line))
    assert.deepEqual([dry.goingManifestCount, dry.manifests.length], [manifests.length, manifests.length])
    assert.equal(dry.goingTagCount, whole.going.filter((line) => line.endsWith(' true')).length)
  }
})

test('of 20,000 manifests two thousand at a time are in memory; what goes is counted, and goes', async () => {
  const { database: db } = host.db
  const image = await makePackage(host)
  const count = 20_000
  await sql`
    insert into oci_manifest (package_id, digest, media_type, bytes, pushed_at, confirmed_at)
    select ${image.id}, sha256(n::text::bytea), 'x/y', '{}', now() - interval '40 days', now() - interval '40 days' from generate_series(1, ${count}::int) n`.execute(
    db.queries,
  )
  await sql`
    insert into oci_tag (package_id, name, digest, updated_at)
    select ${image.id}, 'build-' || n, sha256(n::text::bytea), now() - (${count}::int - n) * interval '1 minute' from generate_series(1, ${count}::int) n`.execute(
    db.queries,
  )
  await sql`analyze oci_manifest, oci_tag, oci_manifest_part, oci_review`.execute(db.queries)
  const id = image.id as PackageId
  const keep: RetentionPolicy = {
    rules: [{ tags: 'build-*', except: [], keepNewest: count - 300, keepPushedDays: null, keepPulledDays: null }],
    untaggedDays: null,
    referrersGo: true,
  }
  let most = 0
  for await (const { manifests, tags } of pieces(db.queries, id, settings)) most = Math.max(most, manifests.length, tags.length)
  assert.ok(most <= 2000, `${most} at once`)
  const dry = await planFor(db, id, keep, settings)
  assert.deepEqual([dry.tagCount, dry.goingTagCount, dry.goingManifestCount], [count, 300, 300])
  assert.equal(dry.tags.length, 1300, 'as many are told as somebody reads')
  assert.ok(dry.tags.filter(({ goes }) => goes).every(({ name }) => Number(name.slice('build-'.length)) <= 300))
  const one = (await findPackageById(db.queries, id)) as Package
  assert.deepEqual(await retain(db, one, keep, settings, new AbortController().signal), { tags: 300, manifests: 300 })
  assert.equal((await planFor(db, id, keep, settings)).goingTagCount, 0)
})
