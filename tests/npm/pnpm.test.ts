// pnpm.
import { webLogin } from './logins.ts'
import { clientSuite } from './suite.ts'

clientSuite(
  'pnpm',
  {
    publish: (tag) => ['publish', '--no-git-checks', ...(tag === undefined ? [] : ['--tag', tag])],
    publishFile: (file) => ['publish', file, '--no-git-checks'],
    add: (spec) => ['add', spec],
    ci: ['install', '--frozen-lockfile'],
    lockfile: 'pnpm-lock.yaml',
    distTag: {
      add: (spec, tag) => ['dist-tag', 'add', spec, tag],
      list: (name) => ['dist-tag', 'ls', name],
      remove: (name, tag) => ['dist-tag', 'rm', name, tag],
    },
    deprecate: (spec, text) => ['deprecate', spec, text],
    unpublish: (spec) => ['unpublish', spec],
    search: (text) => ['search', text],
    view: (name) => ['view', name, 'dist-tags'],
    whoami: ['whoami'],
    audit: ['audit'],
    signatures: ['audit', 'signatures'],
    stage: {
      publish: ['stage', 'publish', '--no-git-checks'],
      list: ['stage', 'list'],
      approve: (id) => ['stage', 'approve', id],
      reject: (id) => ['stage', 'reject', id],
    },
    workspaces: {
      range: 'workspace:^',
      files: { 'pnpm-workspace.yaml': 'packages:\n  - packages/*\n' },
      prepare: ['install'],
      publish: [{ args: ['publish', '--recursive', '--no-git-checks'] }],
    },
    unauthorised: /401/,
    tampered: /ERR_PNPM_TARBALL_INTEGRITY/,
  },
  (stand) => webLogin('pnpm', stand, { args: ['login'], logout: ['logout'] }),
)
