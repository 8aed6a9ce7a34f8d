// Writing to a repository by the API, as Octokit does it; what comes out is cloned and looked through by git.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Octokit } from 'octokit'
import { refusal } from '../support/api-git.ts'
import { octokitOf } from '../support/octokit.ts'
import { wholeClone } from '../support/git.ts'
import { type Host, openHost, stemmaOnly } from '../support/host.ts'

let host: Host
let octokit: Octokit
let rest: Octokit['rest']
let repositories = 0
before(async () => {
  if (stemmaOnly.skip !== undefined) return
  host = await openHost('api-git-write')
  octokit = octokitOf(host.server.url, host.server.token)
  rest = octokit.rest
})
after(async () => await host?.close())

const base64 = (text: string) => Buffer.from(text).toString('base64')

async function fresh(commits = 2): Promise<{ owner: string; repo: string }> {
  const repo = `repo-${repositories++}`
  const url = await host.server.create(repo, { private: true })
  if (commits > 0) {
    const work = await host.git.makeRepository(host.folder.join(repo), commits)
    await host.git.run(['push', '-q', url, 'main'], { cwd: work })
  }
  return { owner: 'admin', repo }
}

/** A clone that git finds whole, and what it says of it. */
async function cloned({ repo }: { repo: string }) {
  const url = host.server.repositoryUrl(repo)
  const path = await wholeClone(host.git, url, host.folder.join(`clone-${repositories++}`))
  return async (...args: string[]) => await host.git.read(args, { cwd: path })
}

const tipOf = async (at: { owner: string; repo: string }, ref = 'heads/main') => (await rest.git.getRef({ ...at, ref })).data.object.sha

test('a commit by blobs, trees, commits and refs', stemmaOnly, async () => {
  const at = await fresh()
  const parent = await tipOf(at)
  const { data: before } = await rest.git.getCommit({ ...at, commit_sha: parent })
  const blob = await rest.git.createBlob({ ...at, content: base64('made by hand\n'), encoding: 'base64' })
  assert.equal(blob.status, 201)
  // it may be read at once, though no ref reaches it
  assert.equal(
    Buffer.from((await rest.git.getBlob({ ...at, file_sha: blob.data.sha })).data.content, 'base64').toString(),
    'made by hand\n',
  )
  const tree = await rest.git.createTree({
    ...at,
    base_tree: before.tree.sha,
    tree: [
      { path: 'new/deep/file.txt', mode: '100644', type: 'blob', sha: blob.data.sha },
      { path: 'run.sh', mode: '100755', type: 'blob', content: '#!/bin/sh\n' },
      { path: 'link', mode: '120000', type: 'blob', content: 'run.sh' },
      { path: 'file-1.txt', mode: '100644', type: 'blob', sha: null },
      { path: 'library', mode: '160000', type: 'commit', sha: '1234567890123456789012345678901234567890' },
    ],
  })
  const commit = await rest.git.createCommit({
    ...at,
    message: 'by hand\n\nwith ümlauts',
    tree: tree.data.sha,
    parents: [parent],
    author: { name: 'Ada Lovelace', email: 'ada@example.com', date: '2024-02-03T04:05:06+01:00' },
  })
  assert.deepEqual([commit.data.author.date, commit.data.committer.name], ['2024-02-03T03:05:06Z', 'Ada Lovelace'])
  const ref = await rest.git.createRef({ ...at, ref: 'refs/heads/by/hand', sha: commit.data.sha })
  assert.deepEqual([ref.status, ref.data.object.sha], [201, commit.data.sha])
  const moved = await rest.git.updateRef({ ...at, ref: 'heads/main', sha: commit.data.sha })
  assert.equal(moved.data.object.sha, commit.data.sha)
  const tag = await rest.git.createTag({ ...at, tag: 'v1', message: 'one', object: commit.data.sha, type: 'commit' })
  await rest.git.createRef({ ...at, ref: 'refs/tags/v1', sha: tag.data.sha })

  const git = await cloned(at)
  assert.equal(
    await git('rev-parse', 'main', 'by/hand', 'v1', 'v1^{}'),
    [commit.data.sha, commit.data.sha, tag.data.sha, commit.data.sha].join('\n'),
  )
  assert.equal(
    await git('log', '-1', '--format=%an %ae %aI%n%B', 'main'),
    'Ada Lovelace ada@example.com 2024-02-03T04:05:06+01:00\nby hand\n\nwith ümlauts',
  )
  const raw = await git('diff-tree', '-r', '--name-status', 'main~1', 'main')
  assert.equal(raw, 'D\tfile-1.txt\nA\tlibrary\nA\tlink\nA\tnew/deep/file.txt\nA\trun.sh')
  assert.match(await git('ls-tree', 'main', 'run.sh'), /^100755 /)
  assert.equal(await git('show', 'main:new/deep/file.txt'), 'made by hand')
})

test('refs: create, move, force, delete, and what stands against it', stemmaOnly, async () => {
  const at = await fresh(3)
  const { data: log } = await rest.repos.listCommits(at)
  const [tip, middle] = log.map((commit) => commit.sha) as [string, string]
  const said = async (call: Promise<unknown>) => await refusal(call)
  await rest.git.createRef({ ...at, ref: 'refs/heads/topic', sha: middle })
  assert.deepEqual(await said(rest.git.createRef({ ...at, ref: 'refs/heads/topic', sha: tip })), {
    status: 422,
    message: 'Reference already exists',
  })
  assert.deepEqual(await said(rest.git.createRef({ ...at, ref: 'refs/heads/x', sha: '1'.repeat(40) })), {
    status: 422,
    message: 'Object does not exist',
  })
  for (const ref of [
    'heads/x',
    'refs/x',
    'refs/heads/a..b',
    'refs/heads/.x',
    'refs/heads/x.lock',
    'refs/heads/a b',
    'refs/heads//x',
    'refs/heads/\u0007',
    'HEAD',
  ]) {
    assert.equal((await said(rest.git.createRef({ ...at, ref, sha: tip }))).status, 422, ref)
  }
  assert.equal((await said(rest.git.createRef({ ...at, ref: 'refs/heads/topic/below', sha: tip }))).status, 422, 'a folder of a branch')
  await rest.git.updateRef({ ...at, ref: 'heads/topic', sha: tip })
  assert.deepEqual(await said(rest.git.updateRef({ ...at, ref: 'heads/topic', sha: middle })), {
    status: 422,
    message: 'Update is not a fast forward',
  })
  assert.equal((await rest.git.updateRef({ ...at, ref: 'heads/topic', sha: middle, force: true })).data.object.sha, middle)
  assert.deepEqual(await said(rest.git.updateRef({ ...at, ref: 'heads/nope', sha: tip })), {
    status: 422,
    message: 'Reference does not exist',
  })
  const { data: blob } = await rest.git.createBlob({ ...at, content: 'x' })
  assert.equal((await said(rest.git.createRef({ ...at, ref: 'refs/heads/blob', sha: blob.sha }))).status, 422, 'a branch that is no commit')
  assert.equal((await rest.git.createRef({ ...at, ref: 'refs/things/blob', sha: blob.sha })).status, 201)
  assert.equal((await rest.git.deleteRef({ ...at, ref: 'heads/topic' })).status, 204)
  assert.deepEqual(await said(rest.git.deleteRef({ ...at, ref: 'heads/topic' })), { status: 422, message: 'Reference does not exist' })
  assert.deepEqual(await said(rest.git.deleteRef({ ...at, ref: 'heads/main' })), {
    status: 422,
    message: 'Cannot delete the default branch',
  })
})

test('the repository’s settings hold for the API, too', stemmaOnly, async () => {
  const at = await fresh(3)
  const { data: log } = await rest.repos.listCommits(at)
  const [tip, middle] = log.map((commit) => commit.sha) as [string, string]
  await rest.git.createRef({ ...at, ref: 'refs/heads/kept', sha: tip })
  await rest.git.createRef({ ...at, ref: 'refs/secret/one', sha: middle })
  await host.configure(at.repo, { 'transfer.hideRefs': ['refs/secret'] })
  const rule = { pattern: 'kept', force: { role: null }, delete: { role: null }, enforce_admins: true }
  assert.equal((await host.server.api('POST', `/api/v3/repos/admin/${at.repo}/ref-rules`, rule)).status, 201)
  assert.match(
    (await refusal(rest.git.updateRef({ ...at, ref: 'heads/kept', sha: middle, force: true }))).message,
    /is protected by the rule/,
  )
  assert.match((await refusal(rest.git.deleteRef({ ...at, ref: 'heads/kept' }))).message, /is protected by the rule/)
  assert.match((await refusal(rest.repos.renameBranch({ ...at, branch: 'kept', new_name: 'lost' }))).message, /is protected by the rule/)
  await host.configure(at.repo, { 'receive.denyNonFastForwards': true })
  assert.deepEqual(await refusal(rest.git.updateRef({ ...at, ref: 'heads/main', sha: middle, force: true })), {
    status: 422,
    message: 'Update is not a fast forward',
  })
  // hidden: as if it weren't there, and not to be made
  assert.equal((await refusal(rest.git.getRef({ ...at, ref: 'secret/one' }))).status, 404)
  assert.deepEqual(await refusal(rest.git.updateRef({ ...at, ref: 'secret/one', sha: tip })), {
    status: 422,
    message: 'Reference does not exist',
  })
  for (const ref of ['refs/secret/one', 'refs/secret/two']) {
    assert.deepEqual(await refusal(rest.git.createRef({ ...at, ref, sha: tip })), { status: 422, message: 'Reference update failed' })
  }
  assert.equal((await rest.repos.getBranch({ ...at, branch: 'kept' })).data.protected, true)
  await host.configure(at.repo, { 'http.receivepack': false })
  assert.equal((await refusal(rest.git.createBlob({ ...at, content: 'x' }))).status, 403)
})

test('files: create, change, delete, each by the id that was there', stemmaOnly, async () => {
  const at = await fresh(0)
  const put = async (path: string, text: string, more: object = {}) =>
    await rest.repos.createOrUpdateFileContents({ ...at, path, message: `put ${path}`, content: base64(text), ...more })
  const first = await put('notes/one.txt', 'one\n')
  assert.equal(first.status, 201)
  assert.deepEqual([first.data.content?.path, first.data.commit.parents?.length], ['notes/one.txt', 0])
  const sha = first.data.content?.sha ?? ''
  assert.deepEqual(await refusal(put('notes/one.txt', 'two\n')), { status: 422, message: `"sha" wasn't supplied.` })
  assert.equal((await refusal(put('notes/one.txt', 'two\n', { sha: '1'.repeat(40) }))).status, 409)
  const second = await put('notes/one.txt', 'two\n', { sha })
  assert.deepEqual([second.status, second.data.commit.parents?.[0]?.sha], [200, first.data.commit.sha])
  assert.equal((await refusal(put('notes/one.txt', 'three\n', { sha }))).status, 409, 'what was there before')
  await put('ünï cödé/größe.txt', 'ümlaut', { committer: { name: 'Bob', email: 'bob@example.com' } })
  assert.equal((await refusal(put('notes', 'x', { sha }))).status, 422, 'a folder')
  assert.equal((await refusal(put('new.txt', 'x', { branch: 'nope' }))).status, 404)
  assert.equal((await refusal(rest.repos.createOrUpdateFileContents({ ...at, path: 'x', message: 'm', content: '!!!' }))).status, 422)
  for (const path of ['.git/config', 'a/.GIT/x', '.git']) assert.equal((await refusal(put(path, 'x'))).status, 422, path)
  const gone = await rest.repos.deleteFile({ ...at, path: 'notes/one.txt', message: 'gone', sha: second.data.content?.sha ?? '' })
  assert.equal(gone.data.content, null)
  assert.equal((await refusal(rest.repos.deleteFile({ ...at, path: 'notes/one.txt', message: 'gone', sha }))).status, 404)
  const git = await cloned(at)
  assert.equal(await git('-c', 'core.quotePath=false', 'ls-tree', '-r', '--name-only', 'main'), 'ünï cödé/größe.txt')
  assert.equal(
    await git('log', '--reverse', '--format=%s %cn', 'main'),
    'put notes/one.txt admin\nput notes/one.txt admin\nput ünï cödé/größe.txt Bob\ngone admin',
  )
})

test('files that many write at once: each commit is kept, or its writer is told', stemmaOnly, async () => {
  const at = await fresh(1)
  const outcomes = await Promise.allSettled(
    Array.from({ length: 12 }, async (_, i) =>
      rest.repos.createOrUpdateFileContents({ ...at, path: `many/${i}`, message: `file ${i}`, content: base64(String(i)) }),
    ),
  )
  const done = outcomes.flatMap((outcome, i) => (outcome.status === 'fulfilled' ? [String(i)] : []))
  for (const outcome of outcomes) if (outcome.status === 'rejected') assert.equal((outcome.reason as { status: number }).status, 409)
  assert.ok(done.length > 0)
  const git = await cloned(at)
  const there = (await git('ls-tree', '-r', '--name-only', 'main', 'many/')).split('\n').map((name) => name.replace('many/', ''))
  assert.deepEqual(there.sort(), done.sort())
})

test('merges', stemmaOnly, async () => {
  const at = await fresh(2)
  const branchFrom = async (name: string, files: Record<string, string>) => {
    const main = await tipOf(at)
    const { data: parent } = await rest.git.getCommit({ ...at, commit_sha: main })
    const entries = Object.entries(files).map(([path, content]) => ({ path, mode: '100644' as const, type: 'blob' as const, content }))
    const { data: tree } = await rest.git.createTree({ ...at, base_tree: parent.tree.sha, tree: entries })
    const { data: commit } = await rest.git.createCommit({ ...at, message: name, tree: tree.sha, parents: [main] })
    await rest.git.createRef({ ...at, ref: `refs/heads/${name}`, sha: commit.sha })
  }
  await branchFrom('one', { 'folder/deep/x.txt': 'x', 'one.txt': 'one' })
  await branchFrom('two', { 'folder/deep/y.txt': 'y', 'two.txt': 'two' })
  await branchFrom('three', { 'one.txt': 'another one' })
  const merged = await rest.repos.merge({ ...at, base: 'main', head: 'one', commit_message: 'first' })
  assert.deepEqual([merged.status, merged.data.parents.length], [201, 2])
  assert.equal((await rest.repos.merge({ ...at, base: 'main', head: 'two' })).status, 201)
  assert.equal((await rest.repos.merge({ ...at, base: 'main', head: 'two' })).status, 204 as never)
  assert.deepEqual(await refusal(rest.repos.merge({ ...at, base: 'main', head: 'three' })), { status: 409, message: 'Merge conflict' })
  assert.deepEqual(await refusal(rest.repos.merge({ ...at, base: 'nope', head: 'one' })), { status: 404, message: 'Base does not exist' })
  assert.deepEqual(await refusal(rest.repos.merge({ ...at, base: 'main', head: 'nope' })), { status: 404, message: 'Head does not exist' })
  const git = await cloned(at)
  // git comes to the same tree
  assert.equal(await git('merge-tree', '--write-tree', 'main~1', 'two'), await git('rev-parse', 'main^{tree}'))
})

test('a branch gets another name, HEAD’s too', stemmaOnly, async () => {
  const at = await fresh(1)
  const tip = await tipOf(at)
  await rest.git.createRef({ ...at, ref: 'refs/heads/a/b', sha: tip })
  const renamed = await rest.repos.renameBranch({ ...at, branch: 'a/b', new_name: 'c' })
  assert.deepEqual([renamed.status, renamed.data.name], [201, 'c'])
  await rest.repos.renameBranch({ ...at, branch: 'main', new_name: 'trunk' })
  assert.equal((await rest.repos.get(at)).data.default_branch, 'trunk')
  assert.deepEqual(
    (await rest.repos.listBranches(at)).data.map((branch) => branch.name),
    ['c', 'trunk'],
  )
  assert.equal((await refusal(rest.repos.renameBranch({ ...at, branch: 'c', new_name: 'trunk' }))).status, 422)
  assert.equal((await refusal(rest.repos.renameBranch({ ...at, branch: 'nope', new_name: 'x' }))).status, 404)
  assert.equal((await refusal(rest.repos.renameBranch({ ...at, branch: 'c', new_name: 'a..b' }))).status, 422)
})

test('what is no object, or none of that kind', stemmaOnly, async () => {
  const at = await fresh(1)
  const tip = await tipOf(at)
  const { data: commit } = await rest.git.getCommit({ ...at, commit_sha: tip })
  const none = '1'.repeat(40)
  const trees = (tree: unknown[], more: object = {}) =>
    octokit.request('POST /repos/{owner}/{repo}/git/trees', { ...at, tree, ...more } as never)
  const entry = { path: 'x', mode: '100644', type: 'blob' }
  const bad: readonly [unknown[], object?][] = [
    [[{ ...entry, sha: none }]],
    [[{ ...entry, sha: tip }]],
    [[{ ...entry, sha: commit.tree.sha }]],
    [[{ ...entry, content: 'x', sha: none }]],
    [[entry]],
    [[{ ...entry, content: 'x' }], { base_tree: none }],
    [
      [
        { ...entry, content: 'x' },
        { ...entry, content: 'y' },
      ],
    ],
    [
      [
        { ...entry, content: 'x' },
        { ...entry, path: 'x/y', content: 'y' },
      ],
    ],
    [[{ ...entry, path: 'nowhere', sha: null }]],
    [[]],
    [[{ ...entry, content: '\ud800' }]],
    ...['../x', '/x', 'a//b', './x', 'a/..', '.git/x', 'a/.Git', `${'n'.repeat(300)}`, 'a\0b', '\ud800', ''].map(
      (path) => [[{ ...entry, path, content: 'x' }]] as [unknown[]],
    ),
  ]
  for (const [tree, more] of bad) assert.equal((await refusal(trees(tree, more))).status, 422, JSON.stringify(tree))
  const commits = (body: object) =>
    refusal(octokit.request('POST /repos/{owner}/{repo}/git/commits', { ...at, message: 'm', tree: commit.tree.sha, ...body } as never))
  for (const body of [
    { tree: none },
    { tree: tip },
    { parents: [none] },
    { parents: [commit.tree.sha] },
    { message: '' },
    { message: 'a\0b' },
    { author: { name: '<>', email: 'e' } },
    { author: { name: 'a', email: 'e', date: 'soon' } },
    { tree: 'main' },
  ]) {
    assert.equal((await commits(body)).status, 422, JSON.stringify(body))
  }
  // a name that wants to be two lines
  const { data } = await rest.git.createCommit({
    ...at,
    message: 'm',
    tree: commit.tree.sha,
    parents: [],
    author: { name: 'a\nparent 1', email: 'e>\nx', date: '2024-01-01T00:00:00Z' },
  })
  assert.deepEqual([data.parents.length, data.author.name], [0, 'aparent 1'])
  assert.equal((await refusal(rest.git.createTag({ ...at, tag: 'x', message: '', object: none, type: 'commit' }))).status, 422)
  assert.equal((await refusal(rest.git.createTag({ ...at, tag: 'x', message: '', object: tip, type: 'blob' }))).status, 422)
  assert.equal((await refusal(rest.git.createTag({ ...at, tag: 'a\nb', message: '', object: tip, type: 'commit' }))).status, 422)
})
