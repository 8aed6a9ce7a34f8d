// Rows about pushes: the whole repository (the peer checks it with receive.fsckObjects, as we do), and one commit many times.
import type { Contender } from '../contenders.ts'
import type { Bench, Row } from './row.ts'

export async function pushRows(bench: Bench): Promise<Row[]> {
  return [pushAll(bench), await oneCommit(bench)]
}

function pushAll({ git, repository }: Bench): Row {
  const urls = new Map<string, string>()
  const key = (contender: Contender, run: number): string =>
    `push-${repository.name}-${run + 1}`.concat(contender.name === 'stemma' ? '' : '-peer')
  return {
    name: 'push of everything',
    target: { wall: 0.5, cpu: 0.5 },
    prepare: async (contender, run) => void urls.set(key(contender, run), await contender.create(key(contender, run))),
    act: (contender, run) =>
      git.run([...contender.config, 'push', '-q', '--mirror', urls.get(key(contender, run)) ?? ''], {
        cwd: repository.path,
        timeoutMs: 600_000,
      }),
    finish: async (contender, run) => await contender.remove(key(contender, run)),
  }
}

/** Each run pushes a new commit (a changed root file on top of the last) to `refs/heads/one-commit`. */
async function oneCommit({ git, folder, repository, url }: Bench): Promise<Row> {
  const { name, path } = repository
  const work = folder.join(`one-commit-${name}.git`)
  const tips = new Map<string, string>()
  let start = ''
  return {
    name: 'push of one commit',
    target: { wall: 0.7 },
    runs: () => 50,
    prepare: async (contender, run) => {
      if (start === '') {
        await git.run(['clone', '-q', '--bare', '--shared', path, work])
        // As a developer's clone, which has none: pack-objects would ask those of the shared store, for longer than either server takes.
        await git.run(['config', 'pack.useBitmaps', 'false'], { cwd: work })
        start = await git.read(['rev-parse', 'HEAD'], { cwd: work })
      }
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
    act: (contender) =>
      git.run([...contender.config, 'push', '-q', url(contender), `refs/heads/one-${contender.name}:refs/heads/one-commit`], { cwd: work }),
  }
}
