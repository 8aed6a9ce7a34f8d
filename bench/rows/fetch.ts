// Rows about a fetch of what is new: the last 100 commits of the main branch.
import { rmSync } from 'node:fs'
import { runProcess } from '../../tests/support/git.ts'
import type { Contender } from '../contenders.ts'
import { post, writeFetch } from '../raw-client.ts'
import type { Bench, Row } from './row.ts'
import { standing, words } from './stand.ts'

const wantedCommits = 100
const target = { wall: 0.8, cpu: 0.6 }

/** The commit of the first-parent line behind which about 100 commits are new. */
async function oldTip({ git, repository }: Bench): Promise<{ id: string; commits: number }> {
  const path = { cwd: repository.path }
  const line = (await git.read(['rev-list', '--first-parent', '-n', String(wantedCommits + 1), 'HEAD'], path)).split('\n')
  let best = { id: line[1] ?? '', commits: 1 }
  for (const id of line.slice(1)) {
    const commits = Number(await git.read(['rev-list', '--count', `${id}..HEAD`], path))
    if (commits > wantedCommits) break
    best = { id, commits }
  }
  return best
}

export async function fetchRows(bench: Bench): Promise<Row[]> {
  const { git, folder, repository, url } = bench
  const old = await oldTip(bench)
  const tip = await git.read(['rev-parse', 'HEAD'], { cwd: repository.path })
  const base = folder.join(`base-${repository.name}.git`)
  let isReady = false
  const makeBase = async (): Promise<void> => {
    if (isReady) return
    isReady = true
    await git.run(['init', '-q', '--bare', base])
    await git.run(['fetch', '-q', repository.path, `${old.id}:refs/heads/main`], { cwd: base, timeoutMs: 600_000 })
  }
  const copy = (contender: Contender, run: number): string => folder.join(`fetch-${contender.name}-${run}.git`)
  const file = writeFetch(folder, `${repository.name}-fetch`, [`want ${tip}`, `have ${old.id}`])
  const label = `fetch of ${old.commits} commits`
  const rows: Row[] = []
  for (const stand of ['cold', 'uncached', 'cached'] as const) {
    const ready = standing(bench, stand)
    rows.push(
      {
        name: `${label}, ${words[stand]}, git`,
        target,
        prepare: async (contender, run) => {
          await makeBase()
          await runProcess('cp', ['-al', base, copy(contender, run)], { timeoutMs: 60_000 })
          await ready(contender, run)
        },
        act: (contender, run) =>
          git.run([...contender.config, 'fetch', '-q', url(contender), `HEAD:refs/heads/new`], {
            cwd: copy(contender, run),
            timeoutMs: 600_000,
          }),
        finish: async (contender, run) => rmSync(copy(contender, run), { recursive: true, force: true }),
      },
      {
        name: `${label}, ${words[stand]}, curl`,
        target,
        prepare: ready,
        act: (contender) => post(contender, url(contender), file),
        packRequest: { file, url },
      },
    )
  }
  return rows
}
