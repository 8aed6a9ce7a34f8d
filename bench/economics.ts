// What a server on Ceph RGW asks of its bucket: requests by kind and bytes for each operation, and for 10,000 small pushes with compaction on; beside them
// the same objects as one key each, really put on the same cluster.
//   devenv/with-ceph bin/node bench/economics.ts --repo S=/path/to/S.git [--pushes 10000] [--only operations|pushes] [--out FILE.md]
// Requests and bytes are counted by a proxy between everything that speaks S3 (server, worker threads, commands) and radosgw. Times say little: one machine.
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { TempFolder } from '../tests/support/git.ts'
import { benchArguments } from './arguments.ts'
import { manyPushes } from './economics/many-pushes.ts'
import { type OperationRow, Operations } from './economics/operations.ts'
import { operationsSection, pushesSection } from './economics/report.ts'
import { SmallPushes } from './economics/small-pushes.ts'
import { Stand } from './economics/stand.ts'
import { conditions } from './table.ts'

const args = benchArguments([], ['pushes', 'only'])
const repository = args.repositories[0]
if (!repository) throw new Error('--repo NAME=PATH is needed')
const count = Number(args.values('pushes')[0] ?? 10_000)
const folder = new TempFolder('bench-economics')
try {
  const pushes = new SmallPushes(repository.path)
  const only = args.values('only')[0]
  const sections: string[] = []
  if (only !== 'pushes') sections.push(operationsSection(await operations(repository.path, pushes)))
  if (only !== 'operations') {
    await pushes.make(0, Math.min(count, pushes.length))
    const many = await manyPushes({ repository: repository.path, pushes, count, folder })
    console.log(JSON.stringify(many))
    sections.push(pushesSection(many, pushes.length))
  }
  report(sections)
} finally {
  folder.remove()
}

async function operations(path: string, pushes: SmallPushes): Promise<readonly OperationRow[]> {
  const stand = await Stand.open(folder, 'operations')
  try {
    const found = new Operations(stand, folder)
    await found.run(path, pushes)
    return found.rows
  } finally {
    await stand.close()
  }
}

function report(sections: readonly string[]): void {
  const date = new Date().toISOString().slice(0, 10)
  const out = args.out ?? join(import.meta.dirname, 'results', `${date}-economics.md`)
  const text = `# RGW economics: ${repository?.name}

${date}, \`bench/economics.ts\`, on Ceph RGW (3 OSDs on one machine, one copy of everything) and PostgreSQL. All figures are measured; none is extrapolated.

${conditions()}

${sections.join('\n')}`
  mkdirSync(dirname(out), { recursive: true })
  writeFileSync(out, text)
  console.log(text)
}
