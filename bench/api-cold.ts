// How many requests to the bucket one file costs by the API on a node that has nothing in its caches, counted by a small S3 in memory: for the first file
// after a start, indexes of packs come first; for each further one, in parts of the repository that nobody has looked at, only the file's own way.
//   bin/node bench/api-cold.ts --repo L=/path/to/L.git [--runs 5] [--out FILE]
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { runProcess, TempFolder } from '../tests/support/git.ts'
import { MemoryS3 } from '../tests/support/memory-s3.ts'
import { Server } from '../tests/support/server.ts'
import { targetsOf } from './api-targets.ts'
import { benchArguments } from './arguments.ts'
import { conditions, markdownTable, median, short } from './table.ts'

const args = benchArguments()
const files = args.runs
const folder = new TempFolder('bench-api-cold')
const bucket = await MemoryS3.start()
const rows: string[][] = []
try {
  for (const { name, path } of args.repositories) rows.push(await measure(name, path))
} finally {
  await bucket.stop()
  folder.remove()
}

async function measure(name: string, path: string): Promise<string[]> {
  const data = folder.join(name)
  const env = { ...bucket.environment, STEMMA_LIMITS_RATE_API_READS: '1000000', STEMMA_CACHE_FOLDER: folder.join(`${name}-cache`) }
  const server = await Server.start({ data, env, startTimeoutMs: 300_000 })
  try {
    const command = join(import.meta.dirname, '../bin/stemma')
    const imported = await runProcess(command, ['import', path, '--name', name, '--data', data], {
      timeoutMs: 1_200_000,
      env: { ...(process.env as Record<string, string>), ...env },
    })
    if (imported.code !== 0) throw new Error(imported.stderr)
    for (let tries = 0; tries < 300 && !server.output.includes('of a path table'); tries++) await sleep(1000)
    const cases = await targetsOf(path)
    const targets = (cases.find((one) => one.name === 'contents of a file')?.targets ?? []).slice(0, 200)
    const first: number[] = []
    const each: number[] = []
    for (let n = 0; n < files; n++) {
      await server.stop()
      rmSync(env.STEMMA_CACHE_FOLDER, { recursive: true, force: true })
      await server.begin()
      await sleep(300)
      const count = async (at: number) => {
        bucket.resetLog()
        const target = targets[(at * 37) % targets.length] as (typeof targets)[number]
        const answer = await server.api('GET', `/api/v3/repos/admin/${name}/${target.url}`)
        if (answer.status !== 200) throw new Error(`${target.url}: ${answer.status}`)
        return bucket.log.filter(({ verb }) => verb === 'get').length
      }
      first.push(await count(n))
      each.push(await count(n + files))
    }
    const row = [name, String(files), short(median(first)), String(Math.max(...first)), short(median(each)), String(Math.max(...each))]
    console.log(row.join('  '))
    return row
  } finally {
    await server.stop()
  }
}

const table = markdownTable(['repository', 'starts', 'first file', 'most', 'next file', 'most'], rows)
console.log(`\n${table}`)
const date = new Date().toISOString().slice(0, 10)
const out = args.out ?? join(import.meta.dirname, 'results', `${date}-api-cold.md`)
mkdirSync(dirname(out), { recursive: true })
writeFileSync(
  out,
  `# Requests to the bucket for one file by the API, nothing cached\n\n${date}, \`bench/api-cold.ts\`; GETs, counted by a small S3 in memory; after each start the disk cache is empty\n\n${conditions()}\n\n${table}\n`,
)
