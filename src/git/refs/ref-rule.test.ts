import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { AccountId } from '../../access/index.ts'
import {
  type Allowed,
  fullPattern,
  mustGoForward,
  patternMatcher,
  protectedWord,
  type RefMover,
  refusalByRules,
  type RefRule,
} from './ref-rule.ts'

const nobody: Allowed = { role: null, accounts: [], deploy: false }
const writers: Allowed = { role: 'write', accounts: [], deploy: true }
const admins: Allowed = { ...nobody, role: 'admin' }

function rule(pattern: string, parts: Partial<RefRule> = {}): RefRule {
  const full = fullPattern(pattern)
  return { id: 1, pattern: full, push: writers, force: nobody, delete: nobody, bindsAdmins: true, matches: patternMatcher(full), ...parts }
}
const account = (role: 'read' | 'write' | 'admin', id = 1): RefMover => ({ kind: 'account', accountId: id as AccountId, role })
const matches = (pattern: string, ref: string) => patternMatcher(fullPattern(pattern))(ref)

test('patterns: branches by their own names, * within a part, ** across parts, case counts', () => {
  const yes = [
    ['main', 'refs/heads/main'],
    ['refs/tags/*', 'refs/tags/v1'],
    ['release/*', 'refs/heads/release/1'],
    ['release/**', 'refs/heads/release/1/fix'],
    ['release/**', 'refs/heads/release/1'],
    ['**', 'refs/heads/a/b/c'],
    ['**/fix', 'refs/heads/fix'],
    ['**/fix', 'refs/heads/a/b/fix'],
    ['v*.*', 'refs/heads/v1.2'],
    ['refs/**', 'refs/notes/commits'],
    ['ünï/*', 'refs/heads/ünï/日本'],
  ] as const
  const no = [
    ['main', 'refs/tags/main'],
    ['main', 'refs/heads/main2'],
    ['main', 'refs/heads/Main'],
    ['release/*', 'refs/heads/release/1/fix'],
    ['release/*', 'refs/heads/release'],
    ['refs/tags/*', 'refs/heads/refs/tags/v1'],
    ['*', 'refs/heads/a/b'],
    ['v*.*', 'refs/heads/v1'],
    ['**/fix', 'refs/heads/prefix'],
  ] as const
  for (const [pattern, ref] of yes) assert.equal(matches(pattern, ref), true, `${pattern} ${ref}`)
  for (const [pattern, ref] of no) assert.equal(matches(pattern, ref), false, `${pattern} ${ref}`)
})

test('patterns: * is what a regular expression says', () => {
  const name = fc.stringMatching(/^[ab/]{1,10}$/).filter((text) => !/^\/|\/\/|\/$/.test(text))
  const pattern = fc.stringMatching(/^[ab*/]{1,8}$/).filter((text) => !/^\/|\/\/|\/$|\*\*/.test(text))
  fc.assert(
    fc.property(pattern, name, (text, ref) => {
      const expression = new RegExp(`^refs/heads/${text.replaceAll('*', '[^/]*')}$`)
      assert.equal(matches(text, `refs/heads/${ref}`), expression.test(`refs/heads/${ref}`))
    }),
  )
})

test('a pattern that no ref can match, or that takes long to compare, is refused', () => {
  for (const text of [
    '',
    'ma in',
    'a..b',
    'refs/heads/',
    '-x^',
    '/a',
    'a?b',
    'a[b]',
    'a\\b',
    '***',
    'a\0',
    '\ud800',
    '@{x',
    'a.lock',
    'x'.repeat(260),
  ]) {
    assert.throws(() => fullPattern(text), { code: 'ref-pattern' }, text)
  }
  assert.throws(() => fullPattern('*a'.repeat(9)), { code: 'ref-pattern' })
  assert.equal(fullPattern('*a'.repeat(8)), `refs/heads/${'*a'.repeat(8)}`)
})

test('every rule that the ref matches must let it through', () => {
  const rules = [rule('**', { push: admins, force: admins }), rule('main')]
  const move = { ref: 'refs/heads/main', kind: 'update', isForward: true } as const
  assert.match(
    refusalByRules(rules, account('write'), move) ?? '',
    /rule refs\/heads\/\*\*: only who administers the repository may push to it/,
  )
  assert.equal(refusalByRules(rules, account('admin'), move), null)
  assert.match(
    refusalByRules(rules, account('admin'), { ...move, isForward: false }) ?? '',
    /rule refs\/heads\/main: nobody may force-push/,
  )
  assert.equal(refusalByRules(rules, account('write'), { ...move, ref: 'refs/tags/main' }), null)
})

test('who: roles, accounts, what is at home in the repository, administrators where a rule says so, and who runs the server', () => {
  const create = { ref: 'refs/heads/main', kind: 'create' } as const
  const says = (parts: Partial<RefRule>, by: RefMover) => refusalByRules([rule('main', parts)], by, create)
  const listed: Allowed = { role: null, accounts: [{ id: 7 as AccountId, login: 'ann' }], deploy: false }
  assert.equal(says({ push: listed }, account('write', 7)), null)
  assert.match(says({ push: listed }, account('admin', 8)) ?? '', /only ann may push to it; push to another branch/)
  assert.equal(says({ push: listed, bindsAdmins: false }, account('admin', 8)), null)
  assert.match(says({ push: listed, bindsAdmins: false }, { kind: 'deploy' }) ?? '', /only ann/)
  assert.equal(says({ push: { ...listed, deploy: true } }, { kind: 'deploy' }), null)
  assert.match(says({ push: admins }, { kind: 'deploy' }) ?? '', /only who administers/)
  assert.match(says({ push: { ...writers, deploy: false } }, account('read')) ?? '', /only who may write to it may push/)
  assert.equal(says({ push: nobody }, { kind: 'operator' }), null)
  const many = Array.from({ length: 9 }, (_, i) => ({ id: i as AccountId, login: `u${i}` }))
  assert.match(
    says({ push: { role: 'admin', accounts: many, deploy: true } }, account('write', 50)) ?? '',
    /u3, u4, 4 more and its deploy keys/,
  )
})

test('whether it is a fast-forward is asked where somebody may not force, and what nobody has looked at is no fast-forward', () => {
  const rules = [rule('main', { force: admins })]
  assert.equal(mustGoForward(rules, account('write'), 'refs/heads/main'), true)
  assert.equal(mustGoForward(rules, account('admin'), 'refs/heads/main'), false)
  assert.equal(mustGoForward(rules, account('write'), 'refs/heads/other'), false)
  assert.equal(mustGoForward(rules, { kind: 'operator' }, 'refs/heads/main'), false)
  const update = { ref: 'refs/heads/main', kind: 'update' } as const
  assert.match(refusalByRules(rules, account('write'), update) ?? '', /came to be protected .* push again/)
  assert.equal(refusalByRules(rules, account('admin'), update), null)
  assert.match(refusalByRules([rule('main', { push: nobody })], account('admin'), update) ?? '', /nobody may push/)
})

test('the word for the report names the kind of ref', () => {
  assert.deepEqual(['refs/heads/a', 'refs/tags/a', 'refs/notes/a'].map(protectedWord), [
    'protected branch hook declined',
    'protected tag hook declined',
    'protected ref hook declined',
  ])
})
