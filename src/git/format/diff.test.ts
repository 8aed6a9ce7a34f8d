// Differences of texts against git's own: few kinds of lines (many equal diffs to choose from), indented code, large and noisy texts (short cuts).
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { after, test } from 'node:test'
import { Git, TempFolder } from '../../../tests/support/git.ts'
import { Seeded, seedOfRun } from '../../../tests/support/seeded.ts'
import { latin1, utf8 } from '../../base/index.ts'
import { diffLines, isBinary, LineReader, unifiedDiff } from './diff.ts'

const folder = new TempFolder('diff')
const git = new Git(folder)
after(() => folder.remove())

type Pair = readonly [string, string]

/** git's own for all pairs, in one run. */
async function expected(name: string, pairs: readonly Pair[], context: number): Promise<string[]> {
  for (const [side, place] of [
    ['a', 0],
    ['b', 1],
  ] as const) {
    mkdirSync(folder.join(name, side), { recursive: true })
    for (const [i, pair] of pairs.entries()) writeFileSync(folder.join(name, side, String(i)), pair[place], 'latin1')
  }
  const args = ['-c', 'core.quotePath=false', 'diff', '--no-index', '--no-renames', '--text', `-U${context}`, 'a', 'b']
  const { stdout } = await git.run(args, { cwd: folder.join(name), mayFail: true })
  const found = pairs.map(() => '')
  for (const file of stdout.split(/^diff --git /m).slice(1)) {
    const at = file.indexOf('\n@@ ')
    if (at >= 0) found[Number(/^\S+\/([0-9]+) /.exec(file)?.[1])] = file.slice(at + 1)
  }
  return found
}

async function assertAsGit(name: string, pairs: readonly Pair[], context = 3): Promise<void> {
  const wanted = await expected(name, pairs, context)
  for (const [i, [a, b]] of pairs.entries()) {
    const got = Buffer.from(unifiedDiff(Buffer.from(a, 'latin1'), Buffer.from(b, 'latin1'), context)).toString()
    assert.ok(got === wanted[i], `pair ${i}: ${JSON.stringify([a, b, got, wanted[i]]).slice(0, 5000)}`)
  }
}

const random = new Seeded(seedOfRun('diff'))

function edited(lines: readonly string[], edits: number, make: () => string): string[] {
  const copy = [...lines]
  for (let i = 0; i < edits; i++) {
    const at = random.below(copy.length + 1)
    if (random.fraction() < 0.5) copy.splice(at, random.below(4))
    else copy.splice(at, random.below(2), ...Array.from({ length: 1 + random.below(4) }, make))
  }
  return copy
}

const joined = (lines: readonly string[]) => lines.join('\n') + (random.fraction() < 0.8 && lines.length > 0 ? '\n' : '')

test('texts of few kinds of lines differ as git says', async () => {
  const pairs = Array.from({ length: 400 }, (): Pair => {
    const line = () => random.pick(['a', 'b', 'c', '', '  d', '{', '}'])
    const text = Array.from({ length: random.below(40) }, line)
    return [joined(text), joined(edited(text, random.below(8), line))]
  })
  await assertAsGit('few', pairs)
  await assertAsGit('few-apart', pairs, 0)
  await assertAsGit('few-near', pairs, 1)
})

test('indented code is cut where git cuts it', async () => {
  const indents = ['', '  ', '    ', '\t', '\t\t', '\t  ']
  const line = () =>
    random.fraction() < 0.25 ? random.pick(['', ' ', '\t']) : random.pick(indents) + random.pick(['if', 'end', 'x()', '}'])
  const pairs = Array.from({ length: 300 }, (): Pair => {
    const text = Array.from({ length: 20 + random.below(300) }, line)
    return [joined(text), joined(edited(text, 1 + random.below(20), line))]
  })
  await assertAsGit('code', pairs)
  await assertAsGit('code-apart', pairs, 0)
})

test('large texts that have little in common are given up at the same points', async () => {
  const pairs = Array.from({ length: 12 }, (_, i): Pair => {
    const kinds = 40 + random.below(i < 6 ? 400 : 4000)
    const line = () => `line ${random.below(kinds)}`
    const text = Array.from({ length: 3000 + random.below(4000) }, line)
    const other = i % 3 === 0 ? Array.from({ length: text.length }, line) : edited(text, 1500, line)
    return [joined(text), joined(i % 3 === 2 ? [...other.slice(2000), ...other.slice(0, 2000)] : other)]
  })
  await assertAsGit('large', pairs)
  await assertAsGit('large-apart', pairs, 0)
})

test('headings, ends without a newline, empty texts', async () => {
  const body = 'x\n'.repeat(9)
  const pairs: Pair[] = [
    ['', ''],
    ['', 'a'],
    ['a', ''],
    ['a', 'a\n'],
    ['a\n', 'a'],
    ['\n', '\n\n'],
    [`function one() {\n${body}a\n${body}b\n`, `function one() {\n${body}c\n${body}d\n`],
    [` two\n${body}a\n${body}_three${body}b`, ` two\n${body}a2\n${body}_three${body}b2`],
    [`$${'é'.repeat(60)}\n\t${body}\n a`, `$${'é'.repeat(60)}\n\t${body}\n b`],
    [`h   \r\n ${body.replaceAll('x', ' y')}a`, `h   \r\n ${body.replaceAll('x', ' y')}b`],
  ].map(([a, b]) => [Buffer.from(a as string).toString('latin1'), Buffer.from(b as string).toString('latin1')])
  await assertAsGit('edges', pairs)
})

test('what changed, put in place of what was there, gives the other text', () => {
  for (let i = 0; i < 200; i++) {
    const line = () => random.pick(['a', 'b', 'c', 'd'])
    const a = Array.from({ length: random.below(60) }, line)
    const b = edited(a, random.below(20), line)
    const text = (lines: readonly string[]) => utf8(lines.map((each) => `${each}\n`).join(''))
    const reader = new LineReader()
    const changes = diffLines(reader.read(text(a)), reader.read(text(b)), { trimTail: i % 2 === 0 })
    const made = [...a]
    for (const change of changes.toReversed()) {
      made.splice(change.oldStart, change.oldCount, ...b.slice(change.newStart, change.newStart + change.newCount))
    }
    assert.deepEqual(made, b)
  }
})

test('a text that is read like another one is the same as read by itself', () => {
  for (let i = 0; i < 2000; i++) {
    const line = () => random.pick(['a', 'b', '', 'long line '.repeat(random.below(600))])
    const text = Array.from({ length: random.below(12) }, line)
    const [a, b] = [joined(text), joined(edited(text, random.below(4), line))]
    const reader = new LineReader()
    const like = reader.read(utf8(a))
    const { starts, kinds, count } = reader.read(utf8(b), like)
    const alone = reader.read(utf8(b))
    assert.deepEqual(
      [[...starts], [...kinds], count],
      [[...alone.starts], [...alone.kinds], alone.count],
      JSON.stringify([a, b]).slice(0, 500),
    )
  }
})

test('lines ground to share a hash are told apart, in bounded time', () => {
  // all of one length; a reader's table takes some, the others go another way
  const lines = Array.from({ length: 20_000 }, (_, i) => String(i).padStart(8, '0'))
  const text = utf8(`${lines.join('\n')}\n`)
  const reader = new LineReader()
  assert.deepEqual(diffLines(reader.read(text), reader.read(text)), [])
  const changes = diffLines(reader.read(text), reader.read(utf8(`${lines.toReversed().join('\n')}\n`)))
  assert.equal(
    changes.reduce((sum, { oldCount }) => sum + oldCount, 0),
    changes.reduce((sum, { newCount }) => sum + newCount, 0),
  )
})

test('a text with a NUL near its beginning is binary', () => {
  assert.equal(isBinary(Uint8Array.of(1, 0)), true)
  assert.equal(isBinary(new Uint8Array(9000).fill(1).with(8000, 0)), false)
  assert.equal(isBinary(new Uint8Array(0)), false)
  assert.equal(latin1(unifiedDiff(utf8('a\n'), utf8('a\n'))), '')
})
