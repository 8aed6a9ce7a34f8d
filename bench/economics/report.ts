// The report's sections, out of what was counted.
import { markdownTable, short } from '../table.ts'
import { allRequests, type BucketCounts } from './counting-proxy.ts'
import type { ManyPushes, Space } from './many-pushes.ts'
import type { OperationRow } from './operations.ts'

const mib = 2 ** 20
const kinds = ['requests', 'PUT', 'parts', 'multipart', 'GET', 'HEAD', 'LIST', 'DELETE', 'MiB in', 'MiB out']

function countCells(counts: BucketCounts): string[] {
  const { put, part, multipart, get, head, list, delete: deleted, bytesIn, bytesOut } = counts
  return [allRequests(counts), put, part, multipart, get, head, list, deleted].map(String).concat([bytesIn, bytesOut].map(inMib))
}

function inMib(bytes: number): string {
  if (bytes === 0) return '0'
  if (Math.abs(bytes) < 0.005 * mib) return `${bytes} B`
  return Math.abs(bytes) >= 100 * mib ? (bytes / mib).toFixed(0) : (bytes / mib).toFixed(2)
}

function spaceCells({ bucket, cluster }: Space): string[] {
  return [
    String(bucket.keys),
    ...[bucket.sizeBytes, bucket.actualBytes, cluster.dataBytes, cluster.omapBytes + cluster.metaBytes].map(inMib),
  ]
}

export function operationsSection(rows: readonly OperationRow[]): string {
  const table = markdownTable(
    ['operation', ...kinds, 'PostgreSQL KiB'],
    rows.map(({ name, cost }) => [name, ...countCells(cost.counts), String(Math.round(cost.databaseBytes / 1024))]),
  )
  return `## Each operation

Requests and bytes of bodies as they pass a proxy before radosgw: of the server, its threads and commands alike. Rows that begin with “…” or “their” are what the background
did of the operation above until 8 s were quiet. *multipart*: begin and completion. LIST: of keys, and of unfinished uploads (each deletion asks for them). *cold*: a new process with empty caches.
PostgreSQL grows by whole pages of tables and indexes, dead rows included (\`pg_database_size\`).

${table}
`
}

export function pushesSection(many: ManyPushes, commits: number): string {
  const { atTheEnd, stemma, loose } = many
  const ways = [
    ['Stemma, when the pushes end', atTheEnd],
    ['Stemma, after an hour of quiet', stemma],
    ['one key for each object', loose],
  ] as const
  const asked = markdownTable(
    ['', ...kinds],
    ways.map(([name, way]) => [name, ...countCells(way.counts)]),
  )
  const stored = markdownTable(
    ['', 'keys', 'MiB of values', 'size_actual MiB', 'pool MiB', 'OSD metadata MiB', 'PostgreSQL MiB'],
    ways.map(([name, way]) => {
      const database = way === loose ? '–' : inMib(way === atTheEnd ? atTheEnd.databaseBytes : many.databaseBytes)
      return [name, ...spaceCells(way.space), database]
    }),
  )
  const clones = markdownTable(
    ['reading the first repository whole', ...kinds],
    [
      ['Stemma: `git clone --mirror`, cold', ...countCells(stemma.clone.counts)],
      ['one key for each object: a GET each', ...countCells(loose.clone.counts)],
    ],
  )
  return `## ${many.pushes.toLocaleString('en')} small pushes

One commit each, all commits of HEAD (${commits.toLocaleString('en')}) in git's topological order, by thin packs made ahead, posted one after the other; compaction on. The history is too short, so it is pushed again
from its first commit into a second repository, and so on (${many.repositories}, nothing shared between them, in either way). ${many.objects.toLocaleString('en')} objects, ${inMib(many.sentBytes)} MiB sent.
*One key for each object*: the same objects of the same repositories, deflated as git does for loose ones (level 1), each PUT under its own key on the same radosgw: ${loose.counts.put.toLocaleString('en')} keys, ${inMib(loose.keyBytes)} MiB.

${asked}

What is stored. *size_actual*: \`radosgw-admin bucket stats\`, which rounds each value up to 4 KiB. *pool*: what \`ceph df\` says was allocated for values. *OSD metadata*: growth of RocksDB (omap and
meta of \`ceph osd df\`), which takes in compaction and logs of its own, and never shrinks at once: a rough figure. PostgreSQL when the pushes end: as it lies there, with dead rows (${inMib(atTheEnd.tailBytes)} MiB of it tails: small packs);
after an hour of quiet: after VACUUM FULL (${inMib(many.tailBytes)} MiB of tails; the largest tables: ${many.largestTables.map(([name, bytes]) => `${name} ${inMib(bytes)}`).join(', ')} MiB).
The empty database's size is taken off. “After an hour of quiet”: rows' times moved by an hour, everything repacked, what was replaced deleted.

${stored}

${clones}

${ratios(many)}
`
}

function ratios({ databaseBytes, stemma, loose }: ManyPushes): string {
  const ratio = (a: number, b: number) => `${short(a / b)} ×`
  const [theirs, ours] = [loose.space, stemma.space]
  return markdownTable(
    ['one key for each object, of Stemma’s (after an hour of quiet)', 'ratio'],
    [
      ['requests that write (PUT, parts, multipart)', ratio(writes(loose.counts), writes(stemma.counts))],
      ['all requests', ratio(allRequests(loose.counts), allRequests(stemma.counts))],
      ['keys', ratio(theirs.bucket.keys, ours.bucket.keys)],
      ['bytes of values', ratio(theirs.bucket.sizeBytes, ours.bucket.sizeBytes)],
      ['size_actual', ratio(theirs.bucket.actualBytes, ours.bucket.actualBytes)],
      ['size_actual, of Stemma’s with all of its PostgreSQL', ratio(theirs.bucket.actualBytes, ours.bucket.actualBytes + databaseBytes)],
      ['allocated in the pool', ratio(theirs.cluster.dataBytes, ours.cluster.dataBytes)],
      ['requests of a clone', ratio(allRequests(loose.clone.counts), allRequests(stemma.clone.counts))],
      ['time of the puts alone (16 at once), of all pushes’ (one after the other, each object checked)', ratio(loose.ms, stemma.ms)],
      ['time of the GETs alone (16 at once), of the whole clone’s', ratio(loose.clone.ms, stemma.clone.ms)],
    ],
  )
}

function writes({ put, part, multipart }: BucketCounts): number {
  return put + part + multipart
}
