// .gitattributes against `git check-attr`, for patterns in several folders, macros, and noise.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { after, test } from 'node:test'
import fc from 'fast-check'
import { Git, TempFolder } from '../../../tests/support/git.ts'
import { latin1, utf8 } from '../../base/index.ts'
import { type AttributeFile, attributesOf, parseAttributes } from './attributes.ts'

const folder = new TempFolder('attributes')
const git = new Git(folder)
after(() => folder.remove())

const names = ['a', 'b', 'text', 'diff', 'merge', 'binary', 'mine']
const wanted = new Set(names)

test('what a path has is what git says it has', async () => {
  const work = folder.join('work')
  await git.run(['init', '-q', work])
  const files: Record<string, string> = {
    '': [
      '# a comment',
      '',
      '[attr]mine a=macro -b',
      '[attr]nested mine text',
      '*.txt a',
      '*.bin binary',
      'x.txt -a b=value',
      '/top.txt !a',
      'dir/ a=folder',
      'dir/inner.txt b=inner',
      'dir/** text',
      '**/deep/*.c a=deep',
      '  spaced.txt\ta   b=2\r',
      '"with space.txt" a=quoted',
      '"tab\\there" a',
      '"octal\\303\\244" a=octal',
      '!negative.txt a',
      'mine.txt mine',
      'nested.txt nested -text',
      'off.txt mine a=own',
      '*.[ch] a=class',
      'bad.txt a -=x b',
      'later.txt a',
      'later.txt b !a',
      '\\#hash a=hash',
      `${'l'.repeat(2100)} a`,
    ].join('\n'),
    'dir/': '*.txt -a\n/only.txt a=only\n[attr]ignored a\nsub/*.txt b=sub\nmine.txt -mine',
    'dir/sub/': 'x.txt a=sub\n* b=all\n',
  }
  mkdirSync(`${work}/dir/sub`, { recursive: true })
  for (const [at, text] of Object.entries(files)) writeFileSync(`${work}/${at}.gitattributes`, text)
  const parsed = new Map(Object.entries(files).map(([at, text]) => [at, parseAttributes(latin1(utf8(text)), at, wanted)]))
  const paths =
    `x.txt top.txt y.bin spaced.txt with\\space.txt octalä negative.txt mine.txt nested.txt off.txt m.c bad.txt later.txt #hash dir/top.txt dir/inner.txt
    dir/only.txt dir/sub/only.txt dir/sub/x.txt dir/sub/y q/deep/z.c deep/z.c q/deep/r/z.c dir/mine.txt dir/ dir/sub/ q/dir/ q/dir/inner.txt none`
      .split(/\s+/)
      .map((path) => path.replace('\\', ' '))
  for (const path of paths) {
    const told = execFileSync('git', ['-C', work, 'check-attr', '-z', ...names, '--', path], { stdio: ['ignore', 'pipe', 'ignore'] })
      .toString()
      .split('\0')
    const theirs = names.map((_, i) => told[i * 3 + 2])
    const plain = path.replace(/\/$/, '')
    const parts = plain.split('/').slice(0, -1)
    const chain = ['', ...parts.map((_, i) => `${parts.slice(0, i + 1).join('/')}/`)].flatMap((at) => parsed.get(at) ?? [])
    const found = attributesOf(chain, latin1(utf8(plain)), path.endsWith('/'))
    const own = names.map((name) => {
      const value = found.get(name)
      return value === undefined || value === null ? 'unspecified' : value === true ? 'set' : value === false ? 'unset' : value
    })
    assert.deepEqual(own, theirs, path)
  }
})

test('noise is read, and asked, without an error', () => {
  const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => latin1(array))
  fc.assert(
    fc.property(bytes, bytes, (text, path) => {
      const file: AttributeFile = parseAttributes(text, '', wanted)
      return attributesOf([file, parseAttributes(text, 'x/', wanted)], `x/${path}`, true) instanceof Map
    }),
  )
})
