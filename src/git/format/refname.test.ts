import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import fc from 'fast-check'
import { Git, TempFolder } from '../../../tests/support/git.ts'
import { compareRefnames, conflictingRefname, findRefnameConflict, isRefname, MAX_REFNAME_BYTES, refusalOfPushTo } from './refname.ts'

const piece = fc.constantFrom(
  'refs',
  'heads',
  'a',
  'main',
  '/',
  '/',
  '/',
  '.',
  '..',
  '.lock',
  'lock',
  '@',
  '@{',
  '{',
  '}',
  '*',
  '?',
  '[',
  ']',
  '\\',
  '^',
  '~',
  ':',
  ' ',
  '-',
  '\t',
  '\x7f',
  '\x1f',
  'ü',
  '🜚',
  '!',
  '$',
)
const anyName = fc.oneof(
  fc.array(piece, { minLength: 1, maxLength: 6 }).map((parts) => parts.join('')),
  fc.array(piece, { minLength: 1, maxLength: 3 }).map((parts) => `refs/heads/${parts.join('')}`),
)

describe('the form of names', () => {
  test('is git’s', async () => {
    const temp = new TempFolder('stemma-refname')
    after(() => temp.remove())
    const git = new Git(temp)
    const names = [
      ...new Set(fc.sample(anyName, { numRuns: 450, seed: 11 })),
      'refs/heads/a.lock',
      'refs/heads/.a',
      'a/b.lock/c',
      '@',
      'a/@',
      'refs/heads/x.',
      'refs/heads/x./y',
      '/a',
      'a//b',
    ]
    // A name that begins with a dash would be an option to the command.
    const cases = names
      .filter((name) => !name.startsWith('-'))
      .flatMap((name, i) => [
        { name, args: [], rules: {} },
        ...(i % 3 === 0 ? [{ name, args: ['--allow-onelevel'], rules: { allowOneLevel: true } }] : []),
        ...(i % 3 === 1 ? [{ name, args: ['--refspec-pattern'], rules: { allowPattern: true } }] : []),
      ])
    let taken = 0
    for (let at = 0; at < cases.length; at += 16) {
      const results = await Promise.all(
        cases.slice(at, at + 16).map(({ name, args }) => git.run(['check-ref-format', ...args, name], { mayFail: true })),
      )
      for (const [i, { code }] of results.entries()) {
        const { name, rules } = cases[at + i] as (typeof cases)[number]
        if (code === 0) taken++
        assert.equal(isRefname(name, rules), code === 0, JSON.stringify({ name, rules }))
      }
    }
    assert.ok(taken > 50, `${taken} of ${cases.length} names were good`)
  })
})

describe('what a push may touch', () => {
  test('lies below refs/', () => {
    for (const name of ['refs/heads/main', 'refs/tags/v1.0', 'refs/x/y', 'refs/heads/ü']) assert.equal(refusalOfPushTo(name), null, name)
    for (const name of [
      'HEAD',
      'refs',
      'refs/',
      'refs/x',
      'main',
      'refs/heads/',
      'refs/heads/a..b',
      'refs/../HEAD',
      'heads/main',
      'refs/heads/a b',
      '',
      'refs/heads/\0',
    ]) {
      assert.equal(refusalOfPushTo(name), 'funny refname', name)
    }
  })
  test('may delete one level below it', () => assert.equal(refusalOfPushTo('refs/x', true), null))
  test('has a length', () => {
    const longest = `refs/heads/${'n'.repeat(MAX_REFNAME_BYTES - 11)}`
    assert.equal(refusalOfPushTo(longest), null)
    assert.equal(refusalOfPushTo(`${longest}n`), 'refname too long')
    assert.equal(refusalOfPushTo(`refs/heads/${'ü'.repeat(500)}`), 'refname too long')
  })
})

describe('names beside each other', () => {
  const anyPath = fc
    .array(fc.constantFrom('a', 'a-', 'ab', 'b', 'a.b', 'ü', '🜚', '￮'), { minLength: 1, maxLength: 4 })
    .map((parts) => parts.join('/'))
  const anySet = fc.uniqueArray(anyPath, { maxLength: 12 })
  const isBelow = (inner: string, outer: string) => inner.startsWith(`${outer}/`)

  test('are ordered by their bytes', () => {
    fc.assert(
      fc.property(anyPath, anyPath, (a, b) =>
        assert.equal(Math.sign(compareRefnames(a, b)), Buffer.compare(Buffer.from(a), Buffer.from(b))),
      ),
    )
  })
  test('conflict when one is a folder of the other', () => {
    fc.assert(
      fc.property(anySet, (set) => {
        const sorted = [...set].sort(compareRefnames)
        const expected = sorted.some((outer) => sorted.some((inner) => isBelow(inner, outer)))
        const found = findRefnameConflict(sorted)
        assert.equal(found !== null, expected)
        if (found) assert.ok(isBelow(found.below, found.name))
      }),
      { numRuns: 1000 },
    )
  })
  test('conflict with a new one', () => {
    fc.assert(
      fc.property(anySet, anyPath, (set, name) => {
        const found = conflictingRefname(name, [...set].sort(compareRefnames))
        const conflicts = set.filter((other) => isBelow(other, name) || isBelow(name, other))
        assert.equal(found !== null, conflicts.length > 0)
        if (found) assert.ok(conflicts.includes(found))
      }),
      { numRuns: 1000 },
    )
  })
})
