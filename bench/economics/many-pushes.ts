// So many pushes of one commit each to a server that compacts meanwhile; then the same objects as one key each on the same cluster; then both are read whole.
import { rmSync } from 'node:fs'
import { systemClock, systemRandomness } from '../../src/base/index.ts'
import { openBucket } from '../../src/bucket/index.ts'
import { Git, type TempFolder } from '../../tests/support/git.ts'
import { openSharedStorage } from '../../tests/support/nodes.ts'
import { type BucketSpace, bucketSpace, clusterSpace, type ClusterSpace } from './ceph-space.ts'
import { between, type BucketCounts } from './counting-proxy.ts'
import { getLoose, listObjects, looseSizes, putLoose } from './loose-keys.ts'
import type { SmallPushes } from './small-pushes.ts'
import { Stand } from './stand.ts'

export interface Space {
  readonly bucket: BucketSpace
  /** More than before anything was put. */
  readonly cluster: ClusterSpace
}

/** Of one way: what was asked, what is stored. */
export interface Way {
  readonly counts: BucketCounts
  readonly ms: number
  readonly space: Space
  /** Reading the first repository whole. */
  readonly clone: { readonly counts: BucketCounts; readonly ms: number }
}

export interface ManyPushes {
  readonly pushes: number
  readonly repositories: number
  readonly objects: number
  /** Of the packs that were sent. */
  readonly sentBytes: number
  readonly databaseBytes: number
  /** Rows of packs that are small enough for them. */
  readonly tailBytes: number
  readonly largestTables: readonly (readonly [name: string, bytes: number])[]
  /** At the end of the pushes, and after an hour of quiet (everything repacked, replaced keys gone). */
  readonly stemma: Way
  readonly atTheEnd: { readonly counts: BucketCounts; readonly space: Space; readonly databaseBytes: number; readonly tailBytes: number }
  readonly loose: Way & { readonly keyBytes: number }
}

interface Setting {
  readonly repository: string
  readonly pushes: SmallPushes
  readonly count: number
  readonly folder: TempFolder
}

function more(later: ClusterSpace, earlier: ClusterSpace): ClusterSpace {
  return {
    dataBytes: later.dataBytes - earlier.dataBytes,
    omapBytes: later.omapBytes - earlier.omapBytes,
    metaBytes: later.metaBytes - earlier.metaBytes,
  }
}

export async function manyPushes(setting: Setting): Promise<ManyPushes> {
  const { repository, pushes, count } = setting
  const empty = await clusterSpace()
  const ours = await pushAll(setting, empty)
  const between = await clusterSpace()
  const loose = await putAll(setting, between)
  const repositories = Math.ceil(count / pushes.length)
  return { pushes: count, repositories, objects: objectsOf(repository, pushes, count).flat().length, ...ours, loose }
}

/** Ids of each repository's objects. */
function objectsOf(repository: string, pushes: SmallPushes, count: number): string[][] {
  const lists: string[][] = []
  for (let left = count; left > 0; left -= pushes.length)
    lists.push(listObjects(repository, [...pushes.refs(Math.min(left, pushes.length)).values()]))
  return lists
}

async function pushAll(
  { pushes, count, folder }: Setting,
  empty: ClusterSpace,
): Promise<Pick<ManyPushes, 'sentBytes' | 'databaseBytes' | 'tailBytes' | 'largestTables' | 'stemma' | 'atTheEnd'>> {
  const git = new Git(folder)
  const stand = await Stand.open(folder, 'many')
  try {
    await stand.query('vacuum full')
    const [start, emptyDatabase] = [stand.proxy.counts, await databaseBytes(stand)]
    const tables = async () => ({ databaseBytes: (await databaseBytes(stand)) - emptyDatabase, tailBytes: await tailBytes(stand) })
    const space = async (): Promise<Space> => {
      const bucket = await bucketSpace(stand.storage.bucket)
      return { bucket, cluster: more(await clusterSpace(), empty) }
    }
    const startedAt = performance.now()
    const sentBytes = await sendAll(stand, pushes, count)
    const ms = performance.now() - startedAt
    await stand.settle()
    await stand.deleteReplaced()
    const atTheEnd = { counts: between(stand.proxy.counts, start), space: await space(), ...(await tables()) }
    await stand.passAnHour()
    await stand.settle()
    await stand.deleteReplaced()
    await stand.query('vacuum full')
    const counts = between(stand.proxy.counts, start)
    const quiet = { space: await space(), ...(await tables()) }
    const largest = await largestTables(stand)
    await stand.forget()
    const before = stand.proxy.counts
    const cloneAt = performance.now()
    const to = folder.join('many-clone.git')
    // not synchronously: the proxy that it goes through is in this process
    await git.run(['clone', '-q', '--mirror', stand.server.repositoryUrl(nameOf(0)), to], { timeoutMs: 600_000 })
    const clone = { counts: between(stand.proxy.counts, before), ms: performance.now() - cloneAt }
    await git.run(['fsck', '--full'], { cwd: to, timeoutMs: 600_000 })
    rmSync(to, { recursive: true })
    await stand.stemma('fsck')
    const ours = { counts, ms, space: quiet.space, clone }
    return { sentBytes, atTheEnd, stemma: ours, databaseBytes: quiet.databaseBytes, tailBytes: quiet.tailBytes, largestTables: largest }
  } catch (error) {
    console.error(stand.server.output.slice(-20_000))
    throw error
  } finally {
    await stand.close()
  }
}

function nameOf(pass: number): string {
  return `history-${pass + 1}`
}

async function sendAll(stand: Stand, pushes: SmallPushes, count: number): Promise<number> {
  let sentBytes = 0
  let url = ''
  for (let n = 0; n < count; n++) {
    const at = n % pushes.length
    if (at === 0) url = await stand.server.create(nameOf(Math.floor(n / pushes.length)))
    sentBytes += await pushes.send(url, at)
    if ((n + 1) % 500 === 0) console.log(`${n + 1} pushes, ${JSON.stringify(stand.proxy.counts)}`)
  }
  return sentBytes
}

async function databaseBytes(stand: Stand): Promise<number> {
  return (await stand.query<{ bytes: number }>('select pg_database_size(current_database())::float8 as bytes'))[0]?.bytes ?? 0
}

async function largestTables(stand: Stand): Promise<ManyPushes['largestTables']> {
  const rows = await stand.query<{ name: string; bytes: number }>(`
    select relname as name, pg_total_relation_size(oid)::float8 as bytes from pg_class
    where relkind = 'r' and relnamespace = 'public'::regnamespace order by 2 desc limit 4`)
  return rows.map(({ name, bytes }) => [name, bytes] as const)
}

async function tailBytes(stand: Stand): Promise<number> {
  return (await stand.query<{ bytes: number }>('select coalesce(sum(length(tail)), 0)::float8 as bytes from pack'))[0]?.bytes ?? 0
}

/** The same objects, each a key: puts alone, with none of the work that a push is. */
async function putAll({ repository, pushes, count, folder }: Setting, empty: ClusterSpace): Promise<ManyPushes['loose']> {
  const storage = await openSharedStorage()
  const { env } = storage
  const settings = {
    kind: 's3',
    endpoint: env.STEMMA_BUCKET_S3_ENDPOINT ?? '',
    region: env.STEMMA_BUCKET_S3_REGION ?? '',
    bucket: storage.bucket,
    accessKeyId: env.STEMMA_BUCKET_S3_ACCESS_KEY_ID ?? '',
    secretAccessKey: env.STEMMA_BUCKET_S3_SECRET_ACCESS_KEY ?? '',
    pathStyle: true,
    createBucket: true,
    spoolFolder: folder.join('spool'),
  } as const
  const bucket = await openBucket(settings, { clock: systemClock, randomness: systemRandomness })
  const counted = (): BucketCounts => {
    const { puts, gets, heads, lists, deletes, bytesIn, bytesOut, failures } = bucket.requests
    return { put: puts, get: gets, head: heads, list: lists, delete: deletes, part: 0, multipart: 0, bytesIn, bytesOut, failures }
  }
  try {
    const lists = objectsOf(repository, pushes, count)
    const start = counted()
    const startedAt = performance.now()
    let keyBytes = 0
    for (const [pass, ids] of lists.entries()) keyBytes += await putLoose(bucket, repository, nameOf(pass), ids)
    const ms = performance.now() - startedAt
    const counts = between(counted(), start)
    const space = { bucket: await bucketSpace(storage.bucket), cluster: more(await clusterSpace(), empty) }
    const sizes = await looseSizes(repository, lists[0] ?? [])
    const [before, cloneAt] = [counted(), performance.now()]
    await getLoose(bucket, nameOf(0), sizes)
    const clone = { counts: between(counted(), before), ms: performance.now() - cloneAt }
    return { counts, ms, space, clone, keyBytes }
  } finally {
    await bucket.close()
    await storage.drop()
  }
}
