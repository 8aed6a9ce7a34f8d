// The full repack beside git's: size of the pack, processor time, memory. Each in processes of their own.
//   bin/node bench/repack.ts --repo S=/path/to/S.git … [--runs 1] [--threads 1]… [--git /path/to/git] [--out FILE]
// The peer is `git pack-objects --path-walk --window=10` where that git has it, else without --path-walk; deltas are searched anew on both sides.
// Ours is `stemma repack --no-reuse`, the whole command, beside a server that runs: PostgreSQL's time is not in it. Each run is of a fresh import.
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { TempFolder } from '../tests/support/git.ts'
import { descendants, memory } from '../tests/support/process.ts'
import { Server } from '../tests/support/server.ts'
import { benchArguments, type NamedRepository } from './arguments.ts'
import { conditions, markdownTable, median, short } from './table.ts'

interface Run {
  readonly packBytes: number
  readonly cpuMs: number
  readonly peakMiB: number
}

/** Its name on our side: names that end in .git are refused. */
const imported = 'imported'
const stemma = fileURLToPath(new URL('../bin/stemma', import.meta.url))

async function ours(folder: TempFolder, { path }: NamedRepository, threads: number): Promise<Run> {
  const data = mkdtempSync(folder.join('data-'))
  const server = await Server.start({ data })
  try {
    execFileSync(stemma, ['import', path, '--name', imported, '--data', data], { stdio: 'ignore' })
    while (!server.bucketFiles().some((file) => file.path.includes('history/'))) await sleep(500)
    const script = '"$@" 2>/dev/null; status=$?; times; exit $status'
    const args = [stemma, 'repack', `admin/${imported}`, '--no-reuse', '--json', '--threads', String(threads), '--data', data]
    const child = spawn('bash', ['-c', script, 'bench', ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
    let said = ''
    child.stdout.on('data', (bytes: Buffer) => (said += bytes.toString()))
    let peakBytes = 0
    const watching = setInterval(() => {
      for (const { pid } of descendants(child.pid ?? 0)) {
        try {
          peakBytes = Math.max(peakBytes, memory(pid).peakBytes)
        } catch (error) {
          if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error // it ended meanwhile
        }
      }
    }, 100)
    const [code] = await once(child, 'close')
    clearInterval(watching)
    if (code !== 0) throw new Error(`stemma repack ended with ${code}`)
    const { packBytes } = JSON.parse(said.split('\n', 1)[0] ?? '')
    return { packBytes, cpuMs: childrenMs(said.trim()), peakMiB: peakBytes / 2 ** 20 }
  } finally {
    await server.kill() // nothing of it is used again
    rmSync(data, { recursive: true, force: true })
  }
}

/** The last line that bash's `times` prints: its children's. */
function childrenMs(text: string): number {
  const last = text.split('\n').at(-1) ?? ''
  return [...last.matchAll(/(\d+)m([\d.]+)s/g)].reduce((sum, [, m, s]) => sum + Number(m) * 60_000 + Number(s) * 1000, 0)
}

function gits(folder: TempFolder, git: string, { path }: NamedRepository, threads: number, pathWalk: boolean): Run {
  const out = mkdtempSync(folder.join('git-'))
  try {
    const args = ['-C', path, '-c', `pack.threads=${threads}`, 'pack-objects', '--all', '-q', '--window=10', '--no-reuse-delta']
    const more = ['--no-use-bitmap-index', '--delta-base-offset', ...(pathWalk ? ['--path-walk'] : []), join(out, 'pack')]
    const script = '"$@" </dev/null >/dev/null; status=$?; times; exit $status'
    const { stdout, stderr, status } = spawnSync('bash', ['-c', script, 'bench', git, ...args, ...more])
    if (status !== 0) throw new Error(stderr.toString())
    const cpuMs = childrenMs(stdout.toString().trim())
    const pack = readdirSync(out).find((name) => name.endsWith('.pack')) ?? ''
    return { packBytes: statSync(join(out, pack)).size, cpuMs, peakMiB: Number.NaN }
  } finally {
    rmSync(out, { recursive: true, force: true })
  }
}

function row(what: string, runs: readonly Run[], peer: readonly Run[]): string[] {
  const of = (some: readonly Run[], pick: (run: Run) => number) => median(some.map(pick))
  const [bytes, cpuMs] = [of(runs, (run) => run.packBytes), of(runs, (run) => run.cpuMs)]
  const sizeRatio = (bytes / of(peer, (run) => run.packBytes)).toFixed(3)
  const cpuRatio = (cpuMs / of(peer, (run) => run.cpuMs)).toFixed(2)
  return [what, bytes.toLocaleString('en'), sizeRatio, short(cpuMs / 1000), cpuRatio, short(of(runs, (run) => run.peakMiB))]
}

const args = benchArguments([], ['git', 'threads'])
const git = args.values('git')[0] ?? 'git'
const pathWalk = spawnSync(git, ['pack-objects', '-h']).stdout.includes('--[no-]path-walk')
const threads = args.values('threads').length > 0 ? args.values('threads').map(Number) : [1, 2]
const folder = new TempFolder('bench-repack')
const rows: string[][] = []
try {
  for (const repository of args.repositories) {
    for (const some of threads) {
      const runs: [Run[], Run[]] = [[], []]
      for (let i = 0; i < args.runs; i++) {
        runs[0].push(gits(folder, git, repository, some, pathWalk))
        runs[1].push(await ours(folder, repository, some))
      }
      const mark = `${repository.name}, ${some} ${some === 1 ? 'thread' : 'threads'}`
      rows.push(row(`${mark}: git`, runs[0], runs[0]), row(`${mark}: Stemma`, runs[1], runs[0]))
      for (const cells of rows.slice(-2)) console.error(cells.join('\t'))
    }
  }
} finally {
  folder.remove()
}
const table = markdownTable(['', 'pack bytes', 'of git’s', 'CPU s', 'of git’s', 'peak MiB'], rows)
const version = execFileSync(git, ['--version'], { encoding: 'utf8' }).trim()
const peer = `${version}, pack-objects --window=10${pathWalk ? ' --path-walk' : ''}`
const date = new Date().toISOString().slice(0, 10)
const report = `# Full repack\n\n${date}, \`bench/repack.ts\`, medians of ${args.runs}; the peer is ${peer}\n\n${conditions()}\n\n${table}\n`
if (args.out) writeFileSync(args.out, report)
console.log(report)
