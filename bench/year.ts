// Year in a day: a real repository's commits, replayed in many small pushes by several writers, with compaction going on; what is stored, written and
// asked of the bucket meanwhile, and what a clone takes, beside a fresh repack and a fresh import.
//   bin/node bench/year.ts --repo S=/path/to/S.git --pushes 10000 [--every 100] [--seed 1] [--git /path/to/git] [--out FILE.md]
// Packs are made by `git pack-objects --thin`, as git push does, and posted one after the other. Keys that were replaced stay in the bucket for an hour, so
// whatever was written is counted at the end; a run must not take longer.
import { execFile, execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import { openDatabase } from '../tests/support/database.ts'
import { TempFolder } from '../tests/support/git.ts'
import { SeededRandom } from '../tests/support/random.ts'
import { Server } from '../tests/support/server.ts'
import { push, zeroId } from '../tests/support/wire.ts'
import { benchArguments } from './arguments.ts'
import { svgChart } from './svg-chart.ts'
import { conditions, markdownTable, median, short } from './table.ts'

const stemma = fileURLToPath(new URL('../bin/stemma', import.meta.url))
const writers = 4
const mostCommits = 5
/** Packs that are made ahead, while the server is busy with others. */
const ahead = 3
const mib = 2 ** 20

interface Step {
  readonly writer: number
  readonly from: string | null
  readonly to: string
}

interface Figures {
  readonly pushes: number
  readonly ingested: number
  /** Whole values: packs with their indexes. */
  readonly stored: number
  /** Packs alone. */
  readonly packed: number
  readonly tables: number
  readonly packs: number
  readonly keys: number
  readonly puts: number
  readonly written: number
  readonly cloneMs: number
}

/** The line of first parents in pieces of one to five, each pushed by one of the writers; what was merged on the way comes along. */
function plan(repository: string, pushes: number, random: SeededRandom): Step[] {
  const listed = execFileSync('git', ['-C', repository, 'rev-list', '--first-parent', '--reverse', 'HEAD'], { maxBuffer: 2 ** 28 })
  const commits = listed.toString().trim().split('\n')
  const most = Math.max(1, Math.min(mostCommits, Math.floor((2 * commits.length) / pushes) - 1))
  const steps: Step[] = []
  let from: string | null = null
  for (let at = -1; steps.length < pushes && at < commits.length - 1; ) {
    at = Math.min(commits.length - 1, at + 1 + random.below(most))
    const to = commits[at] as string
    steps.push({ writer: random.below(writers), from, to })
    from = to
  }
  return steps
}

function makePack(repository: string, { from, to }: Step): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const args = ['-C', repository, 'pack-objects', '-q', '--revs', '--thin', '--stdout', '--delta-base-offset', '--threads=1']
    const child = execFile('git', args, { encoding: 'buffer', maxBuffer: 2 ** 31 }, (error, stdout) =>
      error ? reject(error) : resolve(stdout),
    )
    child.stdin?.end(from === null ? `${to}\n` : `${to}\n^${from}\n`)
  })
}

class Year {
  readonly #server: Server
  readonly #folder: TempFolder
  readonly #url: string
  readonly #refs = new Map<string, string>()
  #db: pg.Client
  #clones = 0
  ingested = 0
  pushes = 0

  private constructor(server: Server, folder: TempFolder, url: string, db: pg.Client) {
    this.#server = server
    this.#folder = folder
    this.#url = url
    this.#db = db
  }

  static async start(server: Server, folder: TempFolder): Promise<Year> {
    return new Year(server, folder, await server.create('year'), await openDatabase(server))
  }

  async push(step: Step, pack: Buffer): Promise<void> {
    const ref = `refs/heads/${step.writer === 0 ? 'main' : `writer-${step.writer}`}`
    const report = await push(this.#url, [{ old: this.#refs.get(ref) ?? zeroId, new: step.to, ref }], pack)
    if (report.refs.get(ref) !== 'ok') throw new Error(`push ${this.pushes}: ${report.unpack} ${report.text}`)
    this.#refs.set(ref, step.to)
    this.ingested += pack.length
    this.pushes++
  }

  async figures(clones = 1): Promise<Figures> {
    const { rows } = await this.#db.query<{ stored: number; packed: number; tables: number; packs: number; keys: number }>(`
      select coalesce(sum(p.size_bytes), 0)::float8 stored, coalesce(sum(p.pack_bytes), 0)::float8 packed, count(*)::int packs, count(p.key)::int keys,
        (select coalesce(sum(size_bytes), 0)::float8 from history h where h.network_id = r.network_id) tables
      from repository r left join pack p using (network_id) where r.name = 'year' group by r.network_id`)
    const files = this.#server.bucketFiles().filter(({ path }) => /\/bucket\/(pack|history)\//.test(path))
    const times: number[] = []
    for (let i = 0; i < clones; i++) times.push(this.clone(this.#url))
    const written = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
    const now = rows[0]
    if (!now) throw new Error('the repository is gone')
    return { pushes: this.pushes, ingested: this.ingested, ...now, puts: files.length, written, cloneMs: median(times) }
  }

  clone(url: string): number {
    const path = this.#folder.join(`clone-${this.#clones++}.git`)
    const startedAt = performance.now()
    execFileSync('git', ['clone', '-q', '--bare', url, path])
    const ms = performance.now() - startedAt
    rmSync(path, { recursive: true })
    return ms
  }

  /** Until the background has nothing more to do. */
  async settle(): Promise<void> {
    let before = ''
    for (let quiet = 0; quiet < 4; ) {
      await sleep(2500)
      const { rows } = await this.#db.query<{ now: string }>(`
        select (select string_agg(id::text, ',' order by id) from pack) || '|' || coalesce((select string_agg(key, ',') from history), '')
          || '|' || (select count(*) from job where kind like 'repack %') as now`)
      const now = rows[0]?.now ?? ''
      quiet = now === before && now.endsWith('|0') ? quiet + 1 : 0
      before = now
    }
  }

  /** As if an hour had passed; a server that starts looks at all networks. */
  async passAnHour(): Promise<void> {
    await this.#db.query(`update pack set created_at = created_at - interval '61 minutes'`)
    await this.#db.end()
    await this.#server.stop()
    await this.#server.begin()
    this.#db = await openDatabase(this.#server)
  }

  async end(): Promise<void> {
    await this.#db.end()
  }
}

interface Fresh {
  readonly bytes: number
  readonly withIndex: number
  readonly how: string
}

/** What git makes of the same objects. */
function freshPack(folder: TempFolder, git: string, source: string): Fresh {
  const pathWalk = spawnSync(git, ['pack-objects', '-h']).stdout.includes('--[no-]path-walk')
  const out = folder.join('fresh')
  mkdirSync(out)
  const how = ['--all', '--window=10', ...(pathWalk ? ['--path-walk'] : [])]
  const args = [
    '-C',
    source,
    'pack-objects',
    '-q',
    ...how,
    '--no-reuse-delta',
    '--no-use-bitmap-index',
    '--delta-base-offset',
    join(out, 'p'),
  ]
  execFileSync(git, args, { stdio: ['ignore', 'ignore', 'inherit'] })
  const sizeOf = (ending: string) => statSync(join(out, readdirSync(out).find((name) => name.endsWith(ending)) ?? '')).size
  const bytes = sizeOf('.pack')
  return { bytes, withIndex: bytes + sizeOf('.idx'), how: `git pack-objects ${how.join(' ')}` }
}

function row(what: string, { pushes, ingested, stored, tables, packs, keys, puts, written, cloneMs }: Figures): string[] {
  const bytes = [ingested, stored, tables, written].map((value) => short(value / mib))
  return [what, String(pushes), ...bytes, String(packs), String(keys), String(puts), short(cloneMs)]
}

const args = benchArguments([], ['pushes', 'every', 'seed', 'git', 'minutes'])
const repository = args.repositories[0]
if (!repository) throw new Error('--repo NAME=PATH is needed')
const wanted = Number(args.values('pushes')[0] ?? 10_000)
const every = Number(args.values('every')[0] ?? Math.max(50, Math.floor(wanted / 50)))
const seed = Number(args.values('seed')[0] ?? 1)
const deadline = performance.now() + Number(args.values('minutes')[0] ?? 50) * 60_000
const git = args.values('git')[0] ?? 'git'
const folder = new TempFolder('bench-year')
const seen: Figures[] = []
const server = await Server.start({ data: folder.join('data') })
try {
  const year = await Year.start(server, folder)
  const steps = plan(repository.path, wanted, new SeededRandom(seed))
  const made = steps.slice(0, ahead).map((step) => makePack(repository.path, step))
  for (const [i, step] of steps.entries()) {
    if (performance.now() > deadline) break
    await year.push(step, (await made.shift()) as Buffer)
    const next = steps[i + ahead]
    if (next) made.push(makePack(repository.path, next))
    if (year.pushes % every !== 0) continue
    seen.push(await year.figures())
    console.error(row('', seen.at(-1) as Figures).join('\t'))
  }
  await Promise.allSettled(made)
  await year.settle()
  const last = await year.figures(3)
  await year.passAnHour()
  await year.settle()
  const quiet = await year.figures(3)
  const source = folder.join('source.git')
  execFileSync('git', ['clone', '-q', '--mirror', server.repositoryUrl('year'), source])
  execFileSync('git', ['-C', source, 'fsck', '--full', '--strict'], { stdio: ['ignore', 'ignore', 'inherit'] })
  const fresh = freshPack(folder, git, source)
  execFileSync('git', ['-C', source, 'repack', '-adfq', '--window=10'])
  execFileSync(stemma, ['import', source, '--name', 'fresh', '--data', server.data], { stdio: 'ignore' })
  await year.settle()
  const times: [number[], number[]] = [[], []]
  for (let i = 0; i < 5; i++) for (const [n, name] of ['year', 'fresh'].entries()) times[n]?.push(year.clone(server.repositoryUrl(name)))
  await year.end()
  report(last, quiet, fresh, [median(times[0]), median(times[1])])
} finally {
  await server.kill()
  folder.remove()
}

function report(last: Figures, quiet: Figures, fresh: Fresh, clones: readonly [number, number]): void {
  const of = (value: number, limit: number) => [value.toFixed(3), limit.toString(), value <= limit ? 'yes' : '**no**']
  const targets = [
    ['packs, of a fresh pack: at the end of the pushes', ...of(last.packed / fresh.bytes, 1.1)],
    ['… after an hour of quiet', ...of(quiet.packed / fresh.bytes, 1.1)],
    ['packs with indexes, of a fresh pack with its idx: at the end', ...of(last.stored / fresh.withIndex, 1.1)],
    ['… after an hour of quiet', ...of(quiet.stored / fresh.withIndex, 1.1)],
    ['written to the bucket, of what was sent: at the end', ...of(last.written / last.ingested, 3)],
    ['… after an hour of quiet', ...of(quiet.written / quiet.ingested, 3)],
    ['keys written for 50 pushes, tables too: at the end', ...of((last.puts * 50) / last.pushes, 1)],
    ['… after an hour of quiet', ...of((quiet.puts * 50) / quiet.pushes, 1)],
    ['clone, of a freshly imported copy’s (wall time, medians of 5, in turns)', ...of(clones[0] / clones[1], 1.1)],
  ]
  const head = ['', 'pushes', 'sent MiB', 'stored MiB', 'tables MiB', 'written MiB', 'packs', 'keys', 'keys written', 'clone ms']
  const shown = seen.filter((_, i) => (i + 1) % Math.max(1, Math.floor(seen.length / 15)) === 0)
  const rows = [...shown.map((one) => row('', one)), row('settled', last), row('an hour later', quiet)]
  const date = new Date().toISOString().slice(0, 10)
  const out = args.out ?? join(import.meta.dirname, 'results', `${date}-year.md`)
  const svg = out.replace(/(\.md)?$/, '.svg')
  const line = (name: string, pick: (one: Figures) => number) => ({ name, points: seen.map((one) => [one.pushes, pick(one)] as const) })
  const chart = svgChart(`${repository?.name}: ${last.pushes} pushes`, 'pushes', [
    { title: 'MiB', lines: [line('sent', (one) => one.ingested / mib), line('stored', (one) => one.stored / mib)] },
    { title: 'packs and keys', lines: [line('packs', (one) => one.packs), line('keys', (one) => one.keys)] },
    { title: 'clone, ms', lines: [line('clone', (one) => one.cloneMs)] },
  ])
  const text = `# Year in a day: ${repository?.name}

${date}, \`bench/year.ts\`, seed ${seed}: ${last.pushes} pushes (${wanted} wanted) by ${writers} writers, one after the other. Fresh pack: \`${fresh.how}\`,
${fresh.bytes.toLocaleString('en')} bytes. Stored bytes are whole values: packs with their indexes.

${conditions()}

${markdownTable(['', 'measured', 'at most', 'met'], targets)}

${markdownTable(head, rows)}
`
  mkdirSync(dirname(out), { recursive: true })
  writeFileSync(out, text)
  writeFileSync(svg, chart)
  console.log(text)
}
