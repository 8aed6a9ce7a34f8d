// Command lines as git and git-lfs write them, and whatever else may come.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { InputError } from '../base/index.ts'
import { parsePath, parseSshCommand } from './command-line.ts'

const path = { owner: 'olive', repo: 'hello' }

test('git’s services, in each of their spellings', () => {
  for (const line of [
    `git-upload-pack '/olive/hello.git'`,
    `git-upload-pack 'olive/hello.git'`,
    'git-upload-pack olive/hello',
    'git-upload-pack "olive/hello.git/"',
    `git upload-pack 'olive/hello.git'`,
    `  git-upload-pack   '/olive/hello.git' `,
    `git-upload-pack '/ol'ive'/hello.git'`,
  ]) {
    assert.deepEqual(parseSshCommand(line), { kind: 'git', service: 'git-upload-pack', path }, line)
  }
  assert.deepEqual(parseSshCommand(`git-receive-pack 'it'\\''s/x'`), { kind: 'git', service: 'git-receive-pack', path: null })
  assert.deepEqual(parseSshCommand(`git-upload-archive 'olive/hello'`), { kind: 'git', service: 'git-upload-archive', path })
})

test('git-lfs-authenticate', () => {
  assert.deepEqual(parseSshCommand('git-lfs-authenticate olive/hello.git download'), { kind: 'lfs', operation: 'download', path })
  assert.deepEqual(parseSshCommand(`git-lfs-authenticate '/olive/hello.git' upload ${'a'.repeat(64)}`), {
    kind: 'lfs',
    operation: 'upload',
    path,
  })
  for (const line of [
    'git-lfs-authenticate',
    'git-lfs-authenticate a/b',
    'git-lfs-authenticate a/b delete',
    'git-lfs-authenticate a/b upload x y',
  ]) {
    assert.throws(() => parseSshCommand(line), { code: 'ssh-command' }, line)
  }
})

test('paths that name no repository', () => {
  for (const text of [
    '',
    '/',
    'a',
    'a/',
    '/a//b',
    'a/b/c',
    '../a/b',
    '~a/b/c',
    '~/a',
    'a/b\0',
    'a/b c',
    'ä/b',
    `${'a'.repeat(65)}/b`,
    'a/ b',
    'a/b.git/x',
  ]) {
    assert.equal(parsePath(text), null, text)
  }
  assert.deepEqual(parsePath('a/.git'), { owner: 'a', repo: '' }) // looked up, and never found: no repository is called that
})

test('whatever the line is, it is understood or refused, and no word holds what a shell would have done', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 60 }), fc.constantFrom('', 'git-upload-pack ', `git-upload-pack '`), (noise, before) => {
      try {
        const command = parseSshCommand(before + noise)
        if (command.path !== null) assert.match(`${command.path.owner}/${command.path.repo}`, /^[A-Za-z0-9_.-]+\/[A-Za-z0-9_.-]*$/)
      } catch (error) {
        assert.ok(error instanceof InputError && error.code === 'ssh-command', String(error))
      }
    }),
  )
})
