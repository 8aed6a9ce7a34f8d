// Last commits of folders, histories of paths and blame out of a path table, beside git on the same pack in the same run, and whether both say the same;
// what making the table costs, and what a push adds to that. In this process, without server or database: what a worker does (bench/api.ts has the whole way).
//   bin/node bench/paths.ts --repo L=/path/to/L.git [--repo …] [--samples 40] [--out FILE]
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { runProcess, TempFolder } from '../tests/support/git.ts'
import { gitPackSet, loadGitPack } from '../tests/support/git-pack.ts'
import { SeededRandom } from '../tests/support/random.ts'
import { fromHex, hex, latin1 } from '../src/base/index.ts'
import { decodePathTable, Kind } from '../src/git/format/index.ts'
import { decodeTree } from '../src/git/format/tree.ts'
import { ObjectCache, ObjectReader, type PackSet } from '../src/git/odb/index.ts'
import { cover } from '../src/git/paths/cover.ts'
import { blame, lastCommits, pathHistory } from '../src/git/paths/index.ts'
import { PathIndex } from '../src/git/paths/path-index.ts'
import { encodeFrom } from '../src/git/paths/table-job.ts'
import { openFetchRepository, paced, type PacedRepository } from '../src/git/upload-pack/index.ts'
import { benchArguments } from './arguments.ts'
import { conditions, markdownTable, median, short } from './table.ts'

const args = benchArguments([], ['samples'])
const samples = Number(args.values('samples')[0] ?? 40)
/** Entries of a folder that git is asked about, each by a process; the time for all of them is worked out. */
const askedEntries = 6
const pushes = 40
const all = { commits: Number.POSITIVE_INFINITY, changes: Number.POSITIVE_INFINITY }
const folder = new TempFolder('bench-paths')
const random = new SeededRandom(1)
const made: string[][] = []
const answered: string[][] = []
let wrong = 0

try {
  for (const { name, path } of args.repositories) await measure(name, path)
} finally {
  folder.remove()
}
report()
process.exitCode = wrong === 0 ? 0 : 1

function report(): void {
  const tables = [
    markdownTable(
      ['repository', 'commits', 'changes', 'made, ms of CPU', 'a push more, ms', 'bytes', 'for each object', 'opened, ms'],
      made,
    ),
    markdownTable(
      ['repository, question', 'asked', 'as git', 'Stemma ms, median', '99 of 100', 'git ms, median', 'git : Stemma'],
      answered,
    ),
  ]
  const date = new Date().toISOString().slice(0, 10)
  const out = args.out ?? join(import.meta.dirname, 'results', `${date}-paths.md`)
  const notes = `Opened, a table is warm; git has its commit-graph and pack in the page cache. A folder's last commits are one question here, and \`git log -1\` for each entry there.`
  mkdirSync(dirname(out), { recursive: true })
  writeFileSync(
    out,
    `# Paths: last commits, histories, blame\n\n${date}, \`bench/paths.ts\`\n\n${conditions()}\n\n${tables.join('\n\n')}\n\n${notes}\n`,
  )
  console.log(tables.join('\n\n'))
}

/** The repository's one pack, linked to a folder of ours: what is worked out of it is kept beside it. */
async function openPack(name: string, path: string): Promise<PackSet> {
  const packs = join(path, 'objects/pack')
  const [pack, ...others] = readdirSync(packs).filter((file) => file.endsWith('.pack'))
  if (pack === undefined || others.length > 0) throw new Error(`${path} is to have one pack`)
  for (const end of ['pack', 'idx']) symlinkSync(join(packs, pack.replace(/pack$/, end)), folder.join(`${name}.${end}`))
  return gitPackSet([await loadGitPack(folder.join(name), 'sha1', 'commits')], 'sha1')
}

function cpuMs(): () => number {
  const start = process.cpuUsage()
  return () => {
    const { user, system } = process.cpuUsage(start)
    return (user + system) / 1000
  }
}

async function measure(name: string, path: string): Promise<void> {
  const set = await openPack(name, path)
  const git = async (...words: string[]) => {
    const { stdout, ms } = await runProcess('git', ['-c', 'core.quotePath=false', ...words], {
      cwd: path,
      env: { PATH: process.env.PATH ?? '' },
    })
    return { lines: stdout.split('\n').filter((line) => line !== ''), ms }
  }
  const reader = new ObjectReader(set, new ObjectCache(24 << 20))
  const head = (await git('rev-parse', 'HEAD')).lines[0] as string
  const table = await make(
    name,
    set,
    reader,
    (await git('rev-list', '--first-parent', `--max-count=${pushes + 1}`, head)).lines.toReversed(),
  )
  const repository = paced(openFetchRepository(set, reader, null, [], undefined, table))
  await askLastCommits(name, repository, head, git)
  await askHistories(name, repository, head, git)
  await askBlames(name, repository, head, git)
}

/** @param last the youngest commits of the main line, oldest first */
async function make(name: string, set: PackSet, reader: ObjectReader, last: readonly string[]): Promise<PathIndex> {
  const repository = paced(openFetchRepository(set, reader))
  const young = last.map((id) => set.find(fromHex(id), 0))
  const older = cpuMs()
  await cover(repository, young.slice(0, 1), all)
  let ms = older()
  const added: number[] = []
  for (const commit of young.slice(1)) {
    const one = cpuMs()
    await cover(repository, [commit], all)
    added.push(one())
  }
  const rest = cpuMs()
  const commits = Array.from({ length: set.size }, (_, number) => number).filter((number) => set.kind(number) === Kind.commit)
  await cover(repository, commits, all)
  const bytes = encodeFrom(repository.paths, 0)
  ms += rest() + added.reduce((sum, one) => sum + one, 0)
  const shared = new SharedArrayBuffer(bytes.length)
  new Uint8Array(shared).set(bytes)
  const opening = cpuMs()
  const index = new PathIndex('sha1', [{ key: name, bytes: shared }])
  const openMs = opening()
  const { times, rows } = decodePathTable(bytes)
  const counts = [String(times.length), String(rows.length), short(ms), short(median(added))]
  made.push([name, ...counts, String(bytes.length), short(bytes.length / set.size), short(openMs)])
  return index
}

type Ask = (...words: string[]) => Promise<{ readonly lines: readonly string[]; readonly ms: number }>

interface Times {
  readonly ours: number[]
  readonly gits: number[]
  asked: number
  equal: number
}

function noTimes(): Times {
  return { ours: [], gits: [], asked: 0, equal: 0 }
}

function note(what: string, { ours, gits, asked, equal }: Times): void {
  const sorted = ours.toSorted((a, b) => a - b)
  const most = sorted[Math.floor(sorted.length * 0.99)] ?? Number.NaN
  wrong += asked - equal
  answered.push([
    what,
    String(asked),
    String(equal),
    short(median(ours)),
    short(most),
    short(median(gits)),
    short(median(gits) / median(ours)),
  ])
  console.log(answered.at(-1)?.join('  '))
}

function pick<T>(from: readonly T[]): T {
  return from[random.below(from.length)] as T
}

async function askLastCommits(name: string, repository: PacedRepository, head: string, git: Ask): Promise<void> {
  const { objects, set } = repository
  const folders = (await git('ls-tree', '-r', '-d', '--name-only', head)).lines
  const times = noTimes()
  for (const at of ['', ...Array.from({ length: samples }, () => pick(folders))]) {
    const tree = await objects.read(set.find(fromHex((await git('rev-parse', `${head}:${at}`)).lines[0] as string), 0))
    const before = performance.now()
    const found = await lastCommits(repository, set.find(fromHex(head), 0), latin1(Buffer.from(at)), tree)
    times.ours.push(performance.now() - before)
    const entries = decodeTree(tree, 'sha1')
    const step = Math.max(1, Math.floor(entries.length / askedEntries))
    let [asked, ms] = [0, 0]
    for (let i = 0; i < entries.length; i += step) {
      const path = Buffer.from((entries[i] as { name: Uint8Array }).name).toString()
      const { lines, ms: one } = await git('log', '-1', '--format=%H', head, '--', at === '' ? path : `${at}/${path}`)
      if (lines[0] === hex(set.oid(found[i] as number))) times.equal++
      asked++
      ms += one
    }
    times.asked += asked
    times.gits.push((ms / asked) * entries.length)
  }
  note(`${name}: last commits of a folder`, times)
}

async function askHistories(name: string, repository: PacedRepository, head: string, git: Ask): Promise<void> {
  const { set } = repository
  const paths = (await git('ls-tree', '-r', '-t', '--name-only', head)).lines
  const times = noTimes()
  for (let i = 0; i < samples; i++) {
    const path = pick(paths)
    const before = performance.now()
    const found: string[] = []
    for await (const commit of pathHistory(repository, set.find(fromHex(head), 0), latin1(Buffer.from(path))))
      found.push(hex(set.oid(commit)))
    times.ours.push(performance.now() - before)
    const { lines, ms } = await git('log', '--format=%H', head, '--', path)
    times.gits.push(ms)
    times.asked++
    if (lines.join() === found.join()) times.equal++
  }
  note(`${name}: whole history of a path`, times)
}

async function askBlames(name: string, repository: PacedRepository, head: string, git: Ask): Promise<void> {
  const { set } = repository
  const files = (await git('ls-tree', '-r', head)).lines.flatMap((line) => (line.includes(' blob ') ? [line.split('\t')[1] as string] : []))
  const times = noTimes()
  const again = noTimes()
  for (let i = 0; i < samples; i++) {
    const path = pick(files)
    const ask = async (into: Times) => {
      const before = performance.now()
      const found = await blame(repository, set.find(fromHex(head), 0), latin1(Buffer.from(path)))
      into.ours.push(performance.now() - before)
      return (found?.ranges ?? []).flatMap(({ commit, count, originStart }) =>
        Array.from({ length: count }, (_, line) => `${hex(set.oid(commit))} ${originStart + line}`),
      )
    }
    const found = [await ask(times), await ask(again)]
    const { lines, ms } = await git('blame', '--porcelain', head, '--', path)
    const wanted = lines.flatMap((line) => /^([0-9a-f]{40} \d+) \d+/.exec(line)?.[1] ?? []).join()
    for (const [place, into] of [times, again].entries()) {
      into.gits.push(ms)
      into.asked++
      if (found[place]?.join() === wanted) into.equal++
    }
  }
  note(`${name}: blame of a file`, times)
  note(`${name}: blame of a file, once more`, again)
}
