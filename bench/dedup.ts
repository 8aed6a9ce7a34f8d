// Versions of large files, put one after the other: Stemma's content store beside restic and borg on the same data.
//   bin/node bench/dedup.ts [--source REPOSITORY] [--tags 60] [--versions 10] [--mib 64] [--only NAME] [--out FILE]
// --source: a repository whose release tags become tars. restic and borg come from Debian; without them the store is measured alone.
import { spawnSync } from 'node:child_process'
import { createReadStream, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { contentHost } from '../tests/support/content.ts'
import { TempFolder } from '../tests/support/git.ts'
import { sql } from '../src/db/index.ts'
import { benchArguments } from './arguments.ts'
import { type DataSet, databaseFile, diskImage, modelWeights, sourceTars } from './dedup-data.ts'
import { conditions, markdownTable, short } from './table.ts'

const args = benchArguments([], ['tags', 'versions', 'mib', 'only', 'source', 'peer'])
const number = (name: string, otherwise: number): number => Number(args.values(name)[0] ?? otherwise)
const folder = new TempFolder('bench-dedup')

interface Outcome {
  readonly name: string
  readonly storedBytes: number
  readonly cpuS: number
  readonly wallS: number
  /** Stored after the first version: what dedup within one version and compression give. */
  readonly firstBytes: number
  readonly remark: string
}

function sizeOf(path: string): number {
  const found = statSync(path)
  return found.isDirectory() ? readdirSync(path).reduce((sum, name) => sum + sizeOf(join(path, name)), 0) : found.size
}

/** User and system time of the children of a process and of theirs, in seconds. */
function cpuBelow(pid: number): number {
  let ticks = 0
  const parents = new Map<number, number>()
  const times = new Map<number, number>()
  for (const name of readdirSync('/proc').filter((one) => /^\d+$/.test(one))) {
    try {
      const fields = readFileSync(`/proc/${name}/stat`, 'utf8')
        .replace(/^.*\) /s, '')
        .split(' ')
      parents.set(Number(name), Number(fields[1]))
      times.set(Number(name), Number(fields[11]) + Number(fields[12]) + Number(fields[13]) + Number(fields[14]))
    } catch {
      // it has ended
    }
  }
  const isBelow = (one: number): boolean => one === pid || (one > 1 && isBelow(parents.get(one) ?? 0))
  for (const [one, time] of times) if (isBelow(one)) ticks += time
  return ticks / 100
}

async function stemma(data: DataSet): Promise<Outcome> {
  const host = await contentHost()
  const queries = host.db.database.queries
  const tables = ['segment', 'content', 'chunk', 'content_segment', 'content_review', 'content_reference']
  const rowBytes = async (): Promise<number> => {
    const { rows } = await sql<{ n: number }>`
      select sum(pg_total_relation_size(t::regclass))::bigint n from unnest(${tables}::text[]) t`.execute(queries)
    return Number(rows[0]?.n)
  }
  const { rows } = await sql<{ pid: number }>`select pg_backend_pid() pid`.execute(queries)
  const postmaster = Number(
    readFileSync(`/proc/${rows[0]?.pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ')[1],
  )
  const stored = async (): Promise<number> => sizeOf(join(host.folder, 'bucket')) + (await rowBytes())
  let firstBytes = 0
  let cpuS = 0
  let wallS = 0
  let databaseS = 0
  const emptyRows = await rowBytes()
  for (const [at, path] of data.files.entries()) {
    await data.make(at)
    const database = cpuBelow(postmaster)
    const before = { cpu: process.cpuUsage(), wall: performance.now() }
    await host.store.put(createReadStream(path, { highWaterMark: 1 << 20 }), {
      limitBytes: 2 ** 40,
      reference: { kind: 'bench', id: String(at) },
    })
    wallS += (performance.now() - before.wall) / 1000
    const { user, system } = process.cpuUsage(before.cpu)
    databaseS += cpuBelow(postmaster) - database
    cpuS += (user + system) / 1e6
    data.drop(at)
    if (at === 0) firstBytes = (await stored()) - emptyRows
  }
  const storedBytes = (await stored()) - emptyRows
  const { rows: counts } = await sql<{ segments: number; chunks: number; recipes: number; rows: number }>`
    select (select count(*)::int from segment) segments, (select count(*)::int from chunk) chunks,
      (select sum(octet_length(recipe))::int from content) recipes`.execute(queries)
  const { segments, chunks, recipes } = counts[0] ?? { segments: 0, chunks: 0, recipes: 0 }
  const remark = `${segments} segments, ${host.bucket.requests.puts} PUTs, ${chunks} chunks, rows ${short(((await rowBytes()) - emptyRows) / 1e6)} MB, recipes ${short(recipes / 1e3)} kB; PostgreSQL ${short(databaseS)} s of the CPU`
  await host.close()
  return { name: 'stemma', storedBytes, cpuS: cpuS + databaseS, wallS, firstBytes, remark }
}

/** A program that is run once for each version; its repository is a folder. */
async function program(
  name: string,
  data: DataSet,
  begin: (to: string) => string[],
  put: (to: string, at: number, path: string) => string[],
): Promise<Outcome> {
  const to = join(folder.path, `peer-${name.replaceAll(/[^a-z0-9]/g, '-')}`)
  const home = join(folder.path, 'peer-home')
  mkdirSync(home, { recursive: true })
  const env = {
    ...process.env,
    RESTIC_PASSWORD: 'bench',
    RESTIC_CACHE_DIR: join(home, 'restic'),
    BORG_BASE_DIR: home,
    BORG_RELOCATED_REPO_ACCESS_IS_OK: 'yes',
  }
  const run = (command: readonly string[]): { cpuS: number; wallS: number } => {
    const script = `TIMEFORMAT='times %U %S %R'; time "$@"`
    const { status, stderr } = spawnSync('bash', ['-c', script, 'bash', ...command], { env, encoding: 'utf8' })
    const times = /times ([\d.]+) ([\d.]+) ([\d.]+)/.exec(stderr)
    if (status !== 0 || times === null) throw new Error(`${command.join(' ')}: ${stderr}`)
    return { cpuS: Number(times[1]) + Number(times[2]), wallS: Number(times[3]) }
  }
  run(begin(to))
  let [cpuS, wallS, firstBytes] = [0, 0, 0]
  for (const [at, path] of data.files.entries()) {
    await data.make(at)
    const took = run(put(to, at, path))
    cpuS += took.cpuS
    wallS += took.wallS
    data.drop(at)
    if (at === 0) firstBytes = sizeOf(to)
  }
  const storedBytes = sizeOf(to)
  rmSync(to, { recursive: true, force: true })
  return { name, storedBytes, cpuS, wallS, firstBytes, remark: '' }
}

const isThere = (name: string): boolean => spawnSync(name, ['--version']).status === 0 || spawnSync(name, ['version']).status === 0

function peers(data: DataSet): (() => Promise<Outcome>)[] {
  const restic = ['auto', 'max'].map(
    (compression) => () =>
      program(
        `restic ${compression}`,
        data,
        (to) => ['restic', '-q', '-r', to, 'init', '--repository-version', '2'],
        (to, _, path) => ['restic', '-q', '-r', to, '--compression', compression, 'backup', path],
      ),
  )
  const borg = ['lz4', 'zstd,3'].map(
    (compression) => () =>
      program(
        `borg ${compression}`,
        data,
        (to) => ['borg', 'init', '-e', 'none', to],
        (to, at, path) => ['borg', 'create', '-C', compression, `${to}::${at}`, path],
      ),
  )
  const wanted = args.values('peer')
  const all = [...(isThere('restic') ? restic : []), ...(isThere('borg') ? borg : [])]
  return wanted.length === 0 ? all : all.filter((_, at) => wanted.includes(['auto', 'max', 'lz4', 'zstd'][at] ?? ''))
}

async function main(): Promise<void> {
  const mib = number('mib', 64)
  const versions = number('versions', 10)
  const repository = args.values('source')[0]
  const sets = [
    databaseFile(join(folder.path, 'database'), mib << 20, versions),
    diskImage(join(folder.path, 'image'), mib << 20, versions),
    modelWeights(join(folder.path, 'weights'), mib << 20, versions),
    ...(repository === undefined ? [] : [sourceTars(join(folder.path, 'tars'), repository, number('tags', 60))]),
  ].filter((data) => args.values('only').length === 0 || args.values('only').includes(data.name))
  const sections: string[] = []
  for (const data of sets) {
    const outcomes: Outcome[] = []
    for (const act of [() => stemma(data), ...peers(data)]) {
      const outcome = await act()
      outcomes.push(outcome)
      console.log(
        `${data.name}: ${outcome.name} ${outcome.storedBytes} bytes, ${short(outcome.cpuS)} s CPU, ${short(outcome.wallS)} s; first ${outcome.firstBytes}; ${outcome.remark}`,
      )
    }
    const logical = data.sizeBytes()
    const rows = outcomes.map((one) => [
      one.name,
      short(one.storedBytes / 1e6),
      short(logical / one.storedBytes),
      short(one.firstBytes / 1e6),
      short(logical / 1e6 / one.cpuS),
      short(logical / 1e6 / one.wallS),
      one.remark,
    ])
    sections.push(
      `## ${data.title}\n\n${data.files.length} versions, ${short(logical / 1e6)} MB in all.\n\n${markdownTable(['', 'stored MB', 'ratio', 'after the first', 'MB per CPU second', 'MB/s', ''], rows)}`,
    )
  }
  const text = `# Versions of large files: the content store, restic and borg\n\n\`bench/dedup.ts\`. Stored: the bucket's bytes and, for Stemma, the growth of its tables with their indexes. CPU: user and system, for Stemma with PostgreSQL's.\n\n${conditions()}\n- ${peerVersions()}\n\n${sections.join('\n\n')}\n`
  if (args.out !== null) {
    mkdirSync(dirname(args.out), { recursive: true })
    writeFileSync(args.out, text)
  } else console.log(text)
}

function peerVersions(): string {
  const first = (command: string, arg: string): string =>
    spawnSync(command, [arg], { encoding: 'utf8' }).stdout?.split('\n')[0] ?? `no ${command}`
  return `${first('restic', 'version')}; ${first('borg', '--version')} without encryption (restic always encrypts)`
}

await main()
process.exit(0)
