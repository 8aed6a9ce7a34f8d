// Histories as tangled as they come, for what walks them: several roots, merges of two and three that take either side's files or others, criss-cross
// ones, files that become folders and back, renames, modes, links, commits that change nothing, dates that go backwards or stand still.
import type { Git } from './git.ts'
import type { Seeded } from './seeded.ts'

interface File {
  readonly mode: '100644' | '100755' | '120000'
  readonly text: string
}

type Files = ReadonlyMap<string, File>

export interface RandomHistory {
  /** Bare, in one pack. */
  readonly path: string
  /** Ids, oldest first. */
  readonly commits: readonly string[]
  readonly paths: readonly string[]
}

const names = ['a', 'b', 'd/a', 'd/b', 'd/e/a', 'd/e/b', 'a/x', 'a/y/z', 'd-e', 'd.e', 'long name', 'é'] as const

/** @param skew how many seconds a date may be off; 0: all commits have the same one */
export async function makeRandomHistory(
  git: Git,
  path: string,
  random: Seeded,
  {
    commits = 40,
    skew = 40,
    format = 'sha1',
  }: { readonly commits?: number; readonly skew?: number; readonly format?: 'sha1' | 'sha256' } = {},
): Promise<RandomHistory> {
  await git.run(['init', '-q', '--bare', `--object-format=${format}`, path])
  const made: Files[] = []
  const stream: string[] = []
  for (let n = 1; n <= commits; n++) {
    const parents = pickParents(random, n)
    const files = edit(
      random,
      mix(
        random,
        parents.map((parent) => made[parent - 1] as Files),
      ),
    )
    made.push(files)
    const seconds = 1_700_000_000 + (skew === 0 ? 0 : n * 10 + random.below(skew) - (skew >> 1))
    stream.push(
      `commit refs/heads/c${String(n).padStart(4, '0')}\nmark :${n}\ncommitter A U Thor <a${n % 3}@example.com> ${seconds} +0000\n${data(`commit ${n}\n`)}`,
    )
    const [first, ...others] = parents
    if (first !== undefined) stream.push(`from :${first}\n`)
    for (const other of others) stream.push(`merge :${other}\n`)
    stream.push('deleteall\n')
    for (const [name, { mode, text }] of files) stream.push(`M ${mode} inline ${name}\n${data(text)}`)
  }
  await git.run(['fast-import', '--quiet', '--done', '--force'], { cwd: path, input: `${stream.join('')}done\n` })
  await git.run(['repack', '-adq'], { cwd: path })
  const ids = await git.read(['for-each-ref', '--format=%(objectname)', '--sort=refname'], { cwd: path })
  return { path, commits: ids.split('\n'), paths: names }
}

function data(text: string): string {
  return `data ${Buffer.byteLength(text)}\n${text}\n`
}

/** Marks of commits before the nth: mostly young ones. */
function pickParents(random: Seeded, n: number): number[] {
  if (n === 1 || random.fraction() < 0.04) return []
  const near = () => Math.max(1, n - 1 - Math.floor(random.fraction() ** 2 * 8))
  const count = random.fraction() < 0.6 ? 1 : random.fraction() < 0.8 ? 2 : 3
  return [...new Set(Array.from({ length: count }, near))]
}

function mix(random: Seeded, parents: readonly Files[]): Files {
  const [first, ...others] = parents
  const files = new Map(first)
  for (const other of others) {
    const takesAll = random.fraction() < 0.25
    for (const name of names) {
      if (!takesAll && random.fraction() < 0.5) continue
      const file = other.get(name)
      files.delete(name)
      if (file) put(files, name, file)
    }
  }
  return files
}

function edit(random: Seeded, before: Files): Files {
  const files = new Map(before)
  for (let edits = random.below(4); edits > 0; edits--) {
    const name = random.pick(names)
    const old = files.get(name)
    const choice = random.fraction()
    if (old && choice < 0.1) files.delete(name)
    else if (old && choice < 0.2) put(files, name, { ...old, mode: random.pick(['100644', '100755', '120000'] as const) })
    else if (old && choice < 0.35) {
      files.delete(name)
      put(files, random.pick(names), old)
    } else put(files, name, { mode: old?.mode ?? '100644', text: editText(random, old?.text ?? '') })
  }
  return files
}

/** A file takes the place of folders on its way, and of what stands below it. */
function put(files: Map<string, File>, name: string, file: File): void {
  for (const other of files.keys()) if (other.startsWith(`${name}/`) || name.startsWith(`${other}/`)) files.delete(other)
  files.set(name, file)
}

function editText(random: Seeded, text: string): string {
  const lines = text.split('\n').slice(0, -1)
  for (let i = 1 + random.below(4); i > 0; i--) {
    const at = random.below(lines.length + 1)
    const line = random.fraction() < 0.4 ? random.pick(['{', '}', '', '  x()', '\ty()']) : `line ${random.below(1000)}`
    lines.splice(at, random.below(2), line, ...(random.fraction() < 0.3 ? [`more ${random.below(50)}`, '}'] : []))
  }
  return lines.map((line) => `${line}\n`).join('')
}
