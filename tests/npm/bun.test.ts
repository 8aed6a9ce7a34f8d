// bun. It signs in by npm's command, and has none for dist-tags, to deprecate, unpublish or search.
import { clientSuite } from './suite.ts'

clientSuite('bun', {
  publish: (tag) => ['publish', ...(tag === undefined ? [] : ['--tag', tag])],
  publishFile: (file) => ['publish', file],
  add: (spec) => ['add', spec],
  ci: ['install', '--frozen-lockfile'],
  lockfile: 'bun.lock',
  distTag: null,
  deprecate: null,
  unpublish: null,
  search: null,
  view: (name) => ['info', name],
  whoami: ['pm', 'whoami'],
  audit: ['audit'],
  signatures: null,
  stage: null,
  workspaces: { range: 'workspace:^', prepare: ['install'], publish: [{ args: ['publish', '--recursive'] }] },
  unauthorised: /401|unable to authenticate/,
  tampered: /Integrity check failed/i,
})
