// Yarn 4 ("berry"). It has no command to deprecate, unpublish or search a registry.
import { passwordLogin, webLogin } from './logins.ts'
import { clientSuite } from './suite.ts'

clientSuite(
  'berry',
  {
    publish: (tag) => ['npm', 'publish', ...(tag === undefined ? [] : ['--tag', tag])],
    publishFile: null,
    add: (spec) => ['add', spec],
    ci: ['install', '--immutable', '--check-cache'],
    lockfile: 'yarn.lock',
    distTag: {
      add: (spec, tag) => ['npm', 'tag', 'add', spec, tag],
      list: (name) => ['npm', 'tag', 'list', name],
      remove: (name, tag) => ['npm', 'tag', 'remove', name, tag],
    },
    deprecate: null,
    unpublish: null,
    search: null,
    view: (name) => ['npm', 'info', name, '--json'],
    whoami: ['npm', 'whoami'],
    audit: ['npm', 'audit'],
    signatures: null,
    stage: {
      publish: ['npm', 'publish', '--staged'],
      list: ['npm', 'stage', 'list'],
      approve: (id) => ['npm', 'stage', 'approve', id],
      reject: (id) => ['npm', 'stage', 'reject', id],
    },
    workspaces: {
      range: 'workspace:^',
      prepare: ['install'],
      publish: [{ args: ['workspaces', 'foreach', '--all', '--no-private', '--topological', 'npm', 'publish'] }],
    },
    unauthorised: /401|Invalid authentication/,
    tampered: /YN0018/,
  },
  (stand) => {
    passwordLogin('berry', stand, { args: ['npm', 'login'], asks: [/Username/, /Password/], logout: ['npm', 'logout'], endsToken: false })
    webLogin('berry', stand, { args: ['npm', 'login', '--web-login'], asked: [/Y\/n/, 'n'], logout: ['npm', 'logout'], endsToken: false })
  },
)
