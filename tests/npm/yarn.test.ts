// Yarn 1 ("classic"). Its `audit` asks one registry, whatever is configured; it has no command to deprecate, unpublish or search.
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { password } from './stand.ts'
import { clientSuite } from './suite.ts'

clientSuite(
  'yarn',
  {
    publish: (tag) => ['publish', '--non-interactive', ...(tag === undefined ? [] : ['--tag', tag])],
    publishFile: (file) => ['publish', file, '--non-interactive'],
    add: (spec) => ['add', spec],
    ci: ['install', '--frozen-lockfile'],
    lockfile: 'yarn.lock',
    distTag: {
      add: (spec, tag) => ['tag', 'add', spec, tag],
      list: (name) => ['tag', 'list', name],
      remove: (name, tag) => ['tag', 'remove', name, tag],
    },
    deprecate: null,
    unpublish: null,
    search: null,
    view: (name) => ['info', name],
    whoami: null,
    audit: null,
    signatures: null,
    stage: null,
    workspaces: {
      range: '^1.0.0',
      publish: ['first', 'second'].map((name) => ({ args: ['publish', '--non-interactive'], cwd: `packages/${name}` })),
    },
    unauthorised: /401|Bad credentials|Requires authentication/,
    tampered: /Integrity check failed/i,
  },
  (stand) => {
    it('signs in by a password for one command: the token that it got is ended again', async () => {
      await stand().account('yara')
      const home = stand().home('yarn', null, 'sign-in', 'yara')
      const [asksLogin, asksAddress] = [/username/, /email/]
      await home.typed(
        ['login'],
        [
          [asksLogin, 'yara'],
          [asksAddress, 'yara@example.org'],
        ],
      )
      const cwd = home.folder('signed-in', { 'package.json': { name: '@yara/thing', version: '1.0.0', license: 'MIT' } })
      const screen = await home.typed(['publish', '--new-version', '1.0.0'], [[/password/, password]], { cwd })
      assert.equal(screen.code, 0, screen.text)
      assert.match(screen.text, /Revoked login token/)
    })
  },
)
