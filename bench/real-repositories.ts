// Real repositories with their whole history: pushed with `git push --mirror`, cloned back, `git fsck --strict`, every object and ref equal.
//   bin/node bench/real-repositories.ts --repo S=/path/to/S.git --repo L=… [--out FILE]
// With DATABASE_URL and STEMMA_BUCKET_S3_… in the environment the server uses those; otherwise it is the embedded one.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { contentOf, Git, TempFolder } from '../tests/support/git.ts'
import { benchArguments } from './arguments.ts'
import { startStemma } from './contenders.ts'
import { conditions, markdownTable, short } from './table.ts'

const args = benchArguments()
if (args.repositories.length === 0) throw new Error('name at least one repository: --repo NAME=/path/to/bare.git')
const folder = new TempFolder('bench-real')
const git = new Git(folder)
const rows: string[][] = []
let wrong = 0

const stemma = await startStemma(folder, git)
try {
  for (const { name, path } of args.repositories) {
    const url = await stemma.create(`real-${name.toLowerCase()}-${process.pid}`)
    const long = { timeoutMs: 590_000 }
    const pushed = await git.run([...stemma.config, 'push', '-q', '--mirror', url], { cwd: path, ...long })
    const copy = folder.join(`${name}.git`)
    const cloned = await git.run([...stemma.config, 'clone', '-q', '--mirror', url, copy], long)
    const checked = await git.run(['fsck', '--strict', '--no-progress'], { cwd: copy, ...long, mayFail: true })
    const sourceCheck = await git.run(['fsck', '--strict', '--no-progress'], { cwd: path, ...long, mayFail: true })
    const [wanted, found] = [await contentOf(git, path), await contentOf(git, copy)]
    const same = wanted.objects === found.objects && wanted.refs === found.refs
    // Some public histories hold objects that fsck warns of; the clone must say no more than the source does.
    const clean = checked.code === 0 || (checked.code === sourceCheck.code && checked.stderr === sourceCheck.stderr)
    if (!same || !clean) wrong += 1
    const refs = wanted.refs.split('\n').length
    const fsck =
      checked.code === 0 ? 'clean' : clean ? `as the source: ${sourceCheck.stderr.split('\n').length - 1} findings` : '**differs**'
    rows.push([
      name,
      String(wanted.objects.split('\n').length),
      String(refs),
      short(pushed.ms / 1000),
      short(cloned.ms / 1000),
      fsck,
      same ? 'equal' : '**differ**',
    ])
    console.log(rows.at(-1)?.join('  '))
    rmSync(copy, { recursive: true })
    await stemma.remove(`real-${name.toLowerCase()}-${process.pid}`)
  }
} finally {
  await stemma.stop()
  folder.remove()
}

const table = markdownTable(['repository', 'objects', 'refs', 'push s', 'clone s', 'fsck --strict', 'objects and refs'], rows)
console.log(`\n${table}`)
const date = new Date().toISOString().slice(0, 10)
const isEmbedded = process.env.DATABASE_URL === undefined
const out = args.out ?? join(import.meta.dirname, 'results', `${date}-real-repositories-${isEmbedded ? 'embedded' : 's3'}.md`)
const settings = isEmbedded ? 'embedded PostgreSQL and filesystem bucket' : 'PostgreSQL by DATABASE_URL, bucket on S3'
mkdirSync(dirname(out), { recursive: true })
writeFileSync(
  out,
  `# Real repositories, there and back\n\n${date}, \`bench/real-repositories.ts\`, ${settings}\n\n${conditions()}\n\n${table}\n`,
)
process.exitCode = wrong === 0 ? 0 : 1
