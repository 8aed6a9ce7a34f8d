// A node dies at every step of a push of an image, and of the registry's collection: a tag leads to nothing or to an image that is whole, what was acknowledged is there,
// and when all leases are over, only what is needed.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, test } from 'node:test'
import type { FastifyRequest } from 'fastify'
import { createOrFindPackage, operator, type Package } from '../../src/access/index.ts'
import { hex, makeLog, systemClock, UnavailableError } from '../../src/base/index.ts'
import { type Database, sql, type Tx } from '../../src/db/index.ts'
import { sweepOrphans } from '../../src/jobs/index.ts'
import { insertBlob } from '../../src/oci/blob-rows.ts'
import { digestNamed } from '../../src/oci/format/digests.ts'
import { parseManifest } from '../../src/oci/format/manifest.ts'
import { collect } from '../../src/oci/keeping/review.ts'
import { pushManifest } from '../../src/oci/manifest-push.ts'
import { mountBlob } from '../../src/oci/protocol/mounts.ts'
import { referenceOf } from '../../src/oci/keeping/references.ts'
import type { Registry } from '../../src/oci/registry.ts'
import { type ContentInfo, digestOf, type SegmentStore } from '../../src/store/index.ts'
import { makeAccount, type TestAccount } from '../support/accounts.ts'
import { contentHost, type ContentHost, pieces, read } from '../support/content.ts'
import { Fuse } from '../support/fuse.ts'
import { descriptorOf, ociManifest } from '../support/registry.ts'
import { judge } from '../support/registry-stress/judge.ts'
import { noise, seedOfRun } from '../support/seeded.ts'

const leaseMs = 3600_000
const limitBytes = 2 ** 30
let host: ContentHost
let olive: TestAccount

before(async () => {
  host = await contentHost()
  olive = await makeAccount(host.db.database, 'olive')
})
after(() => host.close())

/** What the handlers of one node work with. */
function registryOf(fuse: Fuse): { readonly registry: Registry; readonly store: SegmentStore } {
  const db = fuse.database(host.db.database)
  const store = host.another(fuse.bucket(host.bucket), db)
  const limits = { manifest: { bytes: 4 << 20, parts: 100 }, blobBytes: limitBytes, indexDepth: 4, leaseMs, concurrentDownloads: 4 }
  return {
    registry: { db, store, uploads: store.uploads, log: makeLog('silent'), clock: systemClock, limits } as unknown as Registry,
    store,
  }
}

const digestBytesOf = (bytes: Uint8Array) => new Uint8Array(createHash('sha256').update(bytes).digest())

function keeping(one: Package, bytes: Uint8Array) {
  const digest = digestNamed(digestBytesOf(bytes))
  const visible = (tx: Tx, content: ContentInfo) =>
    insertBlob(tx, one, digest, { content: content.digest, sizeBytes: content.sizeBytes }, { leaseMs, isLimited: false })
  return { expected: { algorithm: 'sha256', digest: digest.bytes } as const, limitBytes, reference: referenceOf(one), visible }
}

function packageOf(db: Database, name: string): Promise<Package> {
  const wanted = { ownerId: olive.id, ownerLogin: olive.login, format: 'oci', name, repositoryId: null, visibility: 'private' } as const
  return createOrFindPackage(db, wanted, operator)
}

/** What others mount from. */
async function bringBase(common: Uint8Array): Promise<void> {
  const base = await packageOf(host.db.database, 'base')
  await host.store.uploads.receive(pieces(common), keeping(base, common))
}

interface Image {
  readonly common: Uint8Array
  readonly atOnce: Uint8Array
  readonly inParts: Uint8Array
  readonly config: Uint8Array
  readonly tag: string
}

/** The image is made by its first push; one layer is mounted, one comes in one request, one in parts, and the manifest last. */
async function push({ registry, store }: ReturnType<typeof registryOf>, name: string, image: Image): Promise<void> {
  const { common, atOnce, inParts, config, tag } = image
  const one = await packageOf(registry.db, name)
  const identity = { kind: 'account', accountId: olive.id, login: olive.login, isAdmin: true, grant: null, tokenId: 0 } as const
  const isMounted = await mountBlob(registry, { identity } as FastifyRequest, one, digestNamed(digestBytesOf(common)), 'olive/base')
  assert.ok(isMounted)
  await store.uploads.receive(pieces(atOnce), keeping(one, atOnce))
  await store.uploads.receive(pieces(config), keeping(one, config))
  const scope = `oci/${one.id}`
  const { id } = await store.uploads.begin({ scope })
  for (const [from, to] of [
    [0, 70_000],
    [70_000, 70_010],
  ] as const) {
    await store.uploads.append(id, scope, { source: pieces(inParts.subarray(from, to)), offset: from, limitBytes })
  }
  const last = { source: pieces(inParts.subarray(70_010)), offset: 70_010 }
  assert.ok(await store.uploads.finish(id, scope, { ...keeping(one, inParts), last }))
  const bytes = manifestOf(image)
  const manifest = parseManifest(bytes, ociManifest, registry.limits.manifest)
  await pushManifest(registry, one, { manifest, bytes, digest: digestNamed(digestBytesOf(bytes)), tags: [tag], actor: operator })
}

function manifestOf({ common, atOnce, inParts, config }: Image): Buffer {
  const layers = [common, atOnce, inParts].map((layer) => descriptorOf(layer, 'application/octet-stream'))
  const said = { schemaVersion: 2, mediaType: ociManifest, config: descriptorOf(config, 'application/octet-stream'), layers }
  return Buffer.from(JSON.stringify(said))
}

/** All that tags lead to can be read; what they are. */
async function tagsOf(name: string): Promise<ReadonlyMap<string, string>> {
  const { queries } = host.db.database
  const { rows: tags } = await sql<{ tag: string; digest: Uint8Array }>`
    select t.name as tag, t.digest from oci_tag t join package p on p.id = t.package_id where p.name = ${name}`.execute(queries)
  const { rows } = await sql<{ digest: Uint8Array; content: Uint8Array | null }>`
    select m.digest, b.content from oci_manifest_part m join package p on p.id = m.package_id
    left join oci_blob b on b.package_id = m.package_id and b.digest = m.digest where p.name = ${name}`.execute(queries)
  for (const { digest, content } of rows) {
    const bytes = content === null ? null : await read(host.store, digestOf(content))
    assert.ok(bytes !== null && Buffer.from(digest).equals(digestBytesOf(bytes)), `a blob that a manifest names: ${hex(digest)}`)
  }
  return new Map(tags.map(({ tag, digest }) => [tag, hex(digest)]))
}

async function hoursPass(hours: number): Promise<void> {
  for (const change of [
    'content set leased_until = leased_until - x',
    'content_review set due_at = due_at - x',
    'content_upload set touched_at = touched_at - x, adding_until = adding_until - x',
    'segment set draining_since = draining_since - x, review_at = review_at - x',
    'upload_intent set expires_at = expires_at - x',
    'key_deletion set not_before = not_before - x',
    'oci_blob set leased_until = leased_until - x',
    'oci_manifest set pushed_at = pushed_at - x, confirmed_at = confirmed_at - x',
    'oci_review set noted_at = noted_at - x',
  ]) {
    await sql.raw(`update ${change.replaceAll(' x', ` interval '${hours} hours'`)}`).execute(host.db.database.queries)
  }
}

const collecting = { delayMs: 0, leaseMs, untaggedMs: 0 }

/** Leases are over: rows and keys are those that are needed. */
async function assertTidied(): Promise<void> {
  const { database } = host.db
  for (let pass = 0; pass < 3; pass++) {
    await hoursPass(50)
    await collect(database, collecting)
    await host.store.tidy()
    await sweepOrphans(database, host.bucket, makeLog('silent'))
  }
  const wrong = Object.entries(await judge(database.queries)).filter(([, count]) => count !== 0)
  assert.deepEqual(wrong, [])
  const keys: string[] = []
  for (const prefix of ['whole/', 'segment/']) for await (const { key } of host.bucket.list(prefix)) keys.push(key.slice(-36))
  const { rows } = await sql<{ uuid: string }>`
    select uuid::text as uuid from whole_part where tail is null union all select uuid::text from segment where tail is null`.execute(
    database.queries,
  )
  assert.deepEqual(keys.sort(), rows.map(({ uuid }) => uuid).sort(), 'keys and rows are the same')
  const waiting =
    await sql`select key from upload_intent union all select key from key_deletion union all select id::text from content_upload`.execute(
      database.queries,
    )
  assert.deepEqual(waiting.rows, [])
}

function imageOf(seed: number, n: number, common: Uint8Array): Image {
  const [atOnce, inParts] = [noise(seed + 2 * n, 80_000), noise(seed + 2 * n + 1, 90_000)]
  return { common, atOnce, inParts, config: Buffer.from(JSON.stringify({ n })), tag: `v${n}` }
}

test('death at every step of a push', async () => {
  const seed = seedOfRun('death of a push')
  const common = noise(seed - 1, 70_000)
  await bringBase(common)
  const acknowledged = new Map<string, string>()
  for (let steps = 0; ; steps++) {
    const fuse = new Fuse(steps)
    const node = registryOf(fuse)
    const image = imageOf(seed, steps, common)
    const digest = hex(digestBytesOf(manifestOf(image)))
    let isDone = false
    try {
      await push(node, 'web', image)
      acknowledged.set(image.tag, digest)
      isDone = true
    } catch (error) {
      if (!(error instanceof UnavailableError)) throw error
    }
    await node.store.close()
    if (isDone || steps % 8 === 0) {
      const tags = await tagsOf('web')
      for (const [tag, value] of acknowledged) assert.equal(tags.get(tag), value)
      assert.ok([undefined, digest].includes(tags.get(image.tag)))
    }
    if (!isDone) continue
    assert.ok(steps > 40, `only ${steps} steps`)
    break
  }
  await assertTidied()
  const tags = await tagsOf('web')
  for (const [tag, value] of acknowledged) assert.equal(tags.get(tag), value)
})

test('death at every step of the registry’s collection', async () => {
  const seed = seedOfRun('death of the registry’s collection')
  const common = noise(seed - 1, 70_000)
  const { database } = host.db
  const healthy = registryOf(new Fuse(Number.POSITIVE_INFINITY))
  await bringBase(common)
  for (let n = 0; n < 6; n++) await push(healthy, 'kept', imageOf(seed, n, common))
  await sql`delete from oci_tag where name in ('v0', 'v2', 'v4')`.execute(database.queries)
  const before = await tagsOf('kept')
  assert.ok(['v1', 'v3', 'v5'].every((tag) => before.has(tag)))
  await hoursPass(30)
  for (let steps = 0; ; steps++) {
    const fuse = new Fuse(steps)
    const node = registryOf(fuse)
    let isDone = false
    try {
      await collect(node.registry.db, collecting)
      await node.store.tidy()
      isDone = !fuse.isBurnt
    } catch (error) {
      if (!(error instanceof UnavailableError)) throw error
    }
    await node.store.close()
    if (!isDone) continue
    assert.ok(steps > 15, `only ${steps} steps`)
    break
  }
  assert.deepEqual(await tagsOf('kept'), before)
  await assertTidied()
  assert.deepEqual(await tagsOf('kept'), before)
})
