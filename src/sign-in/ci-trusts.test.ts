import assert from 'node:assert/strict'
import { test } from 'node:test'
import { matchesTrust } from './ci-trusts.ts'
import { localPath } from './oidc.ts'

test('a trust is meant for jobs each of whose named claims matches', () => {
  const claims = {
    repository: 'org/app',
    ref: 'refs/heads/main',
    run_id: 7,
    workflow_ref: 'org/app/.github/workflows/ci.yml@refs/heads/main',
  }
  const matches = (patterns: Record<string, string>) => matchesTrust({ claims: patterns }, claims)
  assert.ok(matches({ repository: 'org/app' }))
  assert.ok(matches({ repository: 'org/*', ref: 'refs/heads/*', run_id: '7' }))
  assert.ok(matches({ workflow_ref: 'org/app/*/ci.yml@*main' }))
  assert.ok(matches({ repository: '*' }))
  for (const patterns of [
    {},
    { repository: 'org/ap' },
    { repository: 'org/app2' },
    { repository: 'org/app', ref: 'refs/tags/*' },
    { repository: 'org/app', environment: '*' },
    { repository: 'org/app*p' },
    { ref: 'refs/heads/main*main' },
    { repository: 'ORG/app' },
  ]) {
    assert.equal(matches(patterns), false, JSON.stringify(patterns))
  }
  assert.equal(matchesTrust({ claims: { a: 'x' } }, { a: ['x'] }), false)
})

test('a pattern of many stars takes no longer than the text', () => {
  assert.equal(matchesTrust({ claims: { a: `${'*a'.repeat(200)}b` } }, { a: 'a'.repeat(10_000) }), false)
})

test('where a sign-in leads back to is a path of this origin', () => {
  assert.equal(localPath('/a/b?c=d'), '/a/b?c=d')
  for (const elsewhere of [
    '',
    'https://evil.example/',
    '//evil.example',
    '/\\evil.example',
    '\\/evil',
    'javascript:alert(1)',
    '/a\nSet-Cookie: x',
    '/\t/evil',
  ]) {
    assert.equal(localPath(elsewhere), '/', elsewhere)
  }
})
