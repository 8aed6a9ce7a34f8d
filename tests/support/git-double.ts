// The Git half of the API without a Git room behind it: every name stands for something, and every question has an answer. For tests that ask who may,
// and in which shape; what is answered is for the tests with a real server (tests/server/api-git*.test.ts).
import { InputError, systemClock } from '../../src/base/index.ts'
import type { GitApi } from '../../src/api/index.ts'
import { type AnswerOf, type BrowseKind, type CommitValue, type ObjectId, type Ref, unsigned } from '../../src/git/index.ts'

const oid = '1234567890123456789012345678901234567890' as ObjectId
const person = { name: 'A', email: 'a@example.com', seconds: 1_700_000_000 }
const commit: CommitValue = {
  oid,
  tree: oid,
  parents: [oid],
  author: person,
  committer: person,
  message: 'words',
  signature: null,
  payload: null,
  payloadBytes: null,
}
const tag = {
  oid,
  name: 'v1',
  object: oid,
  kind: 'commit',
  tagger: person,
  message: 'words',
  signature: null,
  payload: null,
  payloadBytes: null,
} as const
const file = {
  path: 'main',
  oldPath: null,
  status: 'added',
  oid,
  isSubmodule: false,
  additions: 1,
  deletions: 0,
  patch: '@@ -0,0 +1 @@\n+a',
} as const
const diff = { files: [file], fileCount: 1, additions: 1, deletions: 0 }
const contents = { type: 'file', path: 'main', oid, sizeBytes: 1, content: 'YQ==\n', bytes: null, target: null, commit: oid } as const

const answers: { readonly [K in BrowseKind]: (question: object) => AnswerOf<K> } = {
  blame: () => ({ commit: oid, blob: oid, ranges: [{ start: 1, count: 1, from: 0, path: 'main', originStart: 1 }], commits: [commit] }),
  blobObject: () => ({ oid, sizeBytes: 1, content: 'YQ==\n', bytes: null }),
  commitObject: () => commit,
  commitOf: () => oid,
  commitText: () => new Uint8Array(0),
  compare: () => ({ base: commit, head: oid, mergeBase: commit, aheadCount: 1, behindCount: 0, commits: [commit], diff }),
  compareText: () => new Uint8Array(0),
  folderCommits: () => ({
    commit: oid,
    entries: [{ path: 'a', mode: 0o100644, oid, sizeBytes: 1, last: 0 }],
    commits: [commit],
  }),
  kindsOf: (question) => (question as { names: unknown[] }).names.map(() => 1),
  listCommits: () => ({ commits: [commit], isMore: false, total: 1 }),
  listTree: () => ({ oid, entries: [{ path: 'a', mode: 0o100644, oid, sizeBytes: 1 }], isTruncated: false }),
  readContents: (question) =>
    (question as { isRaw: boolean }).isRaw ? { ...contents, content: null, bytes: Uint8Array.of(97) } : contents,
  readReadme: () => contents,
  showCommit: () => ({ commit, diff }),
  tagObject: () => tag,
}

export const gitDouble: GitApi = {
  browser: {
    view: async ({ repository }) => {
      if (!repository) throw new Error('no repository')
      const refs: Ref[] = ['refs/heads/main', 'refs/main', 'refs/tags/main'].map((name) => ({ name, oid }))
      const byName = new Map(refs.map((ref) => [ref.name, ref]))
      return { repository, refs: { head: 'refs/heads/main', refs, byName }, refsVersion: 1 }
    },
    viewNow: async (request) => await gitDouble.browser.view(request),
    name: () => ({ id: oid, isKnown: true, tips: new Uint8Array(0) }),
    tip: () => ({ id: oid, isKnown: true, tips: new Uint8Array(0) }),
    ask: async <K extends BrowseKind>(_view: unknown, kind: K, question: object) => answers[kind](question) as AnswerOf<K>,
  },
  composer: { ask: unasked, make: unasked, move: unasked, push: unasked },
  clock: systemClock,
  signatures: { verify: async (objects) => objects.map(() => unsigned), version: async () => 0 },
  readGpgKey: async () => {
    throw new InputError('bad-gpg-key', 'no key')
  },
}

/** Requests without a body get no further than that. */
async function unasked(): Promise<never> {
  throw new Error('nothing is written here')
}
