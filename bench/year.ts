// Year in a day: a real repository's commits, replayed in many small pushes by several writers, with compaction going on; what is stored, written and
// asked of the bucket meanwhile, and what a clone takes, beside a fresh repack and a fresh import.
//   bin/node bench/year.ts --repo S=/path/to/S.git --pushes 10000 [--every 100] [--seed 1] [--git /path/to/git] [--out FILE.md]
// Packs are made by `git pack-objects --thin`, as git push does, and posted as replay.ts says. Keys that were replaced stay in the bucket for an hour: looking
// into it now and then sees every one.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { TempFolder } from '../tests/support/git.ts'
import { SeededRandom } from '../tests/support/random.ts'
import { Server } from '../tests/support/server.ts'
import { benchArguments } from './arguments.ts'
import { planReplay, replay } from './replay.ts'
import { svgChart } from './svg-chart.ts'
import { conditions, markdownTable, short } from './table.ts'
import { type Clone, type Figures, medianClone, Year } from './year-server.ts'

const stemma = fileURLToPath(new URL('../bin/stemma', import.meta.url))
const writers = 4
/** Packs that are made ahead, while the server is busy with others. */
const ahead = 12
const mib = 2 ** 20

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

function row(what: string, { pushes, ingested, stored, tables, packs, keys, puts, written, clone, cpuMs }: Figures): string[] {
  const bytes = [ingested, stored, tables, written].map((value) => short(value / mib))
  return [
    what,
    String(pushes),
    ...bytes,
    String(packs),
    String(keys),
    String(puts),
    short(clone.wallMs),
    short(clone.cpuMs),
    short(cpuMs / 1000),
  ]
}

/** What was pushed to, of what was imported: medians of seven in turns. */
function compareClones(year: Year): { readonly wall: number; readonly cpu: number } {
  const [pushed, imported]: [Clone[], Clone[]] = [[], []]
  for (let i = 0; i < 7; i++) {
    pushed.push(year.clone('year'))
    imported.push(year.clone('fresh'))
  }
  const [ours, fresh] = [medianClone(pushed), medianClone(imported)]
  return { wall: ours.wallMs / fresh.wallMs, cpu: ours.cpuMs / fresh.cpuMs }
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
  const pushes = planReplay(repository.path, wanted, writers, new SeededRandom(seed))
  await replay(
    repository.path,
    pushes,
    ahead,
    async (one, pack) => await year.push(one, pack),
    async (count) => {
      if (count % every === 0) {
        seen.push(await year.figures())
        console.error(row('', seen.at(-1) as Figures).join('\t'))
      }
      return performance.now() < deadline
    },
  )
  await year.settle()
  const last = await year.figures(3)
  const source = folder.join('source.git')
  execFileSync('git', ['clone', '-q', '--mirror', server.repositoryUrl('year'), source])
  execFileSync('git', ['-C', source, 'fsck', '--full', '--strict'], { stdio: 'ignore' })
  const fresh = freshPack(folder, git, source)
  execFileSync('git', ['-C', source, 'repack', '-adfq', '--window=10'])
  execFileSync(stemma, ['import', source, '--name', 'fresh', '--data', server.data], { stdio: 'ignore' })
  await year.settle()
  year.lookAway()
  const clones = compareClones(year)
  await year.passAnHour()
  await year.settle()
  const quiet = await year.figures(3)
  const quietClones = compareClones(year)
  await year.end()
  report(last, quiet, fresh, clones, quietClones)
} finally {
  await server.kill()
  folder.remove()
}

type Ratios = ReturnType<typeof compareClones>

function report(last: Figures, quiet: Figures, fresh: Fresh, clones: Ratios, quietClones: Ratios): void {
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
    ['clone, of a freshly imported copy’s: wall time (medians of 7, in turns), at the end', ...of(clones.wall, 1.1)],
    ['… after an hour of quiet', ...of(quietClones.wall, 1.1)],
    ['… the server’s processor time, at the end', clones.cpu.toFixed(3), '', ''],
    ['… after an hour of quiet', quietClones.cpu.toFixed(3), '', ''],
  ]
  const head = [
    '',
    'pushes',
    'sent MiB',
    'stored MiB',
    'tables MiB',
    'written MiB',
    'packs',
    'keys',
    'keys written',
    'clone ms',
    'server CPU s',
  ]
  const shown = seen.filter((_, i) => (i + 1) % Math.max(1, Math.floor(seen.length / 15)) === 0)
  const rows = [...shown.map((one) => row('', one)), row('settled', last), row('an hour later', quiet)]
  const date = new Date().toISOString().slice(0, 10)
  const out = args.out ?? join(import.meta.dirname, 'results', `${date}-year.md`)
  const svg = out.replace(/(\.md)?$/, '.svg')
  const line = (name: string, pick: (one: Figures) => number) => ({ name, points: seen.map((one) => [one.pushes, pick(one)] as const) })
  const chart = svgChart(`${repository?.name}: ${last.pushes} pushes`, 'pushes', [
    {
      title: 'MiB',
      lines: [
        line('sent', (one) => one.ingested / mib),
        line('stored', (one) => one.stored / mib),
        line('written', (one) => one.written / mib),
      ],
    },
    { title: 'packs and keys', lines: [line('packs', (one) => one.packs), line('keys', (one) => one.keys)] },
    { title: 'clone, ms', lines: [line('wall', (one) => one.clone.wallMs), line('server’s CPU', (one) => one.clone.cpuMs)] },
  ])
  const text = `# Year in a day: ${repository?.name}

${date}, \`bench/year.ts\`, seed ${seed}: ${last.pushes} pushes (${wanted} wanted) by ${writers} writers at once. Fresh pack: \`${fresh.how}\`,
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
