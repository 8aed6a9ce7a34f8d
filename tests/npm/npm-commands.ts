// npm's commands: the release that is current, and the one before it.
import type { Commands } from './suite.ts'

export const npmCommands: Commands = {
  publish: (tag) => ['publish', ...(tag === undefined ? [] : ['--tag', tag])],
  publishFile: (file) => ['publish', file],
  add: (spec) => ['install', spec],
  ci: ['ci'],
  lockfile: 'package-lock.json',
  distTag: {
    add: (spec, tag) => ['dist-tag', 'add', spec, tag],
    list: (name) => ['dist-tag', 'ls', name],
    remove: (name, tag) => ['dist-tag', 'rm', name, tag],
  },
  deprecate: (spec, text) => ['deprecate', spec, text],
  unpublish: (spec) => ['unpublish', spec],
  search: (text) => ['search', text],
  view: (name) => ['view', name],
  whoami: ['whoami'],
  audit: ['audit', '--audit'],
  signatures: null, // needs Sigstore's keys: trust.test.ts
  stage: {
    publish: ['stage', 'publish'],
    list: ['stage', 'list'],
    approve: (id) => ['stage', 'approve', id],
    reject: (id) => ['stage', 'reject', id],
  },
  workspaces: { range: '^1.0.0', publish: [{ args: ['publish', '--workspaces'] }] },
  unauthorised: /E401/,
  tampered: /EINTEGRITY/,
}
