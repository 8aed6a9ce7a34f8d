// What all versions of npm packages take in the content store, beside their tarballs: published one after the other, opened, compacted, a day later; then read back byte for byte.
//   bin/node bench/npm-space.ts --corpus FOLDER [--order mixed|package] [--stop-at N] [--out FILE]
// FOLDER has a folder for each package, with its tarballs as `npm pack` brings them. `mixed`: packages take turns, as in a registry; `package`: one after the other, as by an import.
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeLog } from '../src/base/index.ts'
import { sql } from '../src/db/index.ts'
import { sweepOrphans } from '../src/jobs/index.ts'
import type { Digest, SegmentStore } from '../src/store/index.ts'
import { coolDown } from '../src/store/whole/hot.ts'
import { contentHost, type ContentHost, pieces } from '../tests/support/content.ts'
import { benchArguments } from './arguments.ts'
import { conditions, markdownTable, median } from './table.ts'

const args = benchArguments([], ['corpus', 'order', 'stop-at'])
const corpus = args.values('corpus')[0] ?? '/tmp/stemma-npm-space'
const order = args.values('order')[0] ?? 'mixed'
const stopAt = Number(args.values('stop-at')[0] ?? Number.POSITIVE_INFINITY)
const mb = (bytes: number) => (bytes / 1e6).toFixed(1)

interface Tarball {
  readonly packageName: string
  readonly path: string
  readonly sizeBytes: number
  /** Of its package's versions, how many came before: 0 … 1. */
  readonly place: number
}

function findTarballs(): Tarball[] {
  const all = readdirSync(corpus).flatMap((name) => {
    const folder = join(corpus, name)
    const files = readdirSync(folder).filter((file) => file.endsWith('.tgz'))
    // numbers in their order: versions as they were made, about
    const sorted = files.toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true }))
    return sorted.map((file, n) => {
      const path = join(folder, file)
      return { packageName: name.replace('__', '/'), path, sizeBytes: statSync(path).size, place: n / sorted.length }
    })
  })
  return (order === 'mixed' ? all.toSorted((a, b) => a.place - b.place) : all).slice(0, stopAt)
}

interface Spent {
  readonly cpuS: number
  readonly wallS: number
}

async function spentBy(work: () => Promise<unknown>): Promise<Spent> {
  const before = process.cpuUsage()
  const startMs = performance.now()
  await work()
  const { user, system } = process.cpuUsage(before)
  return { cpuS: (user + system) / 1e6, wallS: (performance.now() - startMs) / 1000 }
}

function folderBytes(path: string): number {
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0)
}

interface Stored {
  readonly bucketBytes: number
  readonly keys: number
  /** Tables and indexes of the store, tails in them, without what rows that are gone have left. */
  readonly rowBytes: number
}

async function measure(host: ContentHost): Promise<Stored> {
  const { queries } = host.db.database
  const { rows: tables } = await sql<{ name: string }>`
    select relname as name from pg_class where relkind = 'r' and (relname like 'content%' or relname in ('segment', 'chunk', 'whole_part'))`.execute(
    queries,
  )
  let rowBytes = 0
  for (const { name } of tables) {
    await sql`vacuum full ${sql.table(name)}`.execute(queries)
    const { rows } = await sql<{ bytes: number }>`select pg_total_relation_size(${name}::regclass)::float8 as bytes`.execute(queries)
    rowBytes += rows[0]?.bytes ?? 0
  }
  const bucket = join(host.folder, 'bucket')
  const keys = readdirSync(bucket, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).length
  return { bucketBytes: folderBytes(bucket), keys, rowBytes }
}

/** Whole copies go, what nobody needs goes, small segments become large ones: as after weeks in which nobody reads. */
async function tidyAll(host: ContentHost): Promise<void> {
  const { queries } = host.db.database
  await coolDown(host.db.database, { keepMs: 0, bytes: 0 })
  for (let round = 0; round < 3; round++) {
    await host.store.tidy()
    await sql`update segment set draining_since = draining_since - interval '25 hours', review_at = review_at - interval '25 hours'`.execute(
      queries,
    )
    await sql`update key_deletion set not_before = not_before - interval '25 hours'`.execute(queries)
    await sweepOrphans(host.db.database, host.bucket, makeLog('silent'))
  }
}

interface Way {
  readonly way: string
  readonly contents: number
  readonly bytes: number
  readonly corrected: number
}

async function waysOf(host: ContentHost): Promise<Way[]> {
  const { rows } = await sql<Way>`
    select case when engine like 'difference%' then 'opened, with a difference: ' || engine else 'opened, replayed with no correction: ' || engine end as way,
        count(*)::float8 as contents, sum(size_bytes)::float8 as bytes
      from content_opened join content using (digest) group by 1
    union all select 'left: ' || reason, count(*)::float8, sum(size_bytes)::float8
      from content_opening join content using (digest) where due_at is null group by reason
    order by 2 desc`.execute(host.db.database.queries)
  return rows
}

interface Read {
  readonly sizeBytes: number
  readonly firstMs: number
  readonly cpuMs: number
}

async function readBack(store: SegmentStore, digest: Digest): Promise<Read> {
  const sum = createHash('sha256')
  const startMs = performance.now()
  let firstMs = 0
  let sizeBytes = 0
  const { cpuS } = await spentBy(async () => {
    const open = await store.get(digest)
    if (open === null) throw new Error(`${digest} is not there`)
    for await (const bytes of open.bytes) {
      if (firstMs === 0) firstMs = performance.now() - startMs
      sizeBytes += bytes.length
      sum.update(bytes)
    }
  })
  if (sum.digest('hex') !== digest) throw new Error(`${digest} came back as something else`)
  return { sizeBytes, firstMs, cpuMs: cpuS * 1000 }
}

const atShare = (values: readonly number[], share: number) =>
  values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) * share)] ?? Number.NaN

function readRow(name: string, reads: readonly Read[]): string[] {
  const bytes = reads.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  const cpuMs = reads.reduce((sum, read) => sum + read.cpuMs, 0)
  const firsts = reads.map(({ firstMs }) => firstMs)
  return [
    name,
    String(reads.length),
    median(firsts).toFixed(1),
    atShare(firsts, 0.99).toFixed(1),
    median(reads.map((read) => read.cpuMs)).toFixed(2),
    (bytes / 1e3 / cpuMs).toFixed(1),
  ]
}

async function main(): Promise<void> {
  const tarballs = findTarballs()
  const tarballBytes = tarballs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  const host = await contentHost()
  try {
    const digests: Digest[] = []
    const published = await spentBy(async () => {
      for (const { path } of tarballs) {
        const bytes = readFileSync(path)
        const reference = { kind: 'bench', id: String(digests.length) }
        digests.push((await host.store.uploads.receive(pieces(bytes), { limitBytes: 2 ** 40, reference })).digest)
      }
    })
    const asCame = await measure(host)
    const opening = await spentBy(() => host.store.openDue())
    const opened = await measure(host)
    const tidying = await spentBy(() => tidyAll(host))
    const stored = await measure(host)
    const step = (name: string, { bucketBytes, keys, rowBytes }: Stored, spent: Spent) => [
      name,
      mb(bucketBytes),
      String(keys),
      mb(rowBytes),
      (bucketBytes / tarballBytes).toFixed(3),
      ((bucketBytes + rowBytes) / tarballBytes).toFixed(3),
      spent.cpuS.toFixed(0),
      spent.wallS.toFixed(0),
    ]
    const steps = [step('published', asCame, published), step('opened', opened, opening), step('compacted, a day later', stored, tidying)]
    console.log(steps.map((row) => row.join(' ')).join('\n'))
    const ways = await waysOf(host)
    const cold: Read[] = []
    for (const digest of digests) cold.push(await readBack(host.store, digest))
    const again: Read[] = []
    // as a server is configured: what is read often stays in memory
    const cache = { memoryBytes: 64 << 20, diskBytes: 0, folder: join(host.folder, 'cache'), wholeMemoryBytes: 128 << 20 }
    const hot = host.another(undefined, undefined, { cache })
    for (const digest of digests.slice(-200)) {
      for (let n = 0; n < 2; n++) await readBack(hot, digest)
      for (let n = 0; n < 5; n++) again.push(await readBack(hot, digest))
    }
    const isSmall = ({ sizeBytes }: Read) => sizeBytes <= 64 << 10
    const packages = [...new Set(tarballs.map(({ packageName }) => packageName))].map((name) => {
      const mine = tarballs.filter(({ packageName }) => packageName === name)
      return `${name} (${mine.length}, ${mb(mine.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0))} MB)`
    })
    const text = [
      conditions(),
      `${tarballs.length} tarballs of ${packages.length} packages, ${mb(tarballBytes)} MB; ${tarballs.filter((one) => isSmall({ ...one, firstMs: 0, cpuMs: 0 })).length} of at most 64 KiB. Order: ${order}.`,
      packages.join(', '),
      markdownTable(['when', 'bucket MB', 'keys', 'rows MB', 'bucket ÷ tarballs', 'with rows', 'CPU s', 'wall s'], steps),
      markdownTable(
        ['way', 'tarballs', 'share', 'MB'],
        ways.map(({ way, contents, bytes }) => [way, String(contents), `${((contents / tarballs.length) * 100).toFixed(1)} %`, mb(bytes)]),
      ),
      markdownTable(
        ['read', 'reads, all byte-exact', 'first byte, median ms', 'p99 ms', 'CPU, median ms', 'MB for each second of CPU'],
        [
          readRow('cold, at most 64 KiB', cold.filter(isSmall)),
          readRow(
            'cold, larger',
            cold.filter((read) => !isSmall(read)),
          ),
          readRow('again, of the last 200', again),
        ],
      ),
    ].join('\n\n')
    console.log(text)
    if (args.out !== null) writeFileSync(args.out, `${text}\n`)
  } finally {
    await host.close()
  }
}

await main()
