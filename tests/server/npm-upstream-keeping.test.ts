// What is kept of npm's upstreams, what is asked of them as registries, and how places are declared.
import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { anonymous, findAccount, operator } from '../../src/access/index.ts'
import { AllowedHosts, makeLog, systemClock } from '../../src/base/index.ts'
import { sql } from '../../src/db/index.ts'
import { evictablePackages, npmUpstreams } from '../../src/npm/index.ts'
import { npmClients } from '../../src/npm/upstream/client/npm-client.ts'
import { RegistryQuestions } from '../../src/npm/upstream/registry-questions.ts'
import { changeUpstream, claimPlace, evict, findDeclared, listDeclared, removeDeclared, UpstreamClients } from '../../src/packages/index.ts'
import { Outbound } from '../../src/http/index.ts'
import { FakeNpmRegistry } from '../support/fake-npm-registry.ts'
import { type NpmCacheStand, openNpmCache } from '../support/npm-cache-stand.ts'
import { abbreviated, type NpmFaces } from '../support/npm-faces.ts'
import { seededBytes } from '../support/random.ts'
import { until } from '../support/until.ts'

let stand: NpmCacheStand
let npm: NpmFaces
let upstream: FakeNpmRegistry
before(async () => {
  stand = await openNpmCache()
  ;({ npm, upstream } = stand)
})
after(async () => await stand?.close())
beforeEach(async () => await stand.startAnew())

const accept = { accept: abbreviated }
const db = () => npm.faces.db
const count = async (table: 'package' | 'package_version' | 'npm_upstream_document' | 'content_reference') =>
  (
    await db()
      .queries.selectFrom(table)
      .select((eb) => eb.fn.countAll<number>().as('n'))
      .executeTakeFirstOrThrow()
  ).n

async function install(name: string, bytes: Uint8Array): Promise<void> {
  upstream.publish(name, '1.0.0', { bytes })
  await npm.json(name, { headers: accept })
  const before = await count('package_version')
  assert.equal((await npm.ask(`${name}/-/${name}-1.0.0.tgz`)).bytes.length, bytes.length)
  await until('it is stored', async () => (await count('package_version')) > before)
}

function questions(): RegistryQuestions {
  const outbound = new Outbound({ allowed: new AllowedHosts(['127.0.0.0/8']) })
  const pace = { slowestBytesPerSecond: 2048, slowGraceMs: 1000 }
  const parts = { db: db(), clock: systemClock, log: makeLog('silent'), sealer: stand.sealer, outbound, agent: 'test', pace }
  return new RegistryQuestions(parts, new UpstreamClients(npmClients, parts))
}

test('what nobody has asked for for long is evicted, and comes back', async () => {
  await stand.declare({ keepS: 86_400, freshS: 300 })
  const before = await count('content_reference')
  await install('old', seededBytes('old', 100_000))
  await install('young', seededBytes('young', 100_000))
  const nothing = { versions: 0, files: 0, packages: 0 }
  assert.deepEqual(await evict(db(), [evictablePackages]), nothing)
  const aged = sql`now() - interval '2 days'`
  await sql`update package_version v set published_at = ${aged}, downloaded_at = null from package p where p.id = v.package_id and p.name = 'old'`.execute(
    db().queries,
  )
  assert.deepEqual(await evict(db(), [evictablePackages]), { ...nothing, versions: 1 })
  assert.equal(await count('npm_upstream_document'), 2, 'what says which versions there are stays as long as it is asked for')
  await sql`update npm_upstream_document d set asked_at = ${aged} from package p where p.id = d.package_id and p.name = 'old'`.execute(
    db().queries,
  )
  await sql`update package set created_at = ${aged} where name = 'old'`.execute(db().queries)
  assert.deepEqual(await evict(db(), [evictablePackages]), { ...nothing, packages: 1 })
  assert.equal(await count('content_reference'), before + 1)
  await install('old', seededBytes('old', 100_000))
  assert.equal(upstream.count(/old-1.0.0.tgz/), 2)
})

test('of more than may be stored, what was asked for longest ago goes', async () => {
  await stand.declare({ mostBytes: 1_000_000 })
  for (let i = 0; i < 25; i++) await install(`sized${i}`, seededBytes(`sized ${i}`, 100_000))
  await until('the downloads are noted', async () => {
    const rows = await db().queries.selectFrom('package_version').select('id').where('downloaded_at', 'is', null).execute()
    return rows.length === 0
  })
  await sql`
    update package_version v set published_at = old.at, downloaded_at = old.at
    from (select id, now() - interval '1 hour' - substr(name, 6)::int * interval '1 minute' as at from package where name like 'sized%') old
    where old.id = v.package_id`.execute(db().queries)
  assert.equal((await evict(db(), [evictablePackages])).versions, 20)
  const left = await db()
    .queries.selectFrom('package_version')
    .innerJoin('package', 'package.id', 'package_version.package_id')
    .select('package.name')
    .execute()
  assert.deepEqual(left.map(({ name }) => name).sort(), ['sized0', 'sized1', 'sized2', 'sized3', 'sized4'])
})

test('removing takes everything with it, holds on content too', async () => {
  const before = await count('content_reference')
  const { id } = await stand.declare()
  await install('removed', seededBytes('removed', 100_000))
  assert.ok((await count('content_reference')) > before)
  assert.equal(await removeDeclared(db(), npmUpstreams, id, operator), 1)
  for (const table of ['package', 'package_version', 'npm_upstream_document'] as const) assert.equal(await count(table), 0, table)
  assert.equal(await count('content_reference'), before)
})

test('places: declared around what is published, within each other, claimed and given up', async () => {
  const olive = (await findAccount(db().queries, 'olive')) ?? assert.fail()
  await npm.publish({ name: '@acme/own', version: '1.0.0' })
  const wide = await stand.declare()
  const scope = await stand.declare({ path: '@acme' })
  upstream.publish('@acme/x', '1.0.0', { bytes: seededBytes('x', 100) })
  await npm.json('olive/@acme/x')
  const [row] = await db().queries.selectFrom('package').select('upstream_id').where('name', '=', '@acme/x').execute()
  assert.equal(row?.upstream_id, scope.id)
  await assert.rejects(claimPlace(db(), npmUpstreams, olive, '@acme', operator), { code: 'upstream-exists' })
  for (const path of ['@Acme', 'a/b', '@acme/x/y', '..']) {
    await assert.rejects(claimPlace(db(), npmUpstreams, olive, path, operator), { code: 'bad-upstream-place' }, path)
  }
  const claim = await claimPlace(db(), npmUpstreams, olive, '@acme/x', operator)
  assert.equal((await npm.ask('olive/@acme/x', { as: npm.olive })).status, 404)
  await assert.rejects(changeUpstream({ db: db(), sealer: stand.sealer }, npmUpstreams, claim.id, { freshS: 1 }, operator), {
    code: 'bad-upstream-settings',
  })
  assert.deepEqual(
    (await listDeclared(db().queries)).map(({ place, url }) => [place, url]),
    [
      ['olive', upstream.origin],
      ['olive/@acme', upstream.origin],
      ['olive/@acme/x', null],
    ],
  )
  await removeDeclared(db(), npmUpstreams, claim.id, operator)
  assert.equal((await npm.ask('olive/@acme/x')).status, 200)
  assert.equal((await findDeclared(db().queries, npmUpstreams, 'olive'))?.id, wide.id)
  const audited = await db().queries.selectFrom('audit').select(['action', 'target']).where('action', 'like', 'upstream.%').execute()
  assert.ok(audited.some(({ action, target }) => action === 'upstream.claim' && target === 'npm olive/@acme/x'))
  assert.ok(audited.some(({ action }) => action === 'upstream.unclaim'))
})

test('ages are npm’s alone, and settings are checked', async () => {
  await assert.rejects(stand.declare({ minAgeS: -1 }), { code: 'bad-upstream-settings' })
  await assert.rejects(stand.declare({ url: 'https://u:p@registry.example' }), { code: 'bad-upstream-url' })
})

test('a least age that is set later holds back what is here already', async () => {
  const bytes = seededBytes('tool', 100)
  upstream.publish('tool', '1.0.0', { bytes, publishedAt: new Date(Date.now() - 10 * 86_400_000) })
  upstream.publish('tool', '1.1.0', { bytes, publishedAt: new Date() })
  const { id } = await stand.declare({ freshS: 300 })
  assert.ok((await npm.ask('tool/-/tool-1.1.0.tgz')).bytes.equals(bytes))
  await stand.stored(1)
  await changeUpstream({ db: db(), sealer: stand.sealer }, npmUpstreams, id, { minAgeS: 86_400 }, operator)
  assert.equal((await npm.json('tool', { headers: accept }))['dist-tags'].latest, '1.0.0')
  assert.equal((await npm.ask('tool/-/tool-1.1.0.tgz')).status, 404)
  await changeUpstream({ db: db(), sealer: stand.sealer }, npmUpstreams, id, { minAgeS: 0 }, operator)
  assert.ok((await npm.ask('tool/-/tool-1.1.0.tgz')).bytes.equals(bytes))
})

test('keys and attestations of what comes from an upstream are the upstream’s', async () => {
  await stand.declare()
  upstream.publish('@acme/tool', '1.0.0', { bytes: seededBytes('tool', 100) })
  const key = { expires: null, keyid: 'SHA256:upstream', keytype: 'ecdsa-sha2-nistp256', scheme: 'ecdsa-sha2-nistp256', key: 'MFk' }
  upstream.answers.set('-/npm/v1/keys', { keys: [key, 'none', { keyid: 7 }] })
  const told = { attestations: [{ predicateType: 'p', bundle: {} }] }
  upstream.answers.set('-/npm/v1/attestations/@acme/tool@1.0.0', told)
  for (const path of ['-/npm/v1/keys', 'olive/-/npm/v1/keys']) {
    const { keys } = await npm.json(path)
    assert.deepEqual([keys.length, keys.at(-1)], [2, key], path)
  }
  assert.deepEqual(await npm.json('olive/-/npm/v1/attestations/@acme%2ftool@1.0.0'), told)
  assert.equal((await npm.ask('olive/-/npm/v1/attestations/@acme%2ftool@2.0.0')).status, 404)
  assert.equal((await npm.ask('olive/-/npm/v1/attestations/@acme%2ftool')).status, 404)
})

test('advisories: each upstream is asked about what comes from it, and about nothing else', async () => {
  const other = await new FakeNpmRegistry().listen()
  try {
    const olive = (await findAccount(db().queries, 'olive')) ?? assert.fail()
    await npm.publish({ name: 'mine', version: '1.0.0' })
    await stand.declare()
    await stand.declare({ path: '@other', url: other.origin, visibility: 'private' })
    await claimPlace(db(), npmUpstreams, olive, '@acme', operator)
    const [asked, home] = [
      new Map(['mine', 'left', '@acme/x', '@other/y', '..'].map((name) => [name, ['1.0.0']])),
      { owner: 'olive', root: null },
    ]
    upstream.answers.set('-/npm/v1/security/advisories/bulk', { left: [{ id: 1 }], mine: [{ id: 2 }], '@other/y': [{ id: 3 }], x: 'y' })
    other.answers.set('-/npm/v1/security/advisories/bulk', { '@other/y': [{ id: 4 }] })
    const told = await questions().advisories(anonymous, home, asked)
    assert.deepEqual([...(told ?? [])], [['left', [{ id: 1 }]]])
    assert.deepEqual(JSON.parse(upstream.seen.at(-1)?.body ?? ''), { left: ['1.0.0'] })
    assert.equal(other.seen.length, 0, 'who may not read what comes from there doesn’t ask there')
    const caller = { kind: 'account', accountId: olive.id, login: 'olive', isAdmin: false, grant: null, tokenId: null } as const
    const everything = await questions().advisories(caller, { owner: null, root: 'olive' }, asked)
    assert.deepEqual([...(everything ?? [])].sort(), [
      ['@other/y', [{ id: 4 }]],
      ['left', [{ id: 1 }]],
    ])
    const bulk = await npm.ask('olive/-/npm/v1/security/advisories/bulk', {
      method: 'POST',
      body: JSON.stringify(Object.fromEntries(asked)),
    })
    assert.deepEqual([bulk.status, JSON.parse(bulk.bytes.toString())], [200, {}], 'what is no advisory is passed over')
    upstream.answers.set('-/npm/v1/security/advisories/bulk', {
      left: [{ id: 7, url: 'https://advisories.example/7', title: 'bad', severity: 'high', vulnerable_versions: '<1.5.0', cwe: [] }],
    })
    const found = await npm.ask('olive/-/npm/v1/security/advisories/bulk', {
      method: 'POST',
      body: JSON.stringify(Object.fromEntries(asked)),
    })
    assert.deepEqual(Object.keys(JSON.parse(found.bytes.toString())), ['left'])
    upstream.answers.clear()
    other.answers.clear()
    assert.equal(await questions().advisories(anonymous, home, asked), null)
  } finally {
    await other.close()
  }
})
