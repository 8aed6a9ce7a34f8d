// How the price of each action grows with the repository: 10⁴, 10⁵, 10⁶ objects, made by git fast-import from a seed. Stemma alone.
//   bin/node bench/growth.ts [--objects 10000]… [--runs 3] [--out FILE]
// Needs some minutes and about 1 GB in the temporary folder for 10⁶ objects.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Git, TempFolder } from '../tests/support/git.ts'
import { SeededRandom } from '../tests/support/random.ts'
import { benchArguments } from './arguments.ts'
import { measure, type StemmaContender, startStemma } from './contenders.ts'
import { makeBare } from './generated.ts'
import { post, writeFetch, writeLsRefs } from './raw-client.ts'
import { conditions, markdownTable, median, short } from './table.ts'

const args = benchArguments([], ['objects'])
const sizes = args.values('objects').length > 0 ? args.values('objects').map(Number) : [10_000, 100_000, 1_000_000]
const runs = Math.min(args.runs, 3)
const folder = new TempFolder('bench-growth')
const git = new Git(folder)

const filesPerCommit = 3
/** A commit adds itself, its root tree, and for each file a blob and the tree of its folder. */
const objectsPerCommit = 2 + 2 * filesPerCommit

/** Commits that each change some small text files, in folders of a wide tree. */
async function makeHistory(path: string, objects: number): Promise<void> {
  const random = new SeededRandom(objects)
  const commits = Math.ceil(objects / objectsPerCommit)
  const folders = Math.max(16, Math.floor(Math.sqrt(commits)))
  await makeBare(git, path, commits, function* (n) {
    for (let file = 0; file < filesPerCommit; file++) {
      const lines = Array.from({ length: 8 }, () => `value ${random.below(1e9)}\n`).join('')
      yield [`folder-${random.below(folders)}/file-${random.below(24)}.txt`, Buffer.from(`commit ${n}\n${lines}`)] as const
    }
  })
  await git.run(['config', 'core.compression', '-1'], { cwd: path })
  await git.run(['config', 'pack.compression', '-1'], { cwd: path })
  await git.run(['repack', '-adfq', '--window=5'], { cwd: path, timeoutMs: 590_000 })
}

interface Action {
  readonly name: string
  readonly prepare: (() => Promise<void>) | null
  readonly act: () => Promise<unknown>
}

async function actionsFor(stemma: StemmaContender, path: string, url: string, objects: number): Promise<Action[]> {
  const tip = await git.read(['rev-parse', 'HEAD'], { cwd: path })
  const old = await git.read(['rev-parse', 'HEAD~100'], { cwd: path })
  const file = (name: string, lines: readonly string[]): string => writeFetch(folder, `${objects}-${name}`, lines)
  const forget = (): Promise<void> => stemma.forget()
  const full = file('full', [`want ${tip}`])
  const depth = file('depth', [`want ${tip}`, 'deepen 1'])
  const blobless = file('blobless', [`want ${tip}`, 'filter blob:none'])
  const fetch = file('fetch', [`want ${tip}`, `have ${old}`])
  const refs = writeLsRefs(folder, `${objects}-refs`)
  const actions: Action[] = []
  for (const [name, body] of [
    ['full clone', full],
    ['clone --depth 1', depth],
    ['clone --filter=blob:none', blobless],
    ['fetch of 100 commits', fetch],
  ] as const) {
    actions.push({ name: `${name}, cold`, prepare: forget, act: () => post(stemma, url, body) })
    actions.push({ name: `${name}, cached`, prepare: null, act: () => post(stemma, url, body) })
  }
  actions.push({ name: 'ls-refs', prepare: null, act: () => post(stemma, url, refs) })
  return actions
}

async function benchSize(stemma: StemmaContender, objects: number): Promise<Map<string, string>> {
  const path = folder.join(`history-${objects}.git`)
  await makeHistory(path, objects)
  const found = new Map<string, string>()
  const count = /in-pack: (\d+)/.exec(await git.read(['count-objects', '-v'], { cwd: path }))?.[1] ?? '?'
  found.set('objects', count)
  let url = ''
  const note = async (name: string, { prepare, act }: Omit<Action, 'name'>, times: number): Promise<void> => {
    const samples = []
    let peakBytes = 0
    for (let run = 0; run < times; run++) {
      await prepare?.()
      const peak = stemma.watchMemory()
      samples.push(await measure(stemma, act))
      peakBytes = Math.max(peakBytes, peak())
    }
    const wallMs = median(samples.map((sample) => sample.wallMs))
    const cpuMs = median(samples.map((sample) => sample.cpu.serverMs))
    found.set(name, `${short(cpuMs)} / ${short(wallMs)} / ${short(peakBytes / 2 ** 20)}`)
    console.log(objects, name, found.get(name))
  }
  const push = async (): Promise<void> => {
    url = await stemma.create(`growth-${objects}`)
    await git.run([...stemma.config, 'push', '-q', '--mirror', url], { cwd: path, timeoutMs: 590_000 })
  }
  await note('push of everything', { prepare: null, act: push }, 1)
  await stemma.rest(objects)
  for (const { name, ...action } of await actionsFor(stemma, path, url, objects)) await note(name, action, runs)
  await stemma.remove(`growth-${objects}`)
  rmSync(path, { recursive: true })
  return found
}

const columns: Map<string, string>[] = []
const stemma = await startStemma(folder, git)
try {
  for (const objects of sizes) columns.push(await benchSize(stemma, objects))
} finally {
  await stemma.stop().catch(() => {})
  folder.remove()
}
const [first = new Map<string, string>()] = columns
const rows = [...first.keys()].map((name) => [name, ...columns.map((column) => column.get(name) ?? '–')])
const table = markdownTable(['CPU ms / wall ms / peak MiB', ...sizes.map((size) => size.toLocaleString('en'))], rows)
console.log(`\n${table}`)
const date = new Date().toISOString().slice(0, 10)
const out = args.out ?? join(import.meta.dirname, 'results', `${date}-growth.md`)
mkdirSync(dirname(out), { recursive: true })
writeFileSync(
  out,
  `# How the price of each action grows\n\n${date}, \`bench/growth.ts\`; histories made from a seed, ${runs} runs each, medians; by curl but for the push. CPU and memory are the server process's\n\n${conditions()}\n\n${table}\n`,
)
