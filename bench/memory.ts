// How much memory the server process takes to receive and to send large packs of incompressible blobs; PostgreSQL is not counted.
//   bin/node bench/memory.ts [--runs 1] [--small-only] [--out FILE]
// With DATABASE_URL and STEMMA_BUCKET_S3_… in the environment the server uses those; otherwise it is the embedded one.
// Needs disk space of about four times the pack (2 GiB) in the temporary folder.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { contentOf, Git, TempFolder } from '../tests/support/git.ts'
import { benchArguments } from './arguments.ts'
import { startStemma } from './contenders.ts'
import { makeNoise } from './generated.ts'
import { conditions, markdownTable, short } from './table.ts'

const mib = 1024 * 1024
const cases = [
  { name: '300 MiB pack, 30 blobs of 10 MiB', count: 30, sizeBytes: 10 * mib, limitBytes: 512 * mib },
  { name: '2 GiB pack, 128 blobs of 16 MiB', count: 128, sizeBytes: 16 * mib, limitBytes: 768 * mib },
]
const args = benchArguments(['small-only'])
const folder = new TempFolder('bench-memory')
const git = new Git(folder)
const rows: string[][] = []

try {
  for (const { name, count, sizeBytes, limitBytes } of args.has('small-only') ? cases.slice(0, 1) : cases) {
    const source = folder.join(`source-${count}.git`)
    await makeNoise(git, source, count, sizeBytes)
    const stemma = await startStemma(folder, git)
    try {
      const idleBytes = stemma.server.memory().residentBytes
      const url = await stemma.create(`memory-${count}`)
      const peak = async (act: () => Promise<unknown>): Promise<{ peakBytes: number; ms: number }> => {
        stemma.server.resetPeak()
        const startedAt = performance.now()
        await act()
        return { peakBytes: stemma.server.memory().peakBytes, ms: performance.now() - startedAt }
      }
      const long = { timeoutMs: 580_000 }
      const pushed = await peak(() => git.run([...stemma.config, 'push', '-q', '--mirror', url], { cwd: source, ...long }))
      const copy = folder.join(`copy-${count}.git`)
      const cloned = await peak(() => git.run([...stemma.config, 'clone', '-q', '--mirror', url, copy], long))
      const again = folder.join(`again-${count}.git`)
      await stemma.server.stop()
      await stemma.server.begin()
      const cold = await peak(() => git.run([...stemma.config, 'clone', '-q', '--mirror', url, again], long))
      const [wanted, found] = [await contentOf(git, source), await contentOf(git, copy)]
      if (wanted.objects !== found.objects || wanted.refs !== found.refs) throw new Error('the clone differs from its source')
      for (const [what, { peakBytes, ms }] of [
        ['push', pushed],
        ['clone', cloned],
        ['clone after a restart', cold],
      ] as const) {
        const verdict = peakBytes <= limitBytes ? 'yes' : '**no**'
        rows.push([`${name}, ${what}`, short(idleBytes / mib), short(peakBytes / mib), short(limitBytes / mib), verdict, short(ms / 1000)])
        console.log(rows.at(-1)?.join('  '))
      }
      rmSync(copy, { recursive: true })
      rmSync(again, { recursive: true })
      await stemma.remove(`memory-${count}`)
    } finally {
      await stemma.stop()
      rmSync(source, { recursive: true })
      rmSync(folder.join('data'), { recursive: true, force: true })
    }
  }
} finally {
  folder.remove()
}

const table = markdownTable(['action', 'idle MiB', 'peak MiB', 'allowed', 'met', 'seconds'], rows)
console.log(`\n${table}`)
const date = new Date().toISOString().slice(0, 10)
const out = args.out ?? join(import.meta.dirname, 'results', `${date}-memory.md`)
const settings =
  process.env.DATABASE_URL === undefined ? 'embedded PostgreSQL and filesystem bucket' : 'PostgreSQL by DATABASE_URL, bucket on S3'
mkdirSync(dirname(out), { recursive: true })
writeFileSync(
  out,
  `# Memory of the server process\n\n${date}, \`bench/memory.ts\`, ${settings}; highest resident set (VmHWM) during each action\n\n${conditions()}\n\n${table}\n`,
)
