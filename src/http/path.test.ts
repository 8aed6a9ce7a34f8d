import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { assertPath } from './path.ts'
import { Refusal } from './problem.ts'

const refused = (target: string, encodedSlash = false) =>
  assert.throws(() => assertPath(target, encodedSlash), { code: 'bad-path', status: 400 })

test('ordinary paths pass', () => {
  for (const target of [
    '/',
    '/admin/stemma.git/info/refs?service=git-upload-pack',
    '/api/v3/repos/a/..b',
    '/a/...',
    '/a/b%20c',
    '/a?x=//..%2f',
    '/a/.git',
  ]) {
    assertPath(target)
  }
})

test('paths that could be read in two ways are refused', () => {
  const targets = [
    '',
    '*',
    'http://h/a',
    '//a',
    '/a//b',
    '/a/../b',
    '/a/..',
    '/.',
    '/a/%2e%2e/b',
    '/a/.%2E/b',
    '/%2e',
    '/a%2fb',
    '/a%2Fb',
    '/a\\b',
    '/a%5cb',
  ]
  for (const target of [...targets, '/a%00', '/a%0a', '/a%7f', '/a%', '/a%g0', '/a%252e', '/a#b', '/a b', '/ä', '/a\u0000']) refused(target)
})

test('a route may take encoded slashes, but no dot segments through them', () => {
  assertPath('/npm/@scope%2fname', true)
  refused('/npm/a%2f..%2fb', true)
  refused('/npm/%2e%2e%2fb', true)
})

test('whatever passes has no dot segment after decoding', () => {
  const piece = fc.constantFrom('.', '..', '%2e', '%2E', '/', '//', '%2f', 'a', '%', '%25', '\\', '%5c', '%00', '?', '#', 'ä')
  fc.assert(
    fc.property(fc.array(piece), (pieces) => {
      const target = `/${pieces.join('')}`
      try {
        assertPath(target)
      } catch (error) {
        assert.ok(error instanceof Refusal)
        return
      }
      const path = target.split('?')[0] ?? ''
      const decoded = decodeURIComponent(path)
      assert.equal(decoded.split('/').length, path.split('/').length)
      assert.ok(!decoded.split('/').some((segment) => segment === '.' || segment === '..'), target)
    }),
  )
})
