// Which refs a mirror is about, what can't be one, and when a failed one is tried again.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseRefPatterns, refMatcher } from './mirror-refs.ts'
import { type Mirror, retryS } from './mirrors.ts'
import { type MirrorRun, runMirror } from './run-mirror.ts'

test('patterns of refs', () => {
  const isMeant = refMatcher(parseRefPatterns('refs/heads/*, refs/tags/v*/x refs/notes/commits'.replace('refs/tags/v*/x', 'refs/tags/v/*')))
  for (const name of ['refs/heads/main', 'refs/heads/a/b', 'refs/tags/v/1', 'refs/notes/commits']) assert.ok(isMeant(name), name)
  for (const name of ['refs/headsmain', 'refs/tags/v1', 'refs/notes/commits2', 'HEAD']) assert.equal(isMeant(name), false, name)
  assert.ok(refMatcher(parseRefPatterns('refs/*'))('refs/pull/1/head'))
  for (const bad of ['', 'heads/*', 'refs/heads/*x', 'refs/*/x', 'refs/heads/..', 'main']) {
    assert.throws(() => parseRefPatterns(bad), { code: 'mirror-refs' }, bad)
  }
})

test('a failed mirror is tried again soon, then ever later', () => {
  assert.deepEqual(
    [1, 2, 3, 4].map((failures) => retryS(600, failures)),
    [60, 120, 240, 480],
  )
  assert.equal(retryS(600, 100), 6 * 3600)
  assert.equal(retryS(86_400, 100), 86_400)
  assert.equal(retryS(10, 1), 10)
})

test('a repository whose history is cut off is no mirror, neither way: what it claims to have, it lacks', async () => {
  for (const direction of ['pull', 'push'] as const) {
    const mirror = { direction, repository: { settings: { 'stemma.shallow': ['a'.repeat(40)] } } } as unknown as Mirror
    await assert.rejects(runMirror({} as MirrorRun, mirror), { code: 'mirror-shallow' })
  }
})
