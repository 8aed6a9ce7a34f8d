// How long the API takes to read a repository of many commits, at a steady rate of requests; beside it the same questions to git, one process each.
// Requests go out at their times whether or not earlier ones are answered, and a time counts from when a request should have gone out.
//   bin/node bench/api.ts --repo L=/path/to/L.git [--seconds 30] [--rate 50] [--only blame] [--data DIR] [--out FILE]
// `--data`: a server's folder, used again where the repository is in it already; `--only`: of the cases below, those whose name holds the word.
import { mkdirSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { runProcess, TempFolder } from '../tests/support/git.ts'
import { Server } from '../tests/support/server.ts'
import { benchArguments, type NamedRepository } from './arguments.ts'
import { targetsOf, type Case } from './api-targets.ts'
import { conditions, markdownTable, median, short } from './table.ts'

const args = benchArguments([], ['seconds', 'rate', 'only', 'data'])
const seconds = Number(args.values('seconds')[0] ?? 30)
const rate = Number(args.values('rate')[0] ?? 50)
const only = args.values('only')
const goal = { p50: 20, p99: 100 }
/** Questions to git, each a process: so many of each case. */
const pairs = 8

const folder = new TempFolder('bench-api')
const [repository] = args.repositories
if (!repository) throw new Error('--repo NAME=PATH')
const agent = new Agent({ keepAlive: true, maxSockets: 64 })
const rows: string[][] = []
try {
  // its own limit of requests is not what is measured
  const rates = { STEMMA_LIMITS_RATE_API_READS: '1000000' }
  const server = await Server.start({ data: args.values('data')[0] ?? folder.join('data'), env: rates, startTimeoutMs: 300_000 })
  try {
    await fill(server, repository)
    const cases = (await targetsOf(repository.path)).filter(({ name }) => only.length === 0 || only.some((word) => name.includes(word)))
    for (const one of cases) rows.push(await measure(server, repository, one))
  } finally {
    await server.stop()
  }
} finally {
  agent.destroy()
  folder.remove()
}

/** Until the tables that are made in the background are there: as any repository is after a while. */
async function fill(server: Server, { name, path }: NamedRepository): Promise<void> {
  if ((await server.api('GET', `/api/v3/repos/admin/${name}`)).status === 200) return
  const imported = await runProcess(join(import.meta.dirname, '../bin/stemma'), ['import', path, '--name', name, '--data', server.data], {
    timeoutMs: 1_200_000,
  })
  if (imported.code !== 0) throw new Error(imported.stderr)
  for (let before = server.cpu().serverMs, quiet = 0; quiet < 5; ) {
    await sleep(2000)
    const now = server.cpu().serverMs
    quiet = now - before < 60 && server.output.includes('of a path table') ? quiet + 1 : 0
    before = now
  }
}

async function measure(server: Server, { name, path }: NamedRepository, { name: what, targets }: Case): Promise<string[]> {
  const base = `/api/v3/repos/admin/${name}/`
  let bytes = 0
  const first: number[] = []
  for (const { url } of targets) {
    const startedAt = performance.now()
    bytes += await get(server, base + url)
    first.push(performance.now() - startedAt)
  }
  for (const { url } of targets) await get(server, base + url) // the other worker
  const cpu = server.cpu().serverMs
  const times: number[] = []
  const asked: Promise<void>[] = []
  const startedAt = performance.now()
  for (let n = 0; n < seconds * rate; n++) {
    const due = startedAt + (n * 1000) / rate
    const wait = due - performance.now()
    if (wait > 0) await sleep(wait)
    const { url } = targets[(n * 7919) % targets.length] as (typeof targets)[number]
    asked.push(get(server, base + url).then(() => void times.push(performance.now() - due)))
  }
  await Promise.all(asked)
  const cpuMs = (server.cpu().serverMs - cpu) / times.length
  times.sort((a, b) => a - b)
  const at = (part: number) => times[Math.min(times.length - 1, Math.floor(times.length * part))] as number
  const single = await pair(server, base, path, targets)
  const [p50, p99] = [at(0.5), at(0.99)]
  const row = [
    what,
    String(targets.length),
    short(bytes / targets.length / 1024),
    short(p50),
    short(p99),
    p50 <= goal.p50 && p99 <= goal.p99 ? 'yes' : '**no**',
    short(cpuMs),
    short(median(first)),
    short(first.toSorted((a, b) => a - b)[Math.floor(first.length * 0.99)] ?? 0),
    short(single.ours),
    short(single.gits),
    short(single.gits / single.ours),
  ]
  console.log(row.join('  '))
  return row
}

/** One after the other, ours and git's in turn, so that what else the machine does hits both. */
async function pair(server: Server, base: string, cwd: string, targets: Case['targets']): Promise<{ ours: number; gits: number }> {
  const times: { ours: number[]; gits: number[] } = { ours: [], gits: [] }
  for (let n = 0; n < pairs; n++) {
    const { git, url } = targets[Math.floor((n * targets.length) / pairs)] as (typeof targets)[number]
    const startedAt = performance.now()
    await get(server, base + url)
    times.ours.push(performance.now() - startedAt)
    let ms = 0
    for (const command of git)
      ms += (await runProcess('git', command, { cwd, timeoutMs: 600_000, env: { PATH: process.env.PATH ?? '' } })).ms
    times.gits.push(ms)
  }
  return { ours: median(times.ours), gits: median(times.gits) }
}

/** The answer's size. */
async function get(server: Server, path: string): Promise<number> {
  return await new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${server.token}` }
    const sent = request({ agent, port: server.port, path, headers }, (answer) => {
      let sizeBytes = 0
      answer.on('data', (part: Buffer) => {
        sizeBytes += part.length
      })
      answer.on('end', () => (answer.statusCode === 200 ? resolve(sizeBytes) : reject(new Error(`${path}: ${answer.statusCode}`))))
      answer.on('error', reject)
    })
    sent.on('error', reject)
    sent.end()
  })
}

const head = [
  'request',
  'targets',
  'KiB',
  `p50 ms`,
  'p99 ms',
  'met',
  'CPU ms',
  'first p50',
  'first p99',
  'alone ms',
  'git ms',
  'git / ours',
]
const table = markdownTable(head, rows)
console.log(`\n${table}`)
const date = new Date().toISOString().slice(0, 10)
const out = args.out ?? join(import.meta.dirname, 'results', `${date}-api.md`)
mkdirSync(dirname(out), { recursive: true })
const text = `${date}, \`bench/api.ts\`; ${rate} requests/s for ${seconds} s of each kind, the answers warm; the goal: p50 ≤ ${goal.p50} ms, p99 ≤ ${goal.p99} ms. \`alone\` and \`git\`: ${pairs} targets, one
after the other, ours and git's in turn; medians; git with its bitmaps and commit-graph, each question one or more processes.`
writeFileSync(out, `# The API over a repository of many commits\n\n${text}\n\n${conditions()}\n\n${table}\n`)
