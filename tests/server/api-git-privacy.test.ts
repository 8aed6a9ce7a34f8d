// Forks share a store, and knowing an id is not permission: every parameter and every field of the API that takes an id is tried with what a private fork has
// beside its public parent, and answers as for an id that nobody has. So are ids of hidden refs, and of what another repository wrote by the API.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Octokit } from 'octokit'
import type { TestAccount } from '../support/accounts.ts'
import { octokitOf } from '../support/octokit.ts'
import { openDatabase } from '../support/database.ts'
import { Forks } from '../support/forks.ts'
import { type Host, openHost, stemmaOnly } from '../support/host.ts'

let host: Host
let forks: Forks
let bob: TestAccount
let admin: Octokit
let bobs: Octokit
const at = { owner: 'admin', repo: 'parent' }
/** What bob alone may see. */
const secret = { commit: '', tree: '', blob: '', tag: '', own: '' }
const none = '0123456789012345678901234567890123456789'
before(async () => {
  if (stemmaOnly.skip !== undefined) return
  host = await openHost('api-git-privacy')
  forks = Forks.open(host.server)
  bob = await forks.account('bob')
  admin = octokitOf(host.server.url, (await forks.account('alice')).token)
  bobs = octokitOf(host.server.url, bob.token)
  const work = await host.git.makeRepository(host.folder.join('work'), 3)
  const url = await host.server.create('parent', { private: false })
  await host.git.run(['push', '-q', url, 'main'], { cwd: work })
  const forkUrl = await forks.fork(['admin', 'parent'], bob, 'fork', 'private')
  const git = async (...args: string[]) => await host.git.read(args, { cwd: work })
  secret.commit = await host.git.commit(work, { 'secret/file.txt': 'bob alone\n' })
  await git('tag', '-a', 'secret', '-m', 'bob alone')
  secret.tree = await git('rev-parse', 'HEAD:secret')
  secret.blob = await git('rev-parse', 'HEAD:secret/file.txt')
  secret.tag = await git('rev-parse', 'secret')
  await host.git.run(['push', '-q', forkUrl, 'main', 'secret'], { cwd: work })
  secret.own = (await bobs.rest.git.createBlob({ owner: 'bob', repo: 'fork', content: 'by the API' })).data.sha
})
after(async () => {
  await forks?.close()
  await host?.close()
})

/** Status and message of what is answered to somebody who may write to the parent, ids left out. */
async function answer(method: string, path: string, body?: object): Promise<string> {
  const { status, body: document } = await host.server.api(method, `/api/v3/repos/admin/parent/${path}`, body)
  return `${status} ${JSON.stringify(document).replaceAll(/[0-9a-f]{40}/g, 'ID')}`
}

const kinds = ['commit', 'tree', 'blob', 'tag', 'own'] as const

test('reading by id', stemmaOnly, async () => {
  for (const kind of kinds) {
    const paths = (id: string) => [
      `git/blobs/${id}`,
      `git/trees/${id}?recursive=1`,
      `git/commits/${id}`,
      `git/tags/${id}`,
      `commits/${id}`,
      `commits/${id.slice(0, 12)}`,
      `commits?sha=${id}`,
      `contents/secret/file.txt?ref=${id}`,
      `contents/file.txt?ref=${id}`,
      `readme?ref=${id}`,
      `raw/secret/file.txt?ref=${id}`,
      `compare/main...${id}`,
      `compare/${id}...main`,
      `compare/main...bob:${id}`,
      `compare/main...bob:main`,
    ]
    const [mine, nobodys] = [paths(secret[kind]), paths(none)]
    for (const [i, path] of mine.entries()) {
      const isOwn = path.endsWith('bob:main') || path.includes('bob:')
      if (isOwn) continue // the administrator may read bob's fork: asked by somebody who may not, below
      const said = await answer('GET', path)
      assert.match(said, /^4/)
      assert.equal(
        said.replaceAll(secret[kind].slice(0, 12), 'ID'),
        (await answer('GET', nobodys[i] as string)).replaceAll(none.slice(0, 12), 'ID'),
        path,
      )
    }
  }
  for (const head of [`bob:main`, `bob:${secret.commit}`]) {
    const said = await admin.rest.repos
      .compareCommitsWithBasehead({ ...at, basehead: `main...${head}` })
      .catch((error: { status: number }) => error.status)
    assert.equal(said, 404, head)
  }
  const shown = await bobs.rest.repos.compareCommitsWithBasehead({ ...at, basehead: 'main...bob:main' })
  assert.deepEqual([shown.data.ahead_by, shown.data.files?.[0]?.filename], [1, 'secret/file.txt'])
})

test('building on an id', stemmaOnly, async () => {
  const carol = await forks.account('carol')
  const source = await host.server.api('POST', '/api/v3/repos/admin/parent/forks', { name: 'fork' }, carol.token)
  assert.equal(source.status, 202)
  const tip = (await bobs.rest.git.getRef({ ...at, ref: 'heads/main' })).data.object.sha
  const tree = (await bobs.rest.git.getCommit({ ...at, commit_sha: tip })).data.tree.sha
  const ask = async (method: string, path: string, body: object) => {
    const { status, body: document } = await host.server.api(method, `/api/v3/repos/carol/fork/${path}`, body, carol.token)
    return `${status} ${JSON.stringify(document).replaceAll(/[0-9a-f]{40}/g, 'ID')}`
  }
  const entry = (mode: string, sha: string) => ({ path: 'x', mode, type: 'blob', sha })
  const bodies = (id: string): readonly (readonly [string, string, object])[] => [
    ['POST', 'git/trees', { tree: [entry('100644', id)] }],
    ['POST', 'git/trees', { tree: [entry('040000', id)] }],
    ['POST', 'git/trees', { base_tree: id, tree: [{ path: 'x', mode: '100644', content: 'x' }] }],
    ['POST', 'git/commits', { message: 'm', tree: id }],
    ['POST', 'git/commits', { message: 'm', tree, parents: [id] }],
    ['POST', 'git/tags', { tag: 't', message: 'm', object: id, type: 'commit' }],
    ['POST', 'git/tags', { tag: 't', message: 'm', object: id, type: 'blob' }],
    ['POST', 'git/refs', { ref: 'refs/heads/x', sha: id }],
    ['POST', 'git/refs', { ref: 'refs/tags/x', sha: id }],
    ['PATCH', 'git/refs/heads/main', { sha: id, force: true }],
    ['POST', 'merges', { base: 'main', head: id }],
    ['PUT', 'contents/x', { message: 'm', content: 'eA==', sha: id }],
  ]
  for (const kind of kinds) {
    for (const [i, [method, path, body]] of bodies(secret[kind]).entries()) {
      const [, , nobodys] = bodies(none)[i] as readonly [string, string, object]
      const said = await ask(method, path, body)
      assert.match(said, /^4/, `${path} ${kind}`)
      assert.equal(said, await ask(method, path, nobodys), `${path} ${kind}`)
    }
  }
})

test('hidden refs keep what they alone reach', stemmaOnly, async () => {
  const url = await host.server.create('hiding', { private: false })
  const work = await host.git.makeRepository(host.folder.join('hiding'), 2)
  const hidden = await host.git.commit(work, { 'hidden.txt': 'hidden\n' })
  const blob = await host.git.read(['rev-parse', 'HEAD:hidden.txt'], { cwd: work })
  await host.git.run(['push', '-q', url, 'main~1:refs/heads/main', 'main:refs/secret/one'], { cwd: work })
  await host.configure('hiding', { 'transfer.hideRefs': ['refs/secret'] })
  const ask = async (method: string, path: string, body?: object) =>
    (await host.server.api(method, `/api/v3/repos/admin/hiding/${path}`, body)).status
  for (const [path, status] of [
    [`git/commits/${hidden}`, 404],
    [`git/blobs/${blob}`, 404],
    [`commits/${hidden}`, 422],
    [`contents/hidden.txt?ref=${hidden}`, 404],
    [`compare/main...${hidden}`, 404],
    ['git/ref/secret/one', 404],
  ] as const) {
    assert.equal(await ask('GET', path), status, path)
  }
  assert.equal(await ask('GET', 'contents/hidden.txt?ref=refs/secret/one'), 404)
  assert.equal(await ask('POST', 'git/refs', { ref: 'refs/heads/x', sha: hidden }), 422)
  assert.equal(await ask('POST', 'git/trees', { tree: [{ path: 'x', mode: '100644', sha: blob }] }), 422)
  assert.equal(((await host.server.api('GET', '/api/v3/repos/admin/hiding/git/matching-refs/')).body as unknown[]).length, 1)
})

test('what was written and never named is the writer’s for the time of grace, and collected behind it', stemmaOnly, async () => {
  const url = await host.server.create('grace', { private: true })
  const work = await host.git.makeRepository(host.folder.join('grace'), 1)
  await host.git.run(['push', '-q', url, 'main'], { cwd: work })
  const ask = async (method: string, path: string, body?: object) =>
    await host.server.api(method, `/api/v3/repos/admin/grace/${path}`, body)
  const { body: blob } = await ask('POST', 'git/blobs', { content: 'unnamed' })
  const { body: tree } = await ask('POST', 'git/trees', { tree: [{ path: 'a/b', mode: '100644', content: 'below' }] })
  const { body: commit } = await ask('POST', 'git/commits', { message: 'unnamed', tree: tree.sha })
  for (const path of [`git/blobs/${blob.sha}`, `git/trees/${tree.sha}`, `commits/${commit.sha}`, `contents/a/b?ref=${commit.sha}`]) {
    assert.equal((await ask('GET', path)).status, 200, path)
  }
  // a short id is nobody's own
  assert.equal((await ask('GET', `commits/${String(commit.sha).slice(0, 10)}`)).status, 422)
  const db = await openDatabase(host.server)
  try {
    await db.query(`update api_object set at = at - interval '100 days'`)
    assert.equal((await ask('GET', `git/blobs/${blob.sha}`)).status, 404, 'over')
    assert.equal((await ask('POST', 'git/commits', { message: 'late', tree: tree.sha })).status, 422)
    assert.equal((await ask('POST', 'git/blobs', { content: 'unnamed' })).body.sha, blob.sha)
    assert.equal((await ask('GET', `git/blobs/${blob.sha}`)).status, 200, 'written again')
  } finally {
    await db.end()
  }
})
