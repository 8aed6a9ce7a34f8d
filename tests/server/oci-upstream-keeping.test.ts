// What is kept of upstreams: their rows and secrets, and how long what came from them stays.
import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { findAccount, operator, type UpstreamId } from '../../src/access/index.ts'
import { Sealer, systemRandomness } from '../../src/base/index.ts'
import { sql } from '../../src/db/index.ts'
import { evictableImages, ociUpstreams, setTagRules } from '../../src/oci/index.ts'
import { addressOf, changeUpstream, declareUpstream, evict, findDeclared, listUpstreams, removeDeclared } from '../../src/packages/index.ts'
import { type CacheStand, openCache } from '../support/cache-stand.ts'
import { digestOf, FakeRegistry } from '../support/fake-registry.ts'
import { seededBytes } from '../support/random.ts'
import { until } from '../support/until.ts'

let stand: CacheStand
let upstream: FakeRegistry
before(async () => {
  stand = await openCache()
  upstream = stand.upstream
})
after(async () => await stand?.close())
beforeEach(async () => await stand.startAnew())

const credentials = { username: 'robot', password: 'hunter2-of-the-hub' }
const count = async (table: 'oci_manifest' | 'oci_blob' | 'oci_tag' | 'package' | 'content_reference') =>
  (
    await stand.db.queries
      .selectFrom(table)
      .select((eb) => eb.fn.countAll<number>().as('n'))
      .executeTakeFirstOrThrow()
  ).n

async function pull(name: string, layer: Uint8Array): Promise<void> {
  upstream.addImage(name, 'v1', [layer])
  assert.equal((await stand.get(`hub/${name}/manifests/v1`)).status, 200)
  assert.equal((await (await stand.get(`hub/${name}/blobs/${digestOf(layer)}`)).arrayBuffer()).byteLength, layer.length)
  const hex = digestOf(layer).slice(7)
  await until('it is stored', async () => {
    const rows = await stand.db.queries.selectFrom('oci_blob').select('digest').execute()
    return rows.some(({ digest }) => Buffer.from(digest).toString('hex') === hex)
  })
}

test('credentials are sealed for where they may go, and stand nowhere else', async () => {
  const declared = await stand.declare({ url: 'https://registry.example/acme/', authOrigin: 'https://auth.example/token?x', credentials })
  assert.deepEqual(
    [declared.url, declared.authOrigin, declared.username],
    ['https://registry.example/acme', 'https://auth.example', 'robot'],
  )
  const row = await stand.db.queries.selectFrom('package_upstream').selectAll().executeTakeFirstOrThrow()
  const audited = await stand.db.queries.selectFrom('audit').select('details').where('action', 'like', 'upstream.%').execute()
  for (const told of [row, audited, declared]) assert.ok(!JSON.stringify(told).includes(credentials.password))
  assert.deepEqual((await addressOf(stand.db.queries, declared, stand.sealer)).credentials, credentials)
  // whoever writes to the database only doesn't get them sent to himself
  for (const changed of [{ url: 'https://evil.example' }, { authOrigin: 'https://evil.example' }]) {
    await assert.rejects(addressOf(stand.db.queries, { ...declared, ...changed }, stand.sealer), { code: 'sealed' })
  }
  const other = new Sealer(new Uint8Array(32).fill(1), systemRandomness)
  await assert.rejects(addressOf(stand.db.queries, declared, other), { code: 'other-key' })
})

test('with another key than its credentials were sealed with: what is here is served with the warning, what isn’t is 503', async () => {
  const digest = upstream.addImage('sealed', 'v1', [])
  const declared = await stand.declare({ url: upstream.origin, credentials })
  assert.equal((await stand.get('hub/sealed/manifests/v1')).status, 200)
  const address = await addressOf(stand.db.queries, declared, stand.sealer)
  const other = new Sealer(new Uint8Array(32).fill(1), systemRandomness)
  const purpose = `upstream ${address.origin} `
  for (const secret of [other.seal(credentials.password, purpose), stand.sealer.seal(credentials.password, `${purpose}elsewhere`)]) {
    await stand.db.queries.updateTable('package_upstream').set({ secret, updated_at: sql<Date>`clock_timestamp()` }).execute()
    const asked = upstream.seen.length
    const stale = await stand.get('hub/sealed/manifests/v1')
    assert.deepEqual([stale.status, stale.headers.get('docker-content-digest')], [200, digest])
    assert.match(stale.headers.get('warning') ?? '', /^110 /)
    const missing = await stand.get('hub/sealed/manifests/v2')
    assert.deepEqual([missing.status, missing.headers.get('retry-after')], [503, '10'])
    assert.equal(upstream.seen.length, asked, 'it was asked without its credentials')
  }
  const told = stand.log.filter((line) => line.includes('its credentials don’t open'))
  assert.equal(told.length, 2, 'told once for each change of the row')
})

test('a change keeps what it doesn’t speak of; visibility is that of all images', async () => {
  await stand.declare({ url: upstream.origin })
  await pull('shown', seededBytes('shown', 1000))
  const { id } = (await findDeclared(stand.db.queries, ociUpstreams, 'HUB')) ?? assert.fail('it is not there')
  const parts = { db: stand.db, sealer: stand.sealer }
  const signedIn = await changeUpstream(parts, ociUpstreams, id, { credentials }, operator)
  const changed = await changeUpstream(
    parts,
    ociUpstreams,
    id,
    { visibility: 'private', authOrigin: 'https://auth.example', keepS: 60 },
    operator,
  )
  assert.deepEqual([signedIn?.username, changed?.username, changed?.keepS, changed?.freshS], ['robot', 'robot', 60, 0])
  assert.deepEqual((await addressOf(stand.db.queries, changed ?? assert.fail(), stand.sealer)).credentials, credentials)
  assert.equal((await stand.get('hub/shown/manifests/v1', { token: null })).status, 401)
  await changeUpstream(parts, ociUpstreams, id, { credentials: null }, operator)
  assert.equal((await listUpstreams(stand.db.queries))[0]?.username, null)
  await assert.rejects(changeUpstream(parts, ociUpstreams, id, { keepS: 0 }, operator), { code: 'bad-upstream-settings' })
  assert.equal(await changeUpstream(parts, ociUpstreams, 0 as UpstreamId, {}, operator), null)
  const hub = (await findAccount(stand.db.queries, 'hub')) ?? assert.fail()
  for (const bad of [
    { username: 'a:b', password: 'x' },
    { username: '', password: 'x' },
    { username: 'a', password: 'x\n' },
  ]) {
    await assert.rejects(declareUpstream(parts, ociUpstreams, hub, { path: 'p', url: upstream.origin, credentials: bad }, operator), {
      code: 'bad-upstream-credentials',
    })
  }
})

test('of two changes at once neither undoes the other', async () => {
  const { id } = await stand.declare({ url: upstream.origin })
  const parts = { db: stand.db, sealer: stand.sealer }
  const changes = [{ credentials }, { keepS: 61 }, { freshS: 62 }, { mostBytes: 63 }, { visibility: 'internal' as const }]
  await Promise.all(changes.map(async (change) => await changeUpstream(parts, ociUpstreams, id, change, operator)))
  const [{ username, keepS, freshS, mostBytes, visibility } = assert.fail()] = await listUpstreams(stand.db.queries)
  assert.deepEqual([username, keepS, freshS, mostBytes, visibility], ['robot', 61, 62, 63, 'internal'])
})

test('declaring a place once more, or one around it, takes nothing from it', async () => {
  const wide = { url: upstream.origin, path: '' }
  const { id } = await stand.declare({ url: upstream.origin, path: 'inner' })
  upstream.addImage('app', 'v1', [])
  const stored = async () => (await stand.db.queries.selectFrom('package').select(['name', 'upstream_id']).execute())[0]
  assert.equal((await stand.get('hub/inner/app/manifests/v1')).status, 200)
  await assert.rejects(stand.declare({ url: upstream.origin, path: 'inner' }), { code: 'upstream-exists' })
  assert.deepEqual([await stored(), await count('oci_manifest')], [{ name: 'inner/app', upstream_id: id }, 1])
  await stand.declare(wide)
  assert.deepEqual([await stored(), await count('oci_manifest')], [{ name: 'inner/app', upstream_id: id }, 1])
})

test('an immutable tag stays, also when the upstream has moved it, or has it no more', async () => {
  const digest = upstream.addImage('fixed', 'v1', [])
  const { ownerId } = await stand.declare({ url: upstream.origin })
  const tagged = async () => {
    const answer = await stand.get('hub/fixed/manifests/v1')
    return [answer.status, answer.headers.get('docker-content-digest'), answer.headers.get('warning')]
  }
  assert.deepEqual(await tagged(), [200, digest, null])
  await setTagRules(stand.db, { ownerId }, [{ tags: 'v*', except: [] }], { actor: operator, ownerId, target: 'hub' })
  upstream.addImage('fixed', 'v1', [seededBytes('moved', 1000)])
  assert.deepEqual(await tagged(), [200, digest, null])
  upstream.tags.get('fixed')?.delete('v1')
  assert.deepEqual(await tagged(), [200, digest, null])
  await setTagRules(stand.db, { ownerId }, [], { actor: operator, ownerId, target: 'hub' })
  assert.deepEqual(await tagged(), [404, null, null])
})

test('removing takes everything with it, holds on content too', async () => {
  const before = await count('content_reference')
  const { id } = await stand.declare({ url: upstream.origin })
  await pull('removed', seededBytes('removed', 200_000))
  assert.ok((await count('content_reference')) > before)
  assert.equal(await removeDeclared(stand.db, ociUpstreams, id, operator), 1)
  for (const table of ['package', 'oci_manifest', 'oci_blob', 'oci_tag'] as const) assert.equal(await count(table), 0, table)
  assert.equal(await count('content_reference'), before)
  assert.equal(await removeDeclared(stand.db, ociUpstreams, id, operator), null)
})

test('what nobody has pulled for long is evicted, and comes back', async () => {
  await stand.declare({ url: upstream.origin, keepS: 86_400 })
  const [old, young] = [seededBytes('old', 100_000), seededBytes('young', 100_000)]
  await pull('old', old)
  await pull('young', young)
  assert.deepEqual(await evict(stand.db, [evictableImages]), { versions: 0, files: 0, packages: 0 })
  const aged = sql`now() - interval '2 days'`
  await sql`update oci_manifest m set pushed_at = ${aged} from package p where p.id = m.package_id and p.name = 'old'`.execute(
    stand.db.queries,
  )
  await sql`update oci_blob b set created_at = ${aged} from package p where p.id = b.package_id and p.name = 'old'`.execute(
    stand.db.queries,
  )
  await sql`update package set created_at = ${aged} where name = 'old'`.execute(stand.db.queries)
  await sql`update oci_manifest m set pushed_at = ${aged}, pulled_at = now() from package p where p.id = m.package_id and p.name = 'young'`.execute(
    stand.db.queries,
  )
  assert.deepEqual(await evict(stand.db, [evictableImages]), { versions: 1, files: 1, packages: 1 })
  assert.equal(await count('oci_manifest'), 1)
  await pull('old', old)
  assert.equal(upstream.count(/GET \/v2\/old\/blobs/), 2)
})

test('of more than may be stored, what was pulled longest ago goes', async () => {
  const { id } = await stand.declare({ url: upstream.origin, mostBytes: 1_000_000 })
  for (let i = 0; i < 25; i++) await pull(`sized${i}`, seededBytes(`sized ${i}`, 100_000))
  // the note of a pull, which is written some seconds later, makes it new
  const unnoted = () => stand.db.queries.selectFrom('oci_manifest').select('digest').where('pull_count', '=', 0).execute()
  await until('the pulls are noted', async () => (await unnoted()).length === 0)
  await sql`
    update oci_manifest m set pushed_at = old.at, pulled_at = old.at
    from (select id, now() - interval '1 hour' - substr(name, 6)::int * interval '1 minute' as at from package where name like 'sized%') old
    where old.id = m.package_id`.execute(stand.db.queries)
  assert.equal((await evict(stand.db, [evictableImages])).versions, 20)
  const names = await stand.db.queries
    .selectFrom('oci_manifest')
    .innerJoin('package', 'package.id', 'oci_manifest.package_id')
    .select('package.name')
    .execute()
  assert.deepEqual(names.map(({ name }) => name).sort(), ['sized0', 'sized1', 'sized2', 'sized3', 'sized4'])
  assert.equal(await count('oci_blob'), 5)
  assert.deepEqual(await evict(stand.db, [evictableImages]), { versions: 0, files: 0, packages: 0 })
  await removeDeclared(stand.db, ociUpstreams, id, operator)
})
