// Stemma side by side with `git http-backend` behind Apache: same machine, same repositories, alternating runs, medians.
//   bin/node bench/run.ts --repo S=/path/to/S.git [--repo L=…] [--runs 5] [--only NAME]… [--skip NAME]… [--profile] [--list] [--out FILE]
// --only and --skip take a part of a row's name (`--only 'depth 1, cached'`). The repositories are bare mirrors, best repacked with bitmaps and
// commit-graph (`git repack -adb && git commit-graph write --reachable`): the peer serves such a copy.
// Needs Debian's apache2 and curl, and root (Apache's user owns the peer's repositories).
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Git, TempFolder } from '../tests/support/git.ts'
import { benchArguments, type NamedRepository } from './arguments.ts'
import { type Contender, type StemmaContender, startPeer, startStemma } from './contenders.ts'
import { profileEnvironment, profileHints } from './profile.ts'
import { cloneRows } from './rows/clone.ts'
import { fetchRows } from './rows/fetch.ts'
import { pushRows } from './rows/push.ts'
import { refRows } from './rows/refs.ts'
import { type Bench, cells, head, type Row, runRow } from './rows/row.ts'
import { conditions, markdownTable } from './table.ts'

const args = benchArguments(['profile', 'list'], ['only', 'skip'])
if (args.repositories.length === 0) throw new Error('name at least one repository: --repo NAME=/path/to/bare.git')
const folder = new TempFolder('bench')
const git = new Git(folder)
const lines: string[][] = []
const failures: string[] = []

function isAsked(row: Row): boolean {
  const only = args.values('only')
  return (only.length === 0 || only.some((part) => row.name.includes(part))) && !args.values('skip').some((part) => row.name.includes(part))
}

async function benchRepository(repository: NamedRepository, stemma: StemmaContender, contenders: readonly Contender[]): Promise<void> {
  const urls = new Map<Contender, string>()
  const bench: Bench = { git, folder, contenders, stemma, repository, url: (contender) => urls.get(contender) ?? '' }
  const rows = [await cloneRows(bench), await fetchRows(bench), await pushRows(bench), await refRows(bench)].flat().filter(isAsked)
  if (args.has('list')) return console.log(rows.map((row) => row.name).join('\n'))
  for (const contender of contenders) urls.set(contender, await contender.fill(`full-${repository.name}`, repository.path))
  for (const row of rows) {
    const label = `${repository.name}, ${row.name}`
    try {
      const figures = await runRow(row, contenders, args.runs)
      const [ours, theirs] = contenders.map((contender) => figures.get(contender))
      if (ours && theirs) lines.push(cells(label, row, ours, theirs))
    } catch (error) {
      // not hidden: it stands in the table, and the exit code says it too
      failures.push(label)
      lines.push([
        label,
        '**failed**',
        (error instanceof Error ? error.message : String(error)).split('\n').slice(0, 3).join(' ').slice(0, 300),
      ])
    }
    console.log(lines.at(-1)?.join('  '))
  }
  await stemma.restart({}) // a row may have left it with other settings
  for (const contender of contenders) await contender.remove(`full-${repository.name}`)
}

const profiles = args.has('profile') ? mkdtempSync(folder.join('profiles-')) : null
const contenders: Contender[] = []
try {
  const stemma = await startStemma(folder, git, profiles === null ? {} : profileEnvironment(profiles))
  contenders.push(stemma, await startPeer(folder))
  for (const repository of args.repositories) await benchRepository(repository, stemma, contenders)
  for (const contender of contenders) await contender.stop()
  if (profiles !== null) console.log(profileHints(profiles))
} finally {
  for (const contender of contenders) await contender.stop().catch(() => {})
  folder.remove()
}

if (!args.has('list')) {
  const table = markdownTable(head, lines)
  console.log(`\n${table}`)
  const date = new Date().toISOString().slice(0, 10)
  const out = args.out ?? join(import.meta.dirname, 'results', `${date}-git-http.md`)
  const notes = [
    `# Git over HTTP: Stemma and git http-backend\n\n${date}, \`bench/run.ts\`\n\n${conditions()}`,
    '- alternating runs, medians (wall: with lowest and highest); CPU: the server process with all its threads, its PostgreSQL apart; the peer: Apache and',
    '  every git process that it starts (cpuacct group). It serves a copy with bitmaps and commit-graph, and checks pushes (receive.fsckObjects)',
    '- cold: Stemma in a new process that has served another small repository (warm code), so that nothing of this one is in its memory and no pack is',
    '  cached; new process: without warm code; made anew: a process that has served it before, without a pack cache; cached: the same was asked for',
    "  before. The kernel's page cache is warm for both. The peer keeps nothing between requests, so its rows differ only by noise",
    '- git: the real client, on the same processors; curl: the one request that fetches, its answer thrown away',
    "- peak: Stemma's VmHWM during an action; the peer: the largest sum of the resident sets of Apache and its git processes at one moment (shared pages count",
    '  in each)\n',
    `${table}\n`,
  ]
  mkdirSync(dirname(out), { recursive: true })
  writeFileSync(out, notes.join('\n'))
}
if (failures.length > 0) process.exitCode = 1
