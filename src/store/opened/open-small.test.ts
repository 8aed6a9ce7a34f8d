// Small gzip'd archives: opened many at once, made again in memory, read out of memory when they are read often; what can't be opened takes no others along.
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { deflateRawSync, gzipSync, type ZlibOptions } from 'node:zlib'
import { contentHost, pieces, read, sha256 } from '../../../tests/support/content.ts'
import { noise } from '../../../tests/support/seeded.ts'
import { sampleText as text, tarMember, tarOf } from '../../../tests/support/tar.ts'
import { hex } from '../../base/index.ts'
import { sql } from '../../db/index.ts'
import type { Digest } from '../digest.ts'
import { rebuildStore, type SegmentStore } from '../index.ts'
import { contentTotals } from '../totals.ts'

const host = await contentHost()
after(() => host.close())

/** A package's version, as npm packs it: most files are those of every version. */
function tarball(name: string, version: number, options: ZlibOptions = { level: 9 }): Buffer {
  const seed = Buffer.from(name).reduce((sum, byte) => sum * 31 + byte, 7) % 1000
  const files = Array.from({ length: 12 }, (_, n) =>
    tarMember({
      name: `package/lib/${n}.js`,
      mtime: 499_162_500,
      body: text(seed * 100 + n + (n === version % 12 ? 50 + version : 0), 2000 + n * 300),
    }),
  )
  const manifest = tarMember({
    name: 'package/package.json',
    mtime: 499_162_500,
    body: Buffer.from(JSON.stringify({ name, version: `1.0.${version}` })),
  })
  return gzipSync(tarOf(manifest, ...files), options)
}

async function receive(bytes: Uint8Array, store: SegmentStore = host.store): Promise<Digest> {
  return (await store.uploads.receive(pieces(bytes), { limitBytes: 2 ** 40, reference: { kind: 'test', id: 'package' } })).digest
}

async function stateOf(digest: Digest): Promise<string> {
  const { rows } = await sql<{ state: string }>`
    select 'opened: ' || engine as state from content_opened where digest = ${Buffer.from(digest, 'hex')}
    union all select 'left: ' || coalesce(reason, '') from content_opening where digest = ${Buffer.from(digest, 'hex')}`.execute(
    host.db.database.queries,
  )
  return rows.map(({ state }) => state).join()
}

async function countOf(what: 'segment' | 'chunk' | 'content'): Promise<number> {
  const { rows } = await sql<{ n: number }>`select count(*)::int n from ${sql.table(what)}`.execute(host.db.database.queries)
  return rows[0]?.n ?? -1
}

test('versions of packages are opened together: one segment for all that is new, equal files once, each made again byte for byte', async () => {
  const tarballs = ['alpha', 'beta', 'gamma'].flatMap((name) => Array.from({ length: 10 }, (_, version) => tarball(name, version)))
  const digests: Digest[] = []
  for (const bytes of tarballs) digests.push(await receive(bytes))
  const [segments, chunks] = [await countOf('segment'), await countOf('chunk')]
  assert.equal(await host.store.openDue(), tarballs.length)
  for (const digest of digests) assert.match(await stateOf(digest), /^opened: node-zlib level 9/)
  assert.equal(await countOf('segment'), segments + 1)
  // of each package 12 files and one changed for each version, its package.json, and what isn't files
  const fresh = (await countOf('chunk')) - chunks
  assert.ok(fresh <= 3 * (12 + 10 + 10 + 10), `${fresh} chunks`)
  for (const [n, bytes] of tarballs.entries()) {
    const digest = digests[n] as Digest
    assert.deepEqual(await read(host.store, digest), bytes)
    assert.deepEqual(await read(host.store, digest, 5, bytes.length - 9), bytes.subarray(5, -4))
    assert.deepEqual(await read(host.store, digest, bytes.length, 0), Buffer.alloc(0))
  }
  const files = await host.store.layerFiles(digests[3] as Digest)
  assert.ok(files)
  const entries = []
  for await (const entry of files) entries.push(entry)
  assert.equal(entries.length, 13)
  assert.equal(hex(entries[0]?.sha256 ?? new Uint8Array()), sha256(Buffer.from('{"name":"alpha","version":"1.0.3"}')))
  const file = await host.store.openLayerFile(digests[3] as Digest, entries[0] as (typeof entries)[0])
  assert.ok(file)
})

test('a day later only what is new in each version is stored', async () => {
  const { queries } = host.db.database
  const tarballs = Array.from({ length: 20 }, (_, version) => tarball('delta', version))
  const before = await contentTotals(queries)
  for (const bytes of tarballs) await receive(bytes)
  await host.store.openDue()
  for (let round = 0; round < 2; round++) {
    await host.store.tidy()
    await sql`update segment set draining_since = draining_since - interval '25 hours', review_at = review_at - interval '25 hours'`.execute(
      queries,
    )
  }
  await host.store.tidy()
  const totals = await contentTotals(queries)
  const stored = totals.segmentBytes + totals.tailBytes - before.segmentBytes - before.tailBytes
  const came = tarballs.reduce((sum, { length }) => sum + length, 0)
  assert.ok(stored < came / 3, `${stored} of ${came} bytes`)
  for (const bytes of tarballs) assert.deepEqual(await read(host.store, sha256(bytes)), bytes)
})

test("what can't be opened with the others is told, and they are opened: damaged, several members, much inside, no engine, bytes behind the end", async () => {
  const good = tarball('epsilon', 1)
  const damaged = Buffer.from(tarball('epsilon', 2))
  damaged[damaged.length - 6]! ^= 1
  const cut = tarball('epsilon', 3).subarray(0, -20)
  const members = Buffer.concat([tarball('epsilon', 4), gzipSync('behind')])
  const large = gzipSync(tarOf(tarMember({ name: 'zeros', body: Buffer.alloc(20 << 20) })), { level: 9 })
  const trailing = Buffer.concat([tarball('epsilon', 5), Buffer.alloc(100)])
  const reversed = Buffer.concat([gzipSync('').subarray(0, 10), deflateRawSync(noise(7, 3000), { level: 0 }), Buffer.alloc(8)])
  const corrected = tarball('epsilon', 6, { level: 6, memLevel: 2 })
  const all = { good, damaged, cut, members, large, trailing, reversed, corrected }
  const digests = new Map<string, Digest>()
  for (const [name, bytes] of Object.entries(all)) digests.set(name, await receive(bytes))
  await host.store.openDue()
  const states: Record<string, string> = {}
  for (const [name, digest] of digests) states[name] = await stateOf(digest)
  assert.match(states.good as string, /^opened: node-zlib/)
  assert.equal(states.damaged, 'left: gzip-damaged')
  assert.equal(states.cut, 'left: gzip-damaged')
  assert.equal(states.reversed, 'left: gzip-damaged')
  assert.match(states.members as string, /^opened: /)
  assert.match(states.large as string, /^opened: |^left: bomb/)
  assert.match(states.trailing as string, /^opened: node-zlib/)
  assert.match(states.corrected as string, /^opened: difference/)
  for (const [name, bytes] of Object.entries(all)) assert.deepEqual(await read(host.store, digests.get(name) as Digest), bytes, name)
})

test('what is read often is read out of memory, in whole and in parts; what the taker does with its bytes is his affair', async () => {
  const store = host.another(undefined, undefined, {
    cache: { memoryBytes: 8 << 20, diskBytes: 0, folder: host.folder, wholeMemoryBytes: 4 << 20 },
  })
  const bytes = tarball('zeta', 1)
  const digest = await receive(bytes, store)
  await store.openDue()
  const coldReads = async () => {
    const { rows } = await sql<{
      n: number
    }>`select coalesce(max(reads), 0)::int as n from content_cold_read where digest = ${Buffer.from(digest, 'hex')}`.execute(
      host.db.database.queries,
    )
    return rows[0]?.n ?? 0
  }
  for (let time = 1; time <= 6; time++) {
    const whole = (await read(store, digest)) as Buffer
    assert.deepEqual(whole, bytes)
    const open = await store.get(digest, { offset: 100, sizeBytes: 50 })
    assert.ok(open)
    for await (const piece of open.bytes) {
      assert.deepEqual(Buffer.from(piece), bytes.subarray(100, 150))
      piece.fill(0)
    }
    if (time === 1) continue
    assert.equal(await coldReads(), 2, 'made twice, then it is in memory')
  }
  await host.db.database.transaction((tx) => store.release(tx, { kind: 'test', id: 'package' }, digest))
  await sql`delete from content where digest = ${Buffer.from(digest, 'hex')}`.execute(host.db.database.queries)
})

test('forms that stand in one segment make the rows again', async () => {
  const tarballs = Array.from({ length: 30 }, (_, version) => tarball(`eta ${version}`, version))
  const digests: Digest[] = []
  for (const bytes of tarballs) digests.push(await receive(bytes))
  await host.store.openDue()
  const { queries } = host.db.database
  const named = digests.map((digest) => Buffer.from(digest, 'hex'))
  await sql`delete from content_reference where digest = any(${named}::bytea[])`.execute(queries)
  await sql`delete from content where digest = any(${named}::bytea[])`.execute(queries)
  assert.equal(await read(host.store, digests[0] as Digest), null)
  await rebuildStore(host.db.database, host.bucket)
  for (const [n, bytes] of tarballs.entries()) assert.deepEqual(await read(host.store, digests[n] as Digest), bytes)
})
