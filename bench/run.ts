// Stemma side by side with `git http-backend` behind Apache: same machine, same repositories, alternating runs.
//   bin/node bench/run.ts --repo S=/path/to/S.git [--repo M=…] [--runs 5] [--out FILE] [--skip-push]
// The repositories are bare mirrors, best repacked with bitmaps and commit-graph (`git repack -adb && git commit-graph write --reachable`):
// the peer serves such a copy. Needs Debian's apache2 and curl, and root (Apache's user owns the peer's repositories).
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { contentOf, Git, TempFolder } from '../tests/support/git.ts'
import { flush, delimiter, pkt } from '../tests/support/wire.ts'
import { benchArguments, type NamedRepository } from './arguments.ts'
import { type Contender, measure, rawFetch, type Sample, startPeer, startStemma } from './contenders.ts'
import { conditions, markdownTable, mean, median, short } from './table.ts'

/** What the issue asks for, as ratios to the peer. */
const targets: Readonly<Record<string, { readonly wall?: number; readonly cpu?: number }>> = {
  'full clone': { wall: 1.05, cpu: 0.5 },
  'push of everything': { wall: 0.7 },
  'one-commit push': { wall: 1 },
  'ls-remote': { wall: 1.2 },
}

interface Action {
  readonly name: string
  readonly runs: number
  /** Measured part; what has to be ready before is done in `prepare`. */
  readonly act: (contender: Contender, run: number) => Promise<number | undefined>
  readonly prepare?: (contender: Contender, run: number) => Promise<void>
  readonly finish?: (contender: Contender, run: number) => Promise<void>
}

const args = benchArguments(['skip-push'])
if (args.repositories.length === 0) throw new Error('name at least one repository: --repo NAME=/path/to/bare.git')
const folder = new TempFolder('bench')
const git = new Git(folder)
const rows: string[][] = []
const contenders: Contender[] = []

async function main(): Promise<void> {
  try {
    contenders.push(await startStemma(folder, git), await startPeer(folder))
    for (const repository of args.repositories) await benchRepository(repository)
  } finally {
    for (const contender of contenders) await contender.stop()
    folder.remove()
  }
  const head = [
    'repository, action',
    'runs',
    'stemma ms',
    'http-backend ms',
    'ratio',
    'stemma CPU ms',
    '+ PostgreSQL',
    'http-backend CPU ms',
    'CPU ratio',
    'target',
    'met',
  ]
  const table = markdownTable(head, rows)
  const notes = [
    `# Git over HTTP: Stemma and git http-backend\n\n${new Date().toISOString().slice(0, 10)}, \`bench/run.ts\`\n\n${conditions()}`,
    '- wall: median (lowest–highest) of alternating runs; CPU: mean per run of the server process with all its threads, its PostgreSQL apart;',
    '  the peer: Apache and every git process that it starts (cpuacct group), serving a copy with bitmaps and commit-graph\n',
    `${table}\n`,
  ]
  console.log(`\n${table}`)
  const out = args.out ?? join(import.meta.dirname, 'results', `${new Date().toISOString().slice(0, 10)}-git-http.md`)
  mkdirSync(dirname(out), { recursive: true })
  writeFileSync(out, notes.join('\n'))
}

async function benchRepository({ name, path }: NamedRepository): Promise<void> {
  const urls = new Map<Contender, string>()
  for (const contender of contenders) urls.set(contender, await contender.fill(`full-${name}`, path))
  const url = (contender: Contender): string => urls.get(contender) ?? ''
  const objects = (await git.read(['count-objects', '-v'], { cwd: path })).split('\n')
  console.log(`${name}: ${objects.filter((line) => /in-pack|size-pack/.test(line)).join(', ')}`)

  const clone = (contender: Contender, run: number): string => folder.join(`clone-${name}-${contender.name}-${run}`)
  const request = await writeFetchRequest(name, path)
  const large = Number(/size-pack: (\d+)/.exec(objects.join('\n'))?.[1] ?? 0) > 50_000
  const actions: Action[] = [
    {
      name: 'ls-remote',
      runs: args.runs * 4,
      act: async (contender) => void (await git.run([...contender.config, 'ls-remote', url(contender)])),
    },
    { name: 'fetch request by curl', runs: args.runs, act: (contender) => rawFetch(contender, url(contender), request) },
    {
      name: 'full clone',
      runs: args.runs,
      act: async (contender, run) =>
        void (await git.run([...contender.config, 'clone', '-q', '--mirror', url(contender), clone(contender, run)], {
          timeoutMs: 600_000,
        })),
      finish: async (contender, run) => {
        if (run === 0) await assertSame(path, clone(contender, run), `${name} cloned from ${contender.name}`)
        await git.run(['-C', clone(contender, run), 'rev-parse'])
        removeFolder(clone(contender, run))
      },
    },
  ]
  if (!args.has('skip-push')) actions.push(pushAll(name, path))
  actions.push(await oneCommit(name, path, url, large))
  for (const action of actions) await runAction(name, action)
  for (const contender of contenders) await contender.remove(`full-${name}`)
}

function pushAll(name: string, path: string): Action {
  const targetUrls = new Map<string, string>()
  const key = (contender: Contender, run: number): string => `push-${name}-${run}`.concat(contender.name === 'stemma' ? '' : '-peer')
  return {
    name: 'push of everything',
    runs: args.runs,
    prepare: async (contender, run) => void targetUrls.set(key(contender, run), await contender.create(key(contender, run))),
    act: async (contender, run) => {
      const target = targetUrls.get(key(contender, run)) ?? ''
      await git.run([...contender.config, 'push', '-q', '--mirror', target], { cwd: path, timeoutMs: 600_000 })
      return undefined
    },
    finish: async (contender, run) => await contender.remove(key(contender, run)),
  }
}

/** Each run pushes a new commit (a changed root file on top of the last) to `refs/heads/one-commit`. */
async function oneCommit(name: string, path: string, url: (contender: Contender) => string, large: boolean): Promise<Action> {
  const work = folder.join(`one-commit-${name}.git`)
  await git.run(['clone', '-q', '--bare', '--shared', path, work])
  const tips = new Map<string, string>()
  const start = await git.read(['rev-parse', 'HEAD'], { cwd: work })
  return {
    name: 'one-commit push',
    runs: Math.max(20, large ? 20 : args.runs * 4),
    prepare: async (contender, run) => {
      const parent = tips.get(contender.name) ?? start
      const blob = await git.read(['hash-object', '-w', '--stdin'], { cwd: work, input: `run ${run} on ${contender.name}\n` })
      const index = { GIT_INDEX_FILE: folder.join(`index-${name}`) }
      await git.run(['read-tree', parent], { cwd: work, env: index })
      await git.run(['update-index', '--add', '--cacheinfo', `100644,${blob},one-commit.txt`], { cwd: work, env: index })
      const tree = await git.read(['write-tree'], { cwd: work, env: index })
      const tip = await git.read(['commit-tree', '-p', parent, '-m', `run ${run}`, tree], { cwd: work })
      await git.run(['update-ref', `refs/heads/one-${contender.name}`, tip], { cwd: work })
      tips.set(contender.name, tip)
    },
    act: async (contender) =>
      void (await git.run([...contender.config, 'push', '-q', url(contender), `refs/heads/one-${contender.name}:refs/heads/one-commit`], {
        cwd: work,
      })),
  }
}

async function runAction(repository: string, action: Action): Promise<void> {
  const samples = new Map<Contender, Sample[]>(contenders.map((contender) => [contender, []]))
  for (let run = -1; run < action.runs; run++) {
    const order = run % 2 === 0 ? contenders : contenders.toReversed()
    for (const contender of order) {
      await action.prepare?.(contender, run)
      const sample = await measure(contender, () => action.act(contender, run))
      await action.finish?.(contender, run)
      if (run >= 0) samples.get(contender)?.push(sample) // the first is for the caches
    }
  }
  const [ours = [], theirs = []] = contenders.map((contender) => samples.get(contender))
  rows.push(row(`${repository}, ${action.name}`, action, ours, theirs))
  console.log(rows.at(-1)?.join('  '))
}

function row(label: string, action: Action, ours: readonly Sample[], theirs: readonly Sample[]): string[] {
  const walls = (samples: readonly Sample[]): number[] => samples.map((sample) => sample.wallMs)
  const cpu = (samples: readonly Sample[]): number => mean(samples.map((sample) => sample.cpu.serverMs))
  const spread = (values: readonly number[]): string =>
    `${short(median(values))} (${short(Math.min(...values))}–${short(Math.max(...values))})`
  const wallRatio = median(walls(ours)) / median(walls(theirs))
  const cpuRatio = cpu(ours) / cpu(theirs)
  const target = targets[action.name] ?? {}
  const wanted = [target.wall === undefined ? '' : `≤ ${target.wall}×`, target.cpu === undefined ? '' : `CPU ≤ ${target.cpu}×`].filter(
    (word) => word !== '',
  )
  const met = (target.wall === undefined || wallRatio <= target.wall) && (target.cpu === undefined || cpuRatio <= target.cpu)
  const sizes = ours.map((sample, n) => [sample.bytes, theirs[n]?.bytes ?? Number.NaN])
  const [mine = Number.NaN, peers = Number.NaN] = sizes[0] ?? []
  const size = Number.isFinite(mine) ? `, ${short(mine / 1e6)} MB / ${short(peers / 1e6)} MB` : ''
  return [
    `${label}${size}`,
    String(action.runs),
    spread(walls(ours)),
    spread(walls(theirs)),
    `${wallRatio.toFixed(2)}×`,
    short(cpu(ours)),
    short(mean(ours.map((sample) => sample.cpu.databaseMs))),
    short(cpu(theirs)),
    `${cpuRatio.toFixed(2)}×`,
    wanted.join(', '),
    wanted.length === 0 ? '' : met ? 'yes' : '**no**',
  ]
}

async function writeFetchRequest(name: string, path: string): Promise<string> {
  const ids = new Set((await git.read(['for-each-ref', '--format=%(objectname)'], { cwd: path })).split('\n'))
  const wants = [...ids].map((id) => pkt(`want ${id}\n`))
  const file = folder.join(`fetch-${name}.pkt`)
  const options = ['thin-pack', 'no-progress', 'ofs-delta'].map((word) => pkt(`${word}\n`))
  writeFileSync(
    file,
    Buffer.concat([pkt('command=fetch'), pkt('object-format=sha1'), delimiter, ...options, ...wants, pkt('done\n'), flush]),
  )
  return file
}

async function assertSame(repository: string, copy: string, what: string): Promise<void> {
  const [wanted, found] = [await contentOf(git, repository), await contentOf(git, copy)]
  if (wanted.objects !== found.objects || wanted.refs !== found.refs) throw new Error(`${what} differs from its source`)
}

function removeFolder(path: string): void {
  rmSync(path, { recursive: true, force: true })
}

await main()
