// Rows about clones: everything, the newest commit alone, without blobs, and many clients at once.
// Each comes as `git` (the real client, which is most of the wall time) and as `curl` (the server's part alone).
import { rmSync } from 'node:fs'
import { contentOf } from '../../tests/support/git.ts'
import type { Contender } from '../contenders.ts'
import { post, writeFetch } from '../raw-client.ts'
import type { Bench, Row, Target } from './row.ts'
import { type Stand, standing, words } from './stand.ts'

interface Kind {
  readonly name: string
  readonly args: readonly string[]
  readonly request: readonly string[]
  readonly targets: Readonly<Partial<Record<Stand, Target>>>
  readonly check?: boolean
}

export async function cloneRows(bench: Bench): Promise<Row[]> {
  const { git, repository } = bench
  const path = { cwd: repository.path }
  const ids = new Set((await git.read(['for-each-ref', '--format=%(objectname)'], path)).split('\n'))
  const tip = await git.read(['rev-parse', 'HEAD'], path)
  const all = [...ids].map((id) => `want ${id}`)
  const depth = { wall: 0.8, cpu: 0.35 }
  const blobless = { wall: 0.9, cpu: 0.7 }
  const kinds: Kind[] = [
    {
      name: 'full clone',
      args: ['--mirror'],
      request: all,
      targets: { new: {}, cold: { wall: 1, cpu: 0.2 }, cached: { wall: 1, cpu: 0.1 } },
      check: true,
    },
    {
      name: 'clone --depth 1',
      args: ['--bare', '--depth=1'],
      request: [`want ${tip}`, 'deepen 1'],
      targets: { cold: depth, uncached: depth, cached: depth },
    },
    {
      name: 'clone --filter=blob:none',
      args: ['--bare', '--filter=blob:none'],
      request: [...all, 'filter blob:none'],
      targets: { cold: blobless, uncached: blobless, cached: blobless },
    },
  ]
  const rows: Row[] = []
  for (const kind of kinds) {
    for (const stand of Object.keys(kind.targets) as Stand[]) rows.push(gitRow(bench, kind, stand), rawRow(bench, kind, stand))
  }
  return [...rows, ...manyRows(bench, kinds[1] as Kind)]
}

function gitRow(bench: Bench, kind: Kind, stand: Stand): Row {
  const { git, folder, repository, url } = bench
  const copy = (contender: Contender, run: number): string => folder.join(`clone-${contender.name}-${run}`)
  return {
    name: `${kind.name}, ${words[stand]}, git`,
    ...(kind.targets[stand] && { target: kind.targets[stand] }),
    prepare: standing(bench, stand),
    act: (contender, run) =>
      git.run([...contender.config, 'clone', '-q', ...kind.args, url(contender), copy(contender, run)], { timeoutMs: 600_000 }),
    finish: async (contender, run) => {
      if (run < 0 && kind.check) await assertSame(bench, copy(contender, run), `${repository.name} cloned from ${contender.name}`)
      rmSync(copy(contender, run), { recursive: true, force: true })
    },
  }
}

function rawRow(bench: Bench, kind: Kind, stand: Stand): Row {
  const file = writeFetch(bench.folder, `${bench.repository.name}-${kind.name}-${stand}`.replaceAll(/[^\w-]/g, '_'), kind.request)
  return {
    name: `${kind.name}, ${words[stand]}, curl`,
    ...(kind.targets[stand] && { target: kind.targets[stand] }),
    prepare: standing(bench, stand),
    act: (contender) => post(contender, bench.url(contender), file),
    packRequest: { file, url: bench.url },
  }
}

function manyRows(bench: Bench, kind: Kind): Row[] {
  const { git, folder, url } = bench
  const target = { wall: 0.2, cpu: 0.1 }
  const copy = (contender: Contender, run: number, n: number): string => folder.join(`many-${contender.name}-${run}-${n}`)
  const clients = Array.from({ length: 32 }, (_, n) => n)
  const file = writeFetch(folder, `${bench.repository.name}-many`, kind.request)
  return [
    {
      name: '32 clients, the same clone --depth 1, git',
      target,
      prepare: standing(bench, 'cold'),
      act: (contender, run) =>
        Promise.all(
          clients.map((n) =>
            git.run([...contender.config, 'clone', '-q', ...kind.args, url(contender), copy(contender, run, n)], { timeoutMs: 600_000 }),
          ),
        ),
      finish: async (contender, run) => {
        for (const n of clients) rmSync(copy(contender, run, n), { recursive: true, force: true })
      },
    },
    {
      name: '32 clients, the same clone --depth 1, curl',
      target,
      prepare: standing(bench, 'cold'),
      act: (contender) => Promise.all(clients.map(() => post(contender, url(contender), file))),
    },
  ]
}

async function assertSame({ git, repository }: Bench, copy: string, what: string): Promise<void> {
  const [wanted, found] = [await contentOf(git, repository.path), await contentOf(git, copy)]
  if (wanted.objects !== found.objects || wanted.refs !== found.refs) throw new Error(`${what} differs from its source`)
}
