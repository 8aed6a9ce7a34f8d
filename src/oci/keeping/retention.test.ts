// Retention and immutable tags on rows: what goes, what stays for reasons that came while it was planned, and who may move what.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type ContentHost, contentHost } from '../../../tests/support/content.ts'
import { makePackage, type TestPackage } from '../../../tests/support/oci-rows.ts'
import { type AccountId, findPackageById, operator, type Package, type PackageId } from '../../access/index.ts'
import { makeLog } from '../../base/index.ts'
import { type Database, sql } from '../../db/index.ts'
import { Pulls } from './pulls.ts'
import { emptyPackage } from './removal.ts'
import { collect } from './review.ts'
import { planFor, retain, retentionJob } from './retention.ts'
import type { RetentionPolicy } from './retention-policy.ts'
import { clearRetention, readRetention, retentionAt, setRetention } from './retention-rows.ts'
import { immutableTagFault, readTagRules, type RuleAct, setTagRules } from './tag-rules.ts'

let host: ContentHost
const settings = { leaseMs: 3600_000 }
const { signal } = new AbortController()
const newest = (keepNewest: number): RetentionPolicy => ({
  rules: [{ tags: '*', except: [], keepNewest, keepPushedDays: null, keepPulledDays: null }],
  untaggedDays: null,
  referrersGo: true,
})

before(async () => {
  host = await contentHost()
})
after(() => host?.close())

const db = () => host.db.database
const idOf = ({ id }: TestPackage) => id as PackageId
const act = ({ ownerId }: TestPackage): RuleAct => ({ actor: operator, ownerId: ownerId as AccountId, target: 'oci x/y' })
const found = async (one: TestPackage): Promise<Package> => (await findPackageById(db().queries, idOf(one))) as Package

/** Tags t0, t1, …, each a day older than the next, with an own blob and a common one; all leases over. */
async function tagged(count: number, one?: TestPackage): Promise<TestPackage> {
  const image = one ?? (await makePackage(host))
  const base = await image.blob()
  for (let n = 0; n < count; n++) {
    await image.manifest({ blobs: [base, await image.blob()], tag: `t${n}` })
    await sql`update oci_tag set updated_at = now() - ${count - n} * interval '1 day' where package_id = ${image.id} and name = ${`t${n}`}`.execute(
      db().queries,
    )
  }
  await sql`update oci_manifest set confirmed_at = now() - interval '30 days', pushed_at = now() - interval '30 days' where package_id = ${image.id}`.execute(
    db().queries,
  )
  return image
}

const textOf = (digest: Uint8Array): string => `sha256:${Buffer.from(digest).toString('hex')}`

async function tagsOf({ id }: TestPackage): Promise<string[]> {
  const { rows } = await sql<{ name: string }>`select name from oci_tag where package_id = ${id} order by name`.execute(db().queries)
  return rows.map(({ name }) => name)
}

async function manifestsOf({ id }: TestPackage): Promise<number> {
  const { rows } = await sql<{ n: number }>`select count(*)::float8 as n from oci_manifest where package_id = ${id}`.execute(db().queries)
  return rows[0]?.n ?? 0
}

test('a dry run says what would go, and changes nothing; then it goes, with what only it needed', async () => {
  const one = await tagged(4)
  const plan = await planFor(db(), idOf(one), newest(2), settings)
  assert.deepEqual(
    [plan.tags.filter(({ goes }) => goes).map(({ name }) => name), plan.manifests.length, plan.freedBytes],
    [['t0', 't1'], 2, 200],
  )
  assert.deepEqual(await tagsOf(one), ['t0', 't1', 't2', 't3'])
  assert.deepEqual(await retain(db(), await found(one), newest(2), settings, signal), { tags: 2, manifests: 2 })
  assert.deepEqual([await tagsOf(one), await manifestsOf(one)], [['t2', 't3'], 2])
  const { rows } = await sql<{ kind: string; n: number }>`
    select kind, count(*)::float8 as n from outbox where payload->>'packageId' = ${String(one.id)} group by kind order by kind`.execute(
    db().queries,
  )
  assert.deepEqual(rows, [
    { kind: 'package.deleted', n: 2 },
    { kind: 'package.untagged', n: 2 },
  ])
  const { rows: told } = await sql<{ details: unknown }>`
    select details from audit where action = 'package.retain' and target like ${`%${one.name}`} order by id limit 1`.execute(db().queries)
  assert.deepEqual(told, [{ details: { tags: ['t0', 't1'] } }])
})

/** What is brought or asked for now is leased for an hour. */
async function leaseUntil(one: TestPackage, digests: readonly Uint8Array[], hours: number): Promise<void> {
  await sql`update oci_manifest set confirmed_at = now() + ${hours - 1} * interval '1 hour', pushed_at = now() - interval '9 days'
    where package_id = ${one.id} and digest = any(${[...digests]}::bytea[])`.execute(db().queries)
}

/** Hours pass: leases end, and what is noted falls due. Then collection runs, where what has no tag stays. */
async function collectIn(one: TestPackage, hours: number): Promise<{ manifests: number; blobs: number }> {
  const past = sql`${hours} * interval '1 hour'`
  await sql`update oci_manifest set confirmed_at = confirmed_at - ${past} where package_id = ${one.id}`.execute(db().queries)
  await sql`update oci_blob set leased_until = leased_until - ${past} where package_id = ${one.id}`.execute(db().queries)
  await sql`update oci_review set noted_at = noted_at - ${past} where package_id = ${one.id}`.execute(db().queries)
  return collect(db(), { delayMs: 0, leaseMs: settings.leaseMs, untaggedMs: null })
}

test('what is leased when its tag goes is left, and goes with what only it leads to when the leases end, also where what has no tag stays', async () => {
  const one = await makePackage(host)
  const child = await one.manifest({ blobs: [await one.blob()] })
  const index = await one.manifest({ manifests: [child], tag: 'latest' })
  const signature = await one.manifest({ blobs: [await one.blob()], subject: index })
  const untagged = await one.manifest({ blobs: [await one.blob()] })
  const all = [child, index, signature, untagged]
  await leaseUntil(one, all, 1)
  await leaseUntil(one, [child], 3) // asked for since
  const plan = await planFor(db(), idOf(one), newest(0), settings)
  assert.deepEqual([plan.goingTagCount, plan.goingManifestCount, plan.freedBytes], [1, 3, 200])
  for (const { why } of plan.manifests) assert.match(why, /goes when its lease ends/)
  assert.deepEqual(await retain(db(), await found(one), newest(0), settings, signal), { tags: 1, manifests: 0 })
  assert.deepEqual(await collectIn(one, 0), { manifests: 0, blobs: 0 })
  assert.deepEqual(await collectIn(one, 2), { manifests: 2, blobs: 1 }, 'the index and its signature')
  assert.deepEqual(await collectIn(one, 2), { manifests: 1, blobs: 1 }, 'and the manifest that the index named')
  assert.equal(await manifestsOf(one), 1, 'what never had a tag stays')
  const { rows } = await sql<{ n: number }>`
    select count(*)::float8 as n from audit where action = 'package.retain' and target like ${`%/${one.name}`}`.execute(db().queries)
  assert.deepEqual(rows, [{ n: 4 }])
})

test('what was left stays when something names it again, and its referrers stay where the policy says so', async () => {
  const one = await makePackage(host)
  const back = await one.manifest({ blobs: [await one.blob()], tag: 'back' })
  const gone = await one.manifest({ blobs: [await one.blob()], tag: 'gone' })
  const bill = await one.manifest({ blobs: [await one.blob()], subject: gone })
  await leaseUntil(one, [back, gone, bill], 1)
  const policy = { ...newest(0), referrersGo: false }
  assert.deepEqual(await retain(db(), await found(one), policy, settings, signal), { tags: 2, manifests: 0 })
  await one.tag('again', back)
  assert.deepEqual(await collectIn(one, 2), { manifests: 1, blobs: 1 })
  const { rows } = await sql<{ digest: Buffer }>`select digest from oci_manifest where package_id = ${one.id}`.execute(db().queries)
  assert.deepEqual(rows.map(({ digest }) => digest.toString('hex')).sort(), [back, bill].map((d) => Buffer.from(d).toString('hex')).sort())
})

test('a server that stops between a tag and its manifest leaves nothing for ever', async () => {
  const one = await tagged(2)
  const stop = new AbortController()
  const real = db().transaction.bind(db())
  let begun = 0
  db().transaction = (async (...parts: Parameters<typeof real>) => {
    const done = await real(...parts)
    if (++begun === 2) stop.abort() // the first reads how far down the newest go
    return done
  }) as typeof real
  try {
    await assert.rejects(retain(db(), await found(one), newest(0), settings, stop.signal))
  } finally {
    db().transaction = real
  }
  assert.deepEqual([await tagsOf(one), await manifestsOf(one)], [[], 2])
  assert.deepEqual(await collectIn(one, 2), { manifests: 2, blobs: 3 })
})

test('a tag that moves and one whose manifest is pulled while it is planned stay, with their manifests', async () => {
  const one = await tagged(3)
  const package_ = await found(one)
  const { rows } = await sql<{ digest: Buffer }>`select digest from oci_tag where package_id = ${one.id} and name = 't0'`.execute(
    db().queries,
  )
  const first = rows[0]?.digest as Buffer
  // between the plan and its first step
  const meanwhile = async (change: () => Promise<unknown>) => {
    const real = db().transaction.bind(db())
    let begun = 0
    db().transaction = (async (...parts: Parameters<typeof real>) => {
      if (++begun === 2) await change() // the first reads how far down the newest go
      return real(...parts)
    }) as typeof real
    try {
      return await retain(db(), package_, newest(1), settings, signal)
    } finally {
      db().transaction = real
    }
  }
  const gone = await meanwhile(async () => {
    await sql`update oci_manifest set pulled_at = now() where package_id = ${one.id} and digest = ${first}`.execute(db().queries)
    await sql`update oci_tag set updated_at = now() where package_id = ${one.id} and name = 't1'`.execute(db().queries)
  })
  assert.deepEqual(gone, { tags: 0, manifests: 0 })
  assert.deepEqual(await tagsOf(one), ['t0', 't1', 't2'])
})

test('the job applies an owner’s policy to packages without their own, a day after it was set, once a day', async () => {
  const one = await tagged(3)
  const other = await tagged(3, await makePackage(host, one.ownerId))
  const home = { ownerId: one.ownerId as AccountId }
  await setRetention(db(), home, newest(1), act(one))
  await setRetention(db(), { packageId: idOf(other) }, newest(2), act(other))
  const job = retentionJob({ db: db(), log: makeLog('silent') }, settings)
  await job.run(signal)
  assert.equal((await tagsOf(one)).length, 3, 'not yet')
  await sql`update oci_retention set due_at = now()`.execute(db().queries)
  await job.run(signal)
  assert.deepEqual([await tagsOf(one), await tagsOf(other)], [['t2'], ['t1', 't2']])
  assert.ok(((await readRetention(db().queries, home))?.dueAt ?? new Date(0)) > new Date(Date.now() + 3600_000))
  const held = await retentionAt(db().queries, { packageId: idOf(one) }, one.ownerId as AccountId)
  assert.deepEqual([held?.policy, held?.of], [newest(1), 'owner'])
  assert.equal(await clearRetention(db(), home, act(one)), true)
  assert.equal(await clearRetention(db(), home, act(one)), false)
  assert.equal(await retentionAt(db().queries, { packageId: idOf(one) }, one.ownerId as AccountId), null)
})

test('an immutable tag can be made, and neither moved nor deleted, whoever tries; its manifest stays', async () => {
  const one = await tagged(2)
  const other = await tagged(1, await makePackage(host, one.ownerId))
  await setTagRules(db(), { ownerId: one.ownerId as AccountId }, [{ tags: 't*', except: ['t0'] }], act(one))
  await setTagRules(db(), { packageId: idOf(one) }, [{ tags: 'v?', except: [] }], act(one))
  const refused = async (work: Promise<unknown>, says: RegExp) => {
    const error = await work.then(
      () => null,
      (thrown: unknown) => thrown,
    )
    assert.match(immutableTagFault(error) ?? `not refused: ${String(error)}`, says)
  }
  const fresh = await one.manifest({ blobs: [] })
  await one.tag('t0', fresh)
  await one.tag('v1', fresh)
  await one.tag('v1', fresh) // where it is already
  await refused(one.tag('t1', fresh), /t1 is immutable, by the rule t\*/)
  await refused(one.tag('v1', one.last === fresh ? await one.manifest({ blobs: [] }) : fresh), /v1 is immutable, by the rule v\?/)
  await refused(sql`delete from oci_tag where package_id = ${one.id}`.execute(db().queries), /immutable/)
  await refused(sql`delete from oci_manifest where package_id = ${one.id} and digest = ${fresh}`.execute(db().queries), /immutable/)
  await other.tag('v1', other.last)
  await other.tag('v1', await other.manifest({ blobs: [] }))
  assert.equal(
    (await planFor(db(), idOf(one), newest(0), settings)).tags
      .filter(({ goes }) => goes)
      .map(({ name }) => name)
      .join(),
    't0',
  )
  assert.deepEqual(await readTagRules(db().queries, { packageId: idOf(one) }), [{ tags: 'v?', except: [] }])
  await emptyPackage(db(), one.id)
  assert.deepEqual(await tagsOf(one), [])
  await sql`delete from package where id = ${other.id}`.execute(db().queries)
  await assert.rejects(setTagRules(db(), { packageId: idOf(one) }, [{ tags: 'a/b', except: [] }], act(one)), { code: 'tag-pattern' })
})

test('pulls are counted in memory and written together, by manifest and day', async () => {
  const one = await tagged(2)
  const pulls = new Pulls(db(), makeLog('silent'), { everyMs: 3600_000 })
  for (let n = 0; n < 3; n++) pulls.count(one.id, textOf(one.last))
  pulls.count(one.id, textOf(new Uint8Array(32)))
  const counted = async () => {
    const { rows } = await sql<{ pull_count: number; pulled: boolean; days: number }>`
      select pull_count::float8, pulled_at is not null as pulled,
        (select coalesce(sum(pull_count), 0)::float8 from oci_pull_day d where d.package_id = m.package_id) as days
      from oci_manifest m where package_id = ${one.id} and digest = ${one.last}`.execute(db().queries)
    return rows[0]
  }
  assert.deepEqual(await counted(), { pull_count: 0, pulled: false, days: 0 })
  await pulls.write()
  pulls.count(one.id, textOf(one.last))
  await pulls.write()
  assert.deepEqual(await counted(), { pull_count: 4, pulled: true, days: 4 })
})

test('pulls that can’t be written are written later', async () => {
  const one = await tagged(1)
  let isDown = true
  const failing = {
    get queries() {
      if (isDown) throw new Error('no database')
      return db().queries
    },
  } as Database
  const pulls = new Pulls(failing, makeLog('silent'), { everyMs: 3600_000 })
  pulls.count(one.id, textOf(one.last))
  await pulls.write()
  isDown = false
  await pulls.write()
  const { rows } = await sql<{ n: number }>`select pull_count::float8 as n from oci_manifest where package_id = ${one.id}`.execute(
    db().queries,
  )
  assert.deepEqual(rows, [{ n: 1 }])
})

test('of an image that comes from an upstream no rules are set: it is kept as the upstream’s cache is', async () => {
  const one = await makePackage(host)
  const { rows } = await sql<{ id: number }>`
    insert into package_upstream (owner_id, format, path, url, visibility, fresh_s, keep_s)
    values (${one.ownerId}, 'oci', '', 'https://registry.example', 'public', 300, 300) returning id`.execute(db().queries)
  await sql`update package set upstream_id = ${rows[0]?.id} where id = ${one.id}`.execute(db().queries)
  const home = { packageId: idOf(one) }
  await assert.rejects(setRetention(db(), home, newest(1), act(one)), { code: 'upstreams-package' })
  await assert.rejects(setTagRules(db(), home, [{ tags: 'v*', except: [] }], act(one)), { code: 'upstreams-package' })
  await setTagRules(db(), home, [], act(one))
  assert.equal(await clearRetention(db(), home, act(one)), false)
})
