// What successive versions of images take: Stemma's content store, when nothing is hot any more, beside distribution (Debian's docker-registry) with the same images.
//   bin/node bench/oci-space.ts --images FOLDER [--versions 10] [--pull last|all] [--plain] [--out FILE]
// --plain: the store is given what is inside of the layers, so that no engine runs: the same bytes are stored, but for forms; quick, and proves no engine.
// FOLDER gets the images (oci-space/images.ts builds what is missing). Blobs come as the registry's uploads bring them; skopeo pushes to distribution.
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createGunzip } from 'node:zlib'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from '../src/db/index.ts'
import { contentTotals, contentWays, type Digest } from '../src/store/index.ts'
import { coolDown } from '../src/store/whole/hot.ts'
import { contentHost, type ContentHost } from '../tests/support/content.ts'
import { TempFolder } from '../tests/support/git.ts'
import { freePort } from '../tests/support/port.ts'
import { benchArguments } from './arguments.ts'
import { buildImages, families, layoutOf, tagOf } from './oci-space/images.ts'
import { conditions, markdownTable, median } from './table.ts'

const args = benchArguments(['wait', 'plain'], ['images', 'versions', 'pull'])
const images = args.values('images')[0] ?? '/tmp/stemma-oci-space'
const versions = Number(args.values('versions')[0] ?? 10)
const folder = new TempFolder('bench-oci-space')
const mb = (bytes: number) => (bytes / 1e6).toFixed(1)

interface Blob {
  readonly digest: Digest
  readonly sizeBytes: number
  readonly path: string
  readonly isLayer: boolean
}

/** Manifest, config and layers of a version. */
function blobsOf(family: string, version: number): Blob[] {
  const layout = layoutOf(images, family)
  const read = <T>(path: string) => JSON.parse(readFileSync(path, 'utf8')) as T
  const path = (digest: string) => join(layout, 'blobs/sha256', digest.slice('sha256:'.length))
  const index = read<{ manifests: { digest: string; annotations?: Record<string, string> }[] }>(join(layout, 'index.json'))
  const found = index.manifests.find(({ annotations }) => annotations?.['org.opencontainers.image.ref.name'] === tagOf(version))
  if (found === undefined) throw new Error(`${family} has no ${tagOf(version)}`)
  const manifest = read<{ config: { digest: string }; layers: { digest: string }[] }>(path(found.digest))
  return [found, manifest.config, ...manifest.layers].map(({ digest }, n) => ({
    digest: digest.slice('sha256:'.length) as Digest,
    sizeBytes: statSync(path(digest)).size,
    path: path(digest),
    isLayer: n > 1,
  }))
}

function sizeOf(path: string): number {
  const found = statSync(path)
  return found.isDirectory() ? readdirSync(path).reduce((sum, name) => sum + sizeOf(join(path, name)), 0) : found.size
}

interface Distribution {
  push(family: string, version: number): void
  storedBytes(): number
  end(): void
}

async function startDistribution(): Promise<Distribution> {
  const port = await freePort()
  const root = join(folder.path, 'distribution')
  mkdirSync(root)
  const config = join(folder.path, 'distribution.yml')
  writeFileSync(
    config,
    `version: 0.1\nlog: { level: error }\nstorage: { filesystem: { rootdirectory: ${root} } }\nhttp: { addr: 127.0.0.1:${port} }\n`,
  )
  const server = spawn('docker-registry', ['serve', config], { stdio: 'ignore' })
  await sleep(2000)
  return {
    push: (family, version) => {
      const to = `docker://127.0.0.1:${port}/bench/${family}:${tagOf(version)}`
      const done = spawnSync('skopeo', [
        '--insecure-policy',
        'copy',
        '--quiet',
        '--dest-tls-verify=false',
        `oci:${layoutOf(images, family)}:${tagOf(version)}`,
        to,
      ])
      if (done.status !== 0) throw new Error(String(done.stderr))
    },
    storedBytes: () => sizeOf(root),
    end: () => void server.kill(),
  }
}

/** Of the store's tables, with their indexes. */
async function rowBytes(host: ContentHost): Promise<number> {
  const { rows } = await sql<{ bytes: number }>`
    select sum(pg_total_relation_size(oid))::float8 as bytes from pg_class
    where relkind = 'r' and (relname like 'content%' or relname in ('segment', 'chunk', 'whole_part'))`.execute(host.db.database.queries)
  return rows[0]?.bytes ?? 0
}

/** As what it is stored. */
async function receive(host: ContentHost, blob: Blob): Promise<Digest> {
  const expected = { algorithm: 'sha256', digest: Buffer.from(blob.digest, 'hex') } as const
  const bytes = createReadStream(blob.path)
  const reference = { kind: 'bench', id: 'image' }
  if (args.has('plain') && blob.isLayer) {
    const content = await host.store.uploads.receive(bytes.pipe(createGunzip()), { limitBytes: 2 ** 40, reference })
    return content.digest
  }
  await host.store.uploads.receive(bytes, { expected, limitBytes: 2 ** 40, reference })
  return blob.digest
}

async function cpuOf<T>(work: () => Promise<T>): Promise<{ made: T; seconds: number }> {
  const before = process.cpuUsage()
  const made = await work()
  const { user, system } = process.cpuUsage(before)
  return { made, seconds: (user + system) / 1e6 }
}

interface Pulled {
  readonly engine: string
  readonly plainBytes: number
  readonly sizeBytes: number
  readonly firstMs: number
  readonly cpuS: number
}

/** Reads a blob as a pull does, and compares it. */
async function pull(host: ContentHost, blob: Blob): Promise<Pulled> {
  const { rows } = await sql<{ engine: string; inside: number; hot: boolean }>`
    select engine, (select size_bytes from content c where c.digest = o.inner_digest)::float8 as inside,
      exists (select from content_whole w where w.digest = o.digest) as hot
    from content_opened o where digest = ${Buffer.from(blob.digest, 'hex')}`.execute(host.db.database.queries)
  const sum = createHash('sha256')
  const startMs = performance.now()
  let firstMs = 0
  const { seconds } = await cpuOf(async () => {
    const open = await host.store.get(blob.digest)
    if (open === null) throw new Error(`${blob.digest} is not there`)
    for await (const bytes of open.bytes) {
      if (firstMs === 0) firstMs = performance.now() - startMs
      sum.update(bytes)
    }
  })
  if (sum.digest('hex') !== blob.digest) throw new Error(`${blob.digest} came back as something else`)
  const [opened] = rows
  const engine = opened === undefined ? 'chunks or whole' : opened.hot ? 'hot: whole copy' : `cold: ${opened.engine}`
  return { engine, plainBytes: opened?.inside ?? blob.sizeBytes, sizeBytes: blob.sizeBytes, firstMs, cpuS: seconds }
}

/** What a family's version has cost so far. */
async function measure(host: ContentHost, distribution: Distribution): Promise<{ bucket: number; rows: number; peer: number }> {
  await coolDown(host.db.database, { keepMs: 0, bytes: 0 })
  const totals = await contentTotals(host.db.database.queries)
  return { bucket: totals.segmentBytes + totals.wholeBytes, rows: await rowBytes(host), peer: distribution.storedBytes() }
}

async function pullAll(host: ContentHost, blobs: readonly Blob[]): Promise<Pulled[]> {
  const pulled: Pulled[] = []
  for (const blob of blobs) pulled.push(await pull(host, blob))
  return pulled
}

function pullTable(pulled: readonly Pulled[]): string {
  const rows = [...new Set(pulled.map(({ engine }) => engine))].toSorted().map((engine) => {
    const mine = pulled.filter((one) => one.engine === engine)
    const large = mine.filter(({ plainBytes }) => plainBytes > 1e7)
    const rate = (bytesOf: (one: Pulled) => number) =>
      large.length === 0
        ? ''
        : (large.reduce((sum, one) => sum + bytesOf(one), 0) / 1e6 / large.reduce((sum, one) => sum + one.cpuS, 1e-9)).toFixed(0)
    const firsts = mine.map(({ firstMs }) => firstMs)
    const times = [median(firsts), Math.max(...firsts)].map((ms) => ms.toFixed(0))
    return [engine, String(mine.length), ...times, rate(({ plainBytes }) => plainBytes), rate(({ sizeBytes }) => sizeBytes)]
  })
  return markdownTable(
    [
      'stored as',
      'blobs, all byte-exact',
      'first byte, median ms',
      'at most ms',
      'blobs > 10 MB: uncompressed MB for each second of CPU',
      'MB as pushed for each second of CPU',
    ],
    rows,
  )
}

async function waitFor(family: string, version: number): Promise<void> {
  while (!existsSync(join(images, 'done', `${family}-${tagOf(version)}`))) await sleep(2000)
}

const head = ['up to', 'distribution MB', 'Stemma: bucket MB', 'Stemma: rows MB', 'Stemma ÷ distribution']

async function main(): Promise<void> {
  if (!args.has('wait')) buildImages(images)
  const host = await contentHost()
  const distribution = await startDistribution()
  const steps: string[][] = []
  const blobs = new Map<Digest, Blob>()
  let cpuS = 0
  const hot: Pulled[] = []
  try {
    for (let version = 1; version <= versions; version++) {
      for (const { name } of families) {
        await waitFor(name, version)
        distribution.push(name, version)
        for (const blob of blobsOf(name, version)) {
          if (!blobs.has(blob.digest)) blobs.set(blob.digest, { ...blob, digest: await receive(host, blob) })
        }
        cpuS += (await cpuOf(() => host.store.openDue())).seconds
        // nothing of this version has been cooled yet
        if (version === versions)
          hot.push(
            ...(await pullAll(
              host,
              blobsOf(name, version).filter(({ sizeBytes }) => sizeBytes > 1e6),
            )),
          )
      }
      const { bucket, rows, peer } = await measure(host, distribution)
      const step = [tagOf(version), mb(peer), mb(bucket), mb(rows), ((bucket + rows) / peer).toFixed(3)]
      steps.push(step)
      console.log(step.join(' '))
      if (args.out !== null) writeFileSync(args.out, `${markdownTable(head, steps)}\n`)
    }
    await host.store.tidy()
    const ways = (await contentWays(host.db.database.queries)).map(({ way, contentCount, logicalBytes, storedBytes }) => [
      way,
      String(contentCount),
      mb(logicalBytes),
      storedBytes === null ? '' : mb(storedBytes),
      storedBytes === null || logicalBytes === 0 ? '' : (storedBytes / logicalBytes).toFixed(3),
    ])
    const pushed = [1, versions].flatMap((version) => families.flatMap(({ name }) => blobsOf(name, version)))
    const last = args.values('pull')[0] === 'all' ? [...blobs.values()] : pushed.map(({ digest }) => blobs.get(digest) as Blob)
    const text = [
      conditions(),
      markdownTable(head, steps),
      markdownTable(['way', 'contents', 'MB as pushed', 'MB added', 'ratio'], ways),
      pullTable([...hot, ...(await pullAll(host, [...new Map(last.map((blob) => [blob.digest, blob])).values()]))]),
      `Opening took ${cpuS.toFixed(0)} s of CPU for ${mb([...blobs.values()].reduce((sum, blob) => sum + blob.sizeBytes, 0))} MB of blobs.`,
    ].join('\n\n')
    console.log(text)
    if (args.out !== null) writeFileSync(args.out, `${text}\n`)
  } finally {
    distribution.end()
    await host.close()
    folder.remove()
  }
}

await main()
