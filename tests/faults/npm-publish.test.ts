// A node dies at every step of a publish: there is never a version without its tarball, its tags and what is told of it; what was acknowledged is there; and when all
// leases are over, only what is needed.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, test } from 'node:test'
import { findPackage, type Identity, operator, type PackageToCreate } from '../../src/access/index.ts'
import { InputError, makeLog, systemClock, UnavailableError } from '../../src/base/index.ts'
import { sql } from '../../src/db/index.ts'
import { sweepOrphans } from '../../src/jobs/index.ts'
import { parseName } from '../../src/npm/format/names.ts'
import { Incoming } from '../../src/npm/publish/incoming.ts'
import { publishVersion } from '../../src/npm/publish/publish.ts'
import type { NpmRegistry } from '../../src/npm/registry.ts'
import { digestOf, type SegmentStore } from '../../src/store/index.ts'
import { makeAccount, type TestAccount } from '../support/accounts.ts'
import { contentHost, type ContentHost, pieces, read } from '../support/content.ts'
import { Fuse } from '../support/fuse.ts'
import { npmDocument, type Published } from '../support/npm-documents.ts'
import { noise, seedOfRun } from '../support/seeded.ts'

let host: ContentHost
let olive: TestAccount

before(async () => {
  host = await contentHost()
  olive = await makeAccount(host.db.database, 'olive')
})
after(() => host.close())

function nodeOf(fuse: Fuse): { readonly registry: NpmRegistry; readonly store: SegmentStore } {
  const db = fuse.database(host.db.database)
  const store = host.another(fuse.bucket(host.bucket), db)
  const limits = { tarballBytes: 1 << 30 }
  return {
    registry: {
      db,
      store,
      uploads: store.uploads,
      log: makeLog('silent'),
      clock: systemClock,
      limits,
      roots: null,
    } as unknown as NpmRegistry,
    store,
  }
}

const limits = {
  document: { documentBytes: 1 << 20, depth: 50, nodes: 10_000 },
  tarball: { entries: 1000, documentBytes: 1 << 20, unpackedBytes: 1 << 30, times: 200, freeBytes: 1 << 20 },
}

async function publish({ registry }: ReturnType<typeof nodeOf>, published: Published): Promise<void> {
  const name = parseName(published.name)
  assert.ok(name)
  const wanted: PackageToCreate = {
    ownerId: olive.id,
    ownerLogin: olive.login,
    format: 'npm',
    name: name.full,
    repositoryId: null,
    visibility: 'private',
  }
  const found = await findPackage(registry.db.queries, { format: 'npm', owner: olive.login, name: name.full })
  const incoming = new Incoming(pieces(Buffer.from(npmDocument(published).body), 10_000), limits)
  const attachment = await incoming.begin()
  assert.ok(attachment)
  const identity = {
    kind: 'account',
    accountId: olive.id,
    login: olive.login,
    isAdmin: false,
    grant: null,
    tokenId: 0,
  } as unknown as Identity
  await publishVersion(registry, found ?? wanted, { incoming, attachment, name }, { actor: operator, identity })
}

/** Every version that is there is whole. How many there are. */
async function assertWhole(): Promise<ReadonlySet<string>> {
  const { queries } = host.db.database
  const { rows } = await sql<{
    name: string
    version: string
    content: Uint8Array | null
    sha512: Uint8Array
    manifest: string | null
    told: number
    held: boolean
    latest: boolean
  }>`
    select p.name, v.version, f.content, f.sha512, n.manifest,
      (select count(*)::int from outbox o where o.kind = 'package.published' and o.payload->>'name' = p.name and o.payload->>'version' = v.version) as told,
      exists (select from content_reference r where r.kind = 'package' and r.id = p.id::text and r.digest = f.content) as held,
      exists (select from npm_tag t where t.package_id = p.id and t.tag = 'latest') as latest
    from package p join package_version v on v.package_id = p.id
    left join package_file f on f.version_id = v.id left join npm_version n on n.version_id = v.id`.execute(queries)
  for (const { name, version, content, sha512, manifest, told, held, latest } of rows) {
    const what = `${name}@${version}`
    assert.ok(content !== null && manifest !== null && held && latest && told === 1, what)
    const bytes = await read(host.store, digestOf(content))
    assert.ok(bytes !== null && createHash('sha512').update(bytes).digest().equals(sha512), `the tarball of ${what}`)
  }
  const { rows: alone } = await sql`
    select name from package p where format = 'npm' and not exists (select from package_version v where v.package_id = p.id)
    union all select id from content_reference r where kind = 'package' and not exists (select from package_file f where f.package_id::text = r.id and f.content = r.digest)`.execute(
    queries,
  )
  assert.deepEqual(alone, [], 'packages without versions, holds without files')
  return new Set(rows.map(({ name, version }) => `${name}@${version}`))
}

async function hoursPass(hours: number): Promise<void> {
  for (const change of [
    'content set leased_until = leased_until - x',
    'content_review set due_at = due_at - x',
    'segment set draining_since = draining_since - x, review_at = review_at - x',
    'upload_intent set expires_at = expires_at - x',
    'key_deletion set not_before = not_before - x',
  ]) {
    await sql.raw(`update ${change.replaceAll(' x', ` interval '${hours} hours'`)}`).execute(host.db.database.queries)
  }
}

for (const [what, sizeBytes] of [
  ['a small one', 3000],
  ['a large one', 1_400_000],
] as const) {
  test(`death at every step of a publish: ${what}, of a package that is there and of one that isn’t`, async () => {
    const seed = seedOfRun('death of a publish')
    const old = `old-${sizeBytes}`
    const healthy = nodeOf(new Fuse(Number.POSITIVE_INFINITY))
    await publish(healthy, { name: old, version: '0.0.1' })
    const acknowledged = new Set<string>([`${old}@0.0.1`])
    const done = new Set<string>()
    for (let steps = 0; done.size < 2; steps++) {
      for (const name of [old, `new-${sizeBytes}-${steps}`]) {
        const kind = name === old ? 'old' : 'new'
        if (done.has(kind)) continue
        const version = `1.0.${steps}`
        const fuse = new Fuse(steps)
        const node = nodeOf(fuse)
        const published = { name, version, files: { 'index.js': noise(seed + steps, sizeBytes) } }
        try {
          await publish(node, published)
          acknowledged.add(`${name}@${version}`)
          done.add(kind)
        } catch (error) {
          if (!(error instanceof UnavailableError)) throw error
        }
        await node.store.close()
        const there = await assertWhole()
        for (const one of acknowledged) assert.ok(there.has(one), one)
        // Whoever was told nothing asks again: it is there, or it can be published now. The last statement of who died may come to its end only after we have looked.
        if (!done.has(kind)) {
          const again = await publish(healthy, published).then(
            () => 'published',
            (error: unknown) => (error instanceof InputError ? error.code : String(error)),
          )
          const one = `${name}@${version}`
          assert.ok(again === 'version-exists' || (again === 'published' && !there.has(one)), `${one}: ${again}`)
          assert.ok((await assertWhole()).has(one), one)
          acknowledged.add(`${name}@${version}`)
        }
      }
      assert.ok(steps < 200)
    }
    for (let pass = 0; pass < 3; pass++) {
      await hoursPass(50)
      await host.store.tidy()
      await sweepOrphans(host.db.database, host.bucket, makeLog('silent'))
    }
    const there = await assertWhole()
    for (const one of acknowledged) assert.ok(there.has(one), one)
    const { rows } =
      await sql`select digest from content c where not exists (select from content_reference r where r.digest = c.digest)`.execute(
        host.db.database.queries,
      )
    assert.deepEqual(rows, [], 'content that nothing needs')
  })
}
