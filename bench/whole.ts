// Contents of 1, 10 and 100 MiB pushed and pulled by ten at once, in one process: whole contents beside chunks. CPU seconds count, of this process with its workers:
// walls on a shared machine do not.
//   bin/node bench/whole.ts [--clients 10] [--out FILE]
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { contentHost, pieces, put } from '../tests/support/content.ts'
import { noise } from '../tests/support/seeded.ts'
import type { Digest } from '../src/store/index.ts'
import { benchArguments } from './arguments.ts'
import { conditions, markdownTable } from './table.ts'

const args = benchArguments([], ['clients', 'mib'])
const clients = Number(args.values('clients')[0] ?? 10)
const limitBytes = 2 ** 40
const mib = args.values('mib').length > 0 ? args.values('mib').map(Number) : [1, 10, 100]
const host = await contentHost()
const rows: string[][] = []

/** MB for each second of CPU, and of the wall. */
async function measured(name: string, totalBytes: number, work: () => Promise<void>): Promise<void> {
  const cpu = process.cpuUsage()
  const startMs = performance.now()
  await work()
  const { user, system } = process.cpuUsage(cpu)
  const wallS = (performance.now() - startMs) / 1000
  const row = [name, (totalBytes / 1e6 / ((user + system) / 1e6)).toFixed(0), (totalBytes / 1e6 / wallS).toFixed(0)]
  console.log(row.join('\t'))
  rows.push(row)
}

async function eachClient(count: number, work: (n: number) => Promise<void>): Promise<void> {
  let next = 0
  const client = async (): Promise<void> => {
    while (next < count) await work(next++)
  }
  await Promise.all(Array.from({ length: clients }, client))
}

/** Other bytes each time, without the cost of making them. */
function variant(bytes: Uint8Array, n: number): Uint8Array {
  const own = new Uint8Array(bytes)
  new DataView(own.buffer).setUint32(0, n)
  // in every chunk and everywhere, or chunks of one would be those of another
  for (let at = 0; at < own.length; at += 4096) own[at + 8] = (own[at + 8] as number) ^ (n + 1)
  return own
}

async function drained(digest: Digest): Promise<void> {
  const content = await host.store.get(digest)
  for await (const bytes of content?.bytes ?? []) void bytes.length
}

for (const size of mib) {
  const sizeBytes = size << 20
  const count = Math.max(clients, Math.min(200, Math.round(600 / size)))
  const base = noise(size, sizeBytes)
  const variants = Array.from({ length: Math.min(count, 20) }, (_, n) => variant(base, n))
  const digests = variants.map((bytes) => createHash('sha256').update(bytes).digest())
  const some = variants.length
  const total = some * sizeBytes
  const { uploads } = host.store
  await measured(`push ${size} MiB, POST PATCH PUT`, total, () =>
    eachClient(some, async (n) => {
      const { id } = await uploads.begin({ scope: 'bench' })
      await uploads.append(id, 'bench', { source: pieces(variants[n] as Uint8Array), limitBytes })
      await uploads.finish(id, 'bench', { expected: { algorithm: 'sha256', digest: digests[n] as Uint8Array }, limitBytes })
    }),
  )
  await measured(`pull ${size} MiB, whole`, total * 3, () =>
    eachClient(some * 3, (n) => drained((digests[n % some] as Buffer).toString('hex') as Digest)),
  )
  const other = variants.map((bytes, n) => variant(bytes, n + 1000))
  await measured(`push ${size} MiB, chunks`, total, () =>
    eachClient(some, async (n) => void (await put(host.store, other[n] as Uint8Array))),
  )
  const others = other.map((bytes) => createHash('sha256').update(bytes).digest('hex') as Digest)
  await measured(`pull ${size} MiB, chunks`, total * 3, () => eachClient(some * 3, (n) => drained(others[n % some] as Digest)))
}
await host.close()
const table = markdownTable(['', 'MB per CPU second', 'MB/s of the wall'], rows)
const text = `# Whole contents beside chunks\n\n${conditions()}\n${clients} clients in the process itself, a filesystem bucket, PostgreSQL not counted.\n\n${table}\n`
if (args.out !== null) writeFileSync(args.out, text)
