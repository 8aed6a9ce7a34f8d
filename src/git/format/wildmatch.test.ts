// Git's own answers: `git check-ignore` for patterns of paths, a plain table for the rest.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { git } from '../../../tests/support/history.ts'
import { temporaryFolder } from '../../../tests/support/pack-indexing.ts'
import { utf8 } from '../../base/index.ts'
import { matchSparse, parseSparsePatterns } from './sparse-patterns.ts'
import { compileWildcard, hasWildcard, matchesWildcard } from './wildmatch.ts'

const paths = [
  'a',
  'ab',
  'a/b',
  'a/b/c',
  'b',
  'b/a',
  'x/a/b',
  'x/y/a',
  'abc',
  'a.c',
  'a/x.c',
  'x/b.c',
  'foo/bar',
  'foo/q/bar',
  'foobar',
  'a b',
  '-',
  ']',
]

test('patterns match what they match for git', () => {
  const folder = temporaryFolder()
  git(folder, ['init', '-q', '.'])
  const all = `a* /a a/ a/* a/** **/a a/**/c **/b/** ? ?/? *.c /*.c */*.c a[b-]* [!a] [^a]b [[:alpha:]] [a-c]b *b* foo/**/bar foo**bar
    foo/*bar \\a a\\* [a- [] [\\]] []] [[:bad:]] a** **a /** ** * /*/* !a - [--a] x/**/ foo\\/**/bar **/**/a`.split(/\s+/)
  for (const pattern of all) {
    writeFileSync(join(folder, '.git', 'info', 'exclude'), `${pattern.replace(/^!/, '')}\n`)
    // ends with 1 when nothing is ignored
    const told = spawnSync('git', ['-C', folder, 'check-ignore', '--no-index', '--stdin'], { input: `${paths.join('\n')}\n` })
    assert.ok(told.status === 0 || told.status === 1, `${told.stderr}`)
    const ignored = new Set(told.stdout.toString().split('\n'))
    const patterns = parseSparsePatterns(utf8(`${pattern.replace(/^!/, '')}\n`))
    for (const path of paths) {
      const parts = path.split('/')
      const inFolder = parts.slice(1).some((_, i) => matchSparse(patterns, parts.slice(0, i + 1).join('/'), true) === true)
      assert.equal(inFolder || matchSparse(patterns, path, false) === true, ignored.has(path), `${pattern} on ${path}`)
    }
  }
})

test('without paths a star matches slashes; names that are not closed match nothing', () => {
  assert.ok(matchesWildcard(compileWildcard('a*c', false), 'a/b/c'))
  assert.ok(!matchesWildcard(compileWildcard('a*c', true), 'a/b/c'))
  assert.ok(!matchesWildcard(compileWildcard('a[b', true), 'a[b'))
  assert.ok(!matchesWildcard(compileWildcard('a\\', true), 'a\\'))
  assert.ok(matchesWildcard(compileWildcard('', true), ''))
})

test('the last pattern that fits decides; lines are read as git reads them', () => {
  const patterns = parseSparsePatterns(utf8('\ufeff# none\n\n/*\n!/*/\n/keep/\r\nlast \n\\ x\\ \n'))
  assert.equal(patterns.length, 5)
  assert.equal(matchSparse(patterns, '', true), false)
  assert.equal(matchSparse(patterns, 'file', false), true)
  assert.equal(matchSparse(patterns, 'folder', true), false)
  assert.equal(matchSparse(patterns, 'keep', true), true)
  assert.equal(matchSparse(patterns, 'keep/file', false), null)
  assert.equal(matchSparse(patterns, 'x/last', false), true)
  assert.equal(matchSparse(patterns, 'y/ x ', false), true)
})

test('no pattern takes long', () => {
  const wildcard = compileWildcard(`${'*a'.repeat(60)}b`, true)
  assert.equal(matchesWildcard(wildcard, 'a'.repeat(4000)), false)
})

test('the table of git’s own cases, as paths and as plain texts', () => {
  const cases: [pattern: string, text: string, pathname: boolean, plain: boolean][] = [
    ['foo', 'foo', true, true],
    ['foo', 'bar', false, false],
    ['', '', true, true],
    ['???', 'foo', true, true],
    ['??', 'foo', false, false],
    ['*', 'foo', true, true],
    ['*', 'foo/bar', false, true],
    ['*f', 'foo', false, false],
    ['*foo*', 'foo', true, true],
    ['*ob*a*r*', 'foobar', true, true],
    ['foo\\*', 'foo*', true, true],
    ['foo\\*bar', 'foobar', false, false],
    ['[ten]', 'ten', false, false],
    ['t[a-g]n', 'ten', true, true],
    ['t[!a-g]n', 'ten', false, false],
    ['t[^a-g]n', 'ton', true, true],
    ['a[]]b', 'a]b', true, true],
    ['a[]-]b', 'a-b', true, true],
    ['a[]a-]b', 'aab', true, true],
    [']', ']', true, true],
    ['foo*bar', 'foo/baz/bar', false, true],
    ['foo**bar', 'foo/baz/bar', false, true],
    ['foo/**/bar', 'foo/baz/bar', true, true],
    ['foo/**/bar', 'foo/b/a/z/bar', true, true],
    ['foo/**/bar', 'foo/bar', true, false],
    ['foo/**', 'foo', false, false],
    ['foo/**', 'foo/a/b', true, true],
    ['**/foo', 'foo', true, false],
    ['**/foo', 'any/foo', true, true],
    ['**/foo', 'bar/baz/foo', true, true],
    ['*/foo', 'bar/baz/foo', false, true],
    ['**/bar*', 'foo/bar/baz', false, true],
    ['**/bar/*', 'deep/foo/bar/baz', true, true],
    ['**/bar/**', 'deep/foo/bar/baz/', true, true],
    ['*/bar/**', 'deep/foo/bar/baz/x', false, true],
    ['foo?bar', 'foo/bar', false, true],
    ['foo[/]bar', 'foo/bar', false, true],
    ['f[^eiu][^eiu][^eiu][^eiu][^eiu]r', 'foo/bar', false, true],
    ['[[:alpha:]][[:digit:]][[:upper:]]', 'a1B', true, true],
    ['[[:digit:][:upper:][:space:]]', 'A', true, true],
    ['[[:digit:][:upper:][:spaci:]]', '1', false, false],
    ['[a-c[:digit:]x-z]', '5', true, true],
    ['[\\\\-^]', ']', true, true],
    ['[\\-_]', '-', true, true],
    ['[--A]', '-', true, true],
    ['[,-.]', '-', true, true],
    ['[!]-]', ']', false, false],
    ['[-]', '-', true, true],
    ['[', '[', false, false],
    ['a\\', 'a', false, false],
    ['-*-*-*-*-*-*-12-*-*-*-m-*-*-*', '-adobe-courier-bold-o-normal--12-120-75-75-m-70-iso8859-1', true, true],
  ]
  for (const [pattern, text, pathname, plain] of cases) {
    assert.equal(matchesWildcard(compileWildcard(pattern, true), text), pathname, `${pattern} on path ${text}`)
    assert.equal(matchesWildcard(compileWildcard(pattern, false), text), plain, `${pattern} on ${text}`)
  }
  assert.ok(hasWildcard('a*') && !hasWildcard('a-b.c'))
})

test('a pattern made for backtracking costs no more than its length times the text’s', () => {
  assert.equal(matchesWildcard(compileWildcard(`${'*a'.repeat(200)}*b`, false), 'a'.repeat(4000)), false)
  assert.equal(matchesWildcard(compileWildcard(`${'**/a/'.repeat(100)}b`, true), 'a/'.repeat(2000)), false)
})
