// Every path is read in one way.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parsePath } from './path.ts'

const read = (path: string) => {
  const target = parsePath(path)
  if (target === null) return null
  const { owner, name, kind, ...rest } = target
  return [owner, name.full, kind, ...Object.values(rest)]
}

test('paths of the root registry and of owners', () => {
  const cases: readonly (readonly [string, readonly (string | null)[] | null])[] = [
    ['express', [null, 'express', 'packument']],
    ['@acme/a', [null, '@acme/a', 'packument']],
    ['acme/a', ['acme', 'a', 'packument']],
    ['acme/@acme/a', ['acme', '@acme/a', 'packument']],
    ['express/1.2.3', [null, 'express', 'version', '1.2.3']],
    ['express/latest', [null, 'express', 'version', 'latest']],
    ['express/next', ['express', 'next', 'packument']],
    ['@acme/a/next', [null, '@acme/a', 'version', 'next']],
    ['acme/a/next', ['acme', 'a', 'version', 'next']],
    ['acme/a/1.0.0', ['acme', 'a', 'version', '1.0.0']],
    ['express/-/express-1.2.3.tgz', [null, 'express', 'tarball', 'express-1.2.3.tgz']],
    ['acme/a/-/a-1.0.0.tgz', ['acme', 'a', 'tarball', 'a-1.0.0.tgz']],
    ['acme/@x/a/-/a-1.0.0.tgz', ['acme', '@x/a', 'tarball', 'a-1.0.0.tgz']],
    ['@acme/a/-/a-1.0.0.tgz', [null, '@acme/a', 'tarball', 'a-1.0.0.tgz']],
    ['express/-rev/3', [null, 'express', 'revision', '3']],
    ['acme/a/-rev/3', ['acme', 'a', 'revision', '3']],
    ['acme/a/-/a-1.0.0.tgz/-rev/3', ['acme', 'a', 'tarball-revision', 'a-1.0.0.tgz', '3']],
    ['acme/-/whoami', null],
    ['-/whoami', null],
    ['acme/', null],
    ['acme/latest', [null, 'acme', 'version', 'latest']],
    ['acme/x/latest', ['acme', 'x', 'version', 'latest']],
    ['@acme', null],
    ['@acme/1.0.0', [null, '@acme/1.0.0', 'packument']],
    ['acme/a/-/a-1.0.0.tgz/more', null],
    ['acme/_private', null],
    ['acme/.hidden', null],
    ['acme/node_modules', null],
  ]
  for (const [path, wanted] of cases) assert.deepEqual(read(path), wanted, path)
})
