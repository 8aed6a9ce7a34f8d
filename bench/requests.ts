// How many requests to the bucket a push costs, counted by a small S3 in memory: 0 up to 256 KiB, 1 PUT up to 16 MiB, whatever the
// number of objects. A check as much as a benchmark: it fails when a count is wrong.
//   bin/node bench/requests.ts [--out FILE]
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Git, TempFolder } from '../tests/support/git.ts'
import { MemoryS3 } from '../tests/support/memory-s3.ts'
import { benchArguments } from './arguments.ts'
import { startStemma } from './contenders.ts'
import { makeNoise, makeSmallFiles } from './generated.ts'
import { conditions, markdownTable, short } from './table.ts'

const args = benchArguments()
const folder = new TempFolder('bench-requests')
const git = new Git(folder)
const bucket = await MemoryS3.start()
const mib = 1024 * 1024

interface Case {
  readonly name: string
  readonly make: (path: string) => Promise<void>
  /** What a push may ask of the bucket at most, by verb. */
  readonly allowed: Readonly<Record<string, number>>
}

const cases: readonly Case[] = [
  { name: 'one commit with a small file', make: (path) => makeSmallFiles(git, path, 1, 200), allowed: {} },
  { name: '200 files of 1,000 bytes (≤ 256 KiB)', make: (path) => makeSmallFiles(git, path, 200, 1000), allowed: {} },
  { name: '10,000 files of 1,000 bytes', make: (path) => makeSmallFiles(git, path, 10_000, 1000), allowed: { put: 1 } },
  { name: '1 file of 15 MiB', make: (path) => makeNoise(git, path, 1, 15 * mib), allowed: { put: 1 } },
  { name: '4 files of 10 MiB (40 MiB)', make: (path) => makeNoise(git, path, 4, 10 * mib), allowed: { start: 1, part: 5, complete: 1 } },
]

const rows: string[][] = []
let wrong = 0
try {
  const stemma = await startStemma(folder, git, bucket.environment)
  try {
    for (const [n, { name, make, allowed }] of cases.entries()) {
      const source = folder.join(`source-${n}.git`)
      await make(source)
      const objects = await git.read(['rev-list', '--objects', '--count', '--all'], { cwd: source })
      const url = await stemma.create(`requests-${n}`)
      const size = (await git.read(['count-objects', '-v'], { cwd: source })).match(/size-pack: (\d+)/)?.[1] ?? '0'
      bucket.resetLog()
      const startedAt = performance.now()
      await git.run([...stemma.config, 'push', '-q', url, 'main'], { cwd: source })
      const ms = performance.now() - startedAt
      await sleep(300)
      const counts = bucket.counts()
      const met = Object.entries(counts).every(([verb, count]) => count <= (allowed[verb] ?? 0))
      if (!met) wrong += 1
      rows.push([name, objects, short(Number(size) / 1024), list(counts), list(allowed), met ? 'yes' : '**no**', short(ms)])
      console.log(rows.at(-1)?.join('  '))
    }
  } finally {
    await stemma.stop()
  }
} finally {
  await bucket.stop()
  folder.remove()
}

function list(counts: Readonly<Record<string, number>>): string {
  return (
    Object.entries(counts)
      .map(([verb, count]) => `${count} ${verb}`)
      .join(', ') || '0'
  )
}

const table = markdownTable(['push', 'objects', 'pack MiB', 'requests', 'allowed', 'met', 'ms'], rows)
console.log(`\n${table}`)
const date = new Date().toISOString().slice(0, 10)
const out = args.out ?? join(import.meta.dirname, 'results', `${date}-requests.md`)
mkdirSync(dirname(out), { recursive: true })
writeFileSync(
  out,
  `# Requests to the bucket\n\n${date}, \`bench/requests.ts\`; counted by a small S3 in memory\n\n${conditions()}\n\n${table}\n`,
)
process.exitCode = wrong === 0 ? 0 : 1
