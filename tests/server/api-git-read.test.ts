// Reading a repository by the API, as Octokit does it, held against what git says of the same repository.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { after, before, test } from 'node:test'
import type { Octokit } from 'octokit'
import { makeVaried, refusal, submoduleUrl } from '../support/api-git.ts'
import { octokitOf } from '../support/octokit.ts'
import { type Host, openHost, stemmaOnly } from '../support/host.ts'

let host: Host
let work: string
let octokit: Octokit
const at = { owner: 'admin', repo: 'varied' }
before(async () => {
  if (stemmaOnly.skip !== undefined) return
  host = await openHost('api-git-read')
  work = await makeVaried(host.git, host.folder.join('work'))
  const url = await host.server.create('varied', { private: false })
  await host.git.run(['push', '-q', url, '--all'], { cwd: work })
  await host.git.run(['push', '-q', url, '--tags'], { cwd: work })
  await host.server.create('empty', { private: false })
  octokit = octokitOf(host.server.url, host.server.token)
})
after(async () => await host?.close())

const git = async (...args: string[]) => await host.git.read(args, { cwd: work })
const idOf = async (name: string) => await git('rev-parse', name)

test('branches, tags, refs', stemmaOnly, async () => {
  const { rest } = octokit
  const branches = await rest.repos.listBranches(at)
  assert.deepEqual(
    branches.data.map(({ name, commit }) => [name, commit.sha]),
    [
      ['feature/one', await idOf('feature/one')],
      ['main', await idOf('main')],
    ],
  )
  const branch = await rest.repos.getBranch({ ...at, branch: 'feature/one' })
  assert.deepEqual([branch.data.commit.sha, branch.data.commit.commit.message], [await idOf('feature/one'), 'more of the feature'])
  assert.deepEqual(await refusal(rest.repos.getBranch({ ...at, branch: 'nope' })), { status: 404, message: 'Branch not found' })
  const tags = await rest.repos.listTags(at)
  assert.deepEqual(
    tags.data.map(({ name, commit }) => [name, commit.sha]),
    [
      ['v1', await idOf('v1^{}')],
      ['light', await idOf('light')],
    ],
  )
  const ref = await rest.git.getRef({ ...at, ref: 'heads/feature/one' })
  assert.deepEqual(
    [ref.data.ref, ref.data.object.sha, ref.data.object.type],
    ['refs/heads/feature/one', await idOf('feature/one'), 'commit'],
  )
  const tagRef = await rest.git.getRef({ ...at, ref: 'tags/v1' })
  assert.deepEqual([tagRef.data.object.sha, tagRef.data.object.type], [await idOf('v1'), 'tag'])
  assert.equal((await rest.git.listMatchingRefs({ ...at, ref: 'heads/feat' })).data[0]?.ref, 'refs/heads/feature/one')
  assert.equal((await rest.git.listMatchingRefs({ ...at, ref: 'tags' })).data.length, 2)
  assert.equal((await refusal(rest.git.getRef({ ...at, ref: 'heads/feat' }))).status, 404)
  assert.equal((await octokit.request('GET /repos/{owner}/{repo}/git/refs', { ...at, per_page: 1 })).data.length, 1)
  const { data: tag } = await rest.git.getTag({ ...at, tag_sha: tagRef.data.object.sha })
  assert.deepEqual([tag.tag, tag.message, tag.object.sha, tag.object.type], ['v1', 'version one', await idOf('v1^{}'), 'commit'])
  assert.deepEqual([tag.tagger.name, tag.verification?.reason], ['Tester', 'unsigned'])
})

test('git/commits, git/trees, git/blobs', stemmaOnly, async () => {
  const { rest } = octokit
  const sha = await idOf('main')
  const { data: commit } = await rest.git.getCommit({ ...at, commit_sha: sha })
  assert.deepEqual([commit.sha, commit.tree.sha, commit.message], [sha, await idOf('main^{tree}'), 'last on main'])
  assert.deepEqual(
    commit.parents.map((parent) => parent.sha),
    [await idOf('main~1')],
  )
  assert.equal(
    commit.author.date,
    new Date(Number(await git('log', '-1', '--format=%at', 'main')) * 1000).toISOString().replace('.000', ''),
  )
  for (const [name, recursive] of [
    ['main', undefined],
    ['main', '1'],
    [commit.tree.sha, '1'],
    ['feature/one', '1'],
  ] as const) {
    const tree = await rest.git.getTree({ ...at, tree_sha: name, ...(recursive === undefined ? {} : { recursive }) })
    const listed = await git('-c', 'core.quotePath=false', 'ls-tree', '-l', '-z', ...(recursive === undefined ? [] : ['-r', '-t']), name)
    const expected = listed
      .split('\0')
      .filter((line) => line !== '')
      .map((line) => /^(\d+) (\w+) (\w+) +(-|\d+)\t(.*)$/s.exec(line)?.slice(1))
    const shown = tree.data.tree.map((entry) => [
      entry.mode,
      entry.type,
      entry.sha,
      entry.size === undefined ? '-' : String(entry.size),
      entry.path,
    ])
    assert.deepEqual(shown, expected)
    assert.equal(tree.data.truncated, false)
  }
  const blob = await idOf('main:src/code.c')
  const { data } = await rest.git.getBlob({ ...at, file_sha: blob })
  assert.equal(Buffer.from(data.content, 'base64').toString(), `${await git('cat-file', 'blob', blob)}\n`)
  assert.equal(data.size, Number(await git('cat-file', '-s', blob)))
  const raw = await rest.git.getBlob({ ...at, file_sha: blob, mediaType: { format: 'raw' } })
  assert.equal(raw.headers['x-content-type-options'], 'nosniff')
  assert.equal(Buffer.from(raw.data as unknown as ArrayBuffer).toString(), `${await git('cat-file', 'blob', blob)}\n`)
  // of another kind, shortened, missing
  assert.equal((await refusal(rest.git.getBlob({ ...at, file_sha: sha }))).status, 404)
  assert.equal((await refusal(rest.git.getCommit({ ...at, commit_sha: blob }))).status, 404)
  assert.equal((await refusal(rest.git.getBlob({ ...at, file_sha: blob.slice(0, 10) }))).status, 422)
  assert.equal((await refusal(rest.git.getBlob({ ...at, file_sha: '0'.repeat(40) }))).status, 404)
})

test('the list of commits: order, filters, pages', stemmaOnly, async () => {
  const { rest, paginate } = octokit
  const shas = async (options: object) =>
    (await paginate(rest.repos.listCommits, { ...at, per_page: 2, ...options })).map((commit) => commit.sha)
  const log = async (...args: string[]) => (await git('log', '--format=%H', ...args)).split('\n').filter((line) => line !== '')
  assert.deepEqual(await shas({}), await log('main'))
  assert.deepEqual(await shas({ sha: 'feature/one' }), await log('feature/one'))
  assert.deepEqual(await shas({ sha: await idOf('main~2') }), await log('main~2'))
  assert.deepEqual(await shas({ author: 'ada@example.com' }), await log('--author=ada@example.com', 'main'))
  assert.deepEqual(await shas({ author: 'Ada Lovelace' }), await log('--author=ada@example.com', 'main'))
  assert.deepEqual(await shas({ committer: 'nobody' }), [])
  for (const path of ['src', 'src/code.c', 'feature.txt', 'src/deep/er/file.txt', 'no-end.txt', 'lib/library', 'ünï cödé', 'nowhere']) {
    assert.deepEqual(await shas({ path }), await log('main', '--', path), path)
  }
  const middle = new Date(Number(await git('log', '-1', '--format=%ct', 'main~2')) * 1000).toISOString()
  assert.deepEqual(await shas({ since: middle }), await log(`--since=${middle}`, 'main'))
  assert.deepEqual(await shas({ until: middle }), await log(`--until=${middle}`, 'main'))
  const page = await rest.repos.listCommits({ ...at, per_page: 2, page: 2 })
  assert.match(page.headers.link ?? '', /page=1>; rel="prev".*page=3>; rel="next".*rel="last".*rel="first"/)
  const first = page.data[0]
  assert.deepEqual([first?.commit.author?.name, first?.author, first?.parents.length], ['Tester', null, 2])
  assert.equal((await refusal(rest.repos.listCommits({ ...at, sha: 'nope' }))).status, 404)
  assert.equal((await refusal(rest.repos.listCommits({ ...at, since: 'yesterday' }))).status, 422)
})

test('a commit: files, statistics, patches, as git has them', stemmaOnly, async () => {
  const { rest } = octokit
  const all = (await git('log', '--format=%H', '--all')).split('\n')
  for (const ref of all) {
    const { data } = await rest.repos.getCommit({ ...at, ref })
    const parent = data.parents[0]?.sha ?? '4b825dc642cb6eb9a060e54bf8d69288fbee4904'
    const raw = await git('diff-tree', '-r', '-M', '-z', '--numstat', parent, ref)
    const expected = [...raw.matchAll(/(-|\d+)\t(-|\d+)\t(?:\0([^\0]*)\0([^\0]*)|([^\0]+))\0/g)].map(
      ([, added, removed, from, to, path]) => ({
        path: to ?? path,
        from,
        additions: Number(added) || 0,
        deletions: Number(removed) || 0,
      }),
    )
    const shown = data.files?.map((file) => ({
      path: file.filename,
      from: file.previous_filename,
      additions: file.additions,
      deletions: file.deletions,
    }))
    assert.deepEqual(shown, expected, data.commit.message)
    assert.equal(
      data.stats?.additions,
      expected.reduce((sum, file) => sum + file.additions, 0),
    )
    for (const file of data.files ?? []) {
      const paths = [file.previous_filename, file.filename].filter((path) => path !== undefined)
      const diff = await git('diff', '-M', parent, ref, '--', ...paths)
      const hunks = diff.indexOf('\n@@') < 0 ? undefined : diff.slice(diff.indexOf('\n@@') + 1)
      assert.equal(file.patch, hunks, file.filename)
    }
    const text = await octokit.request('GET /repos/{owner}/{repo}/commits/{ref}', { ...at, ref, mediaType: { format: 'diff' } })
    assert.equal(String(text.data).replace(/\n$/, ''), await git('diff', '-M', parent, ref))
  }
  const short = await rest.repos.getCommit({ ...at, ref: (await idOf('main')).slice(0, 8) })
  assert.equal(short.data.sha, await idOf('main'))
  const sha = await rest.repos.getCommit({ ...at, ref: 'feature/one', mediaType: { format: 'sha' } })
  assert.equal(sha.data as unknown as string, await idOf('feature/one'))
  assert.deepEqual(await refusal(rest.repos.getCommit({ ...at, ref: 'nope' })), { status: 422, message: 'No commit found for SHA: nope' })
})

test('git am takes the patches', stemmaOnly, async () => {
  const patch = await octokit.rest.repos.compareCommitsWithBasehead({ ...at, basehead: 'v1...feature/one', mediaType: { format: 'patch' } })
  const clone = host.folder.join('am')
  await host.git.run(['clone', '-q', work, clone])
  await host.git.run(['checkout', '-q', 'v1'], { cwd: clone })
  await host.git.run(['am', '-q'], { cwd: clone, input: String(patch.data) })
  assert.equal(await host.git.read(['rev-parse', 'HEAD^{tree}'], { cwd: clone }), await idOf('feature/one^{tree}'))
})

test('compare', stemmaOnly, async () => {
  const { rest } = octokit
  for (const [base, head] of [
    ['main', 'feature/one'],
    ['feature/one', 'main'],
    ['v1', 'main'],
    ['main', 'light'],
    ['main', 'main'],
  ] as const) {
    const { data } = await rest.repos.compareCommitsWithBasehead({ ...at, basehead: `${base}...${head}` })
    const [behind, ahead] = (await git('rev-list', '--left-right', '--count', `${base}...${head}`)).split('\t').map(Number)
    assert.deepEqual([data.behind_by, data.ahead_by, data.total_commits], [behind, ahead, ahead])
    assert.equal(data.merge_base_commit.sha, await git('merge-base', base, head))
    assert.equal(data.status, ahead ? (behind ? 'diverged' : 'ahead') : behind ? 'behind' : 'identical')
    assert.deepEqual(
      data.commits.map((commit) => commit.sha),
      (await git('rev-list', '--reverse', `${base}..${head}`)).split('\n').filter((line) => line !== ''),
    )
    const names = await git('diff', '-M', '--name-only', '-z', `${base}...${head}`)
    assert.equal((data.files ?? []).map((file) => `${file.filename}\0`).join(''), names)
  }
  assert.equal((await refusal(rest.repos.compareCommitsWithBasehead({ ...at, basehead: 'main...nope' }))).status, 404)
  assert.equal((await refusal(rest.repos.compareCommitsWithBasehead({ ...at, basehead: 'main' }))).status, 404)
  for (const ref of ['main', 'nope']) assert.equal((await refusal(rest.repos.getCombinedStatusForRef({ ...at, ref }))).status, 404)
})

test('contents: files, folders, links, submodules; readme', stemmaOnly, async () => {
  const { rest } = octokit
  const get = async (path: string, ref?: string) => {
    const { data } = await rest.repos.getContent({ ...at, path, ...(ref === undefined ? {} : { ref }) })
    return data
  }
  const code = await get('src/code.c')
  assert.ok(!Array.isArray(code) && code.type === 'file')
  assert.equal(Buffer.from(code.content, 'base64').toString(), `${await git('show', 'main:src/code.c')}\n`)
  assert.deepEqual([code.sha, code.name, code.path], [await idOf('main:src/code.c'), 'code.c', 'src/code.c'])
  assert.equal((await (await fetch(code.download_url ?? '')).text()).length, code.size)
  const old = await get('src/code.c', await idOf('v1~1'))
  assert.ok(!Array.isArray(old) && old.sha === (await idOf('v1~1:src/code.c')))
  const root = await get('')
  assert.ok(Array.isArray(root))
  const expected = (await host.git.read(['ls-tree', '--name-only', '-z', 'main'], { cwd: work })).split('\0').filter((name) => name !== '')
  assert.deepEqual(
    root.map((entry) => entry.name),
    expected,
  )
  assert.deepEqual(
    root.filter(({ name }) => ['src', 'link', 'lib'].includes(name)).map(({ type }) => type),
    ['dir', 'symlink', 'dir'],
  )
  const quoted = await get('ünï cödé/größe "quoted".txt')
  assert.ok(!Array.isArray(quoted) && quoted.type === 'file')
  const link = await get('link')
  assert.ok(!Array.isArray(link) && link.type === 'file' && link.sha === code.sha, 'a link to a file is the file')
  for (const [path, target] of [
    ['dangling', 'nowhere'],
    ['outside', '../outside'],
  ] as const) {
    const found = await get(path)
    assert.ok(!Array.isArray(found) && found.type === 'symlink')
    assert.equal((found as unknown as { target: string }).target, target)
  }
  const library = await get('lib/library')
  assert.ok(!Array.isArray(library) && library.type === 'submodule')
  assert.equal((library as unknown as { submodule_git_url: string }).submodule_git_url, submoduleUrl)
  const raw = await rest.repos.getContent({ ...at, path: 'no-end.txt', mediaType: { format: 'raw' } })
  assert.equal(Buffer.from(raw.data as unknown as ArrayBuffer).toString(), 'with one now\n')
  const object = await rest.repos.getContent({ ...at, path: 'src', mediaType: { format: 'object' } })
  assert.equal((object.data as unknown as { entries: unknown[] }).entries.length, 2)
  const readme = await rest.repos.getReadme(at)
  assert.equal(Buffer.from(readme.data.content, 'base64').toString(), '# One of everything\n')
  assert.equal((await refusal(rest.repos.getReadmeInDirectory({ ...at, dir: 'src' }))).status, 404)
  for (const path of ['nowhere', 'src/code.c/x', 'README.md/']) assert.equal((await refusal(get(path.replace(/\/$/, '/x')))).status, 404)
  assert.deepEqual(await refusal(get('src', 'nope')), { status: 404, message: 'No commit found for the ref nope' })
})

test('a folder with the last commit of each entry; blame', stemmaOnly, async () => {
  interface Entry {
    readonly path: string
    readonly type: string
    readonly commit: { readonly sha: string; readonly message_headline: string }
  }
  const get = async (path: string) => await host.server.api('GET', `/api/v3/repos/admin/varied/${path}`)
  for (const [ref, folder] of [
    ['main', ''],
    ['main', 'src'],
    ['feature/one', ''],
    ['v1', 'src/deep/er'],
  ] as const) {
    const { body, status } = await get(`tree-commits/${folder}?ref=${encodeURIComponent(ref)}`)
    assert.equal(status, 200, JSON.stringify(body))
    const entries = body as Entry[]
    assert.deepEqual(
      entries.map(({ path }) => path).join('\0'),
      (await git('ls-tree', '--name-only', '-z', ref, ...(folder === '' ? [] : [`${folder}/`]))).replace(/\0$/, ''),
    )
    for (const { commit, path } of entries) {
      assert.equal(`${commit.sha} ${commit.message_headline}`, await git('log', '-1', '--format=%H %s', ref, '--', path), path)
    }
  }
  assert.equal((await get('tree-commits/src/code.c')).status, 404)
  assert.equal((await get('tree-commits/nowhere')).status, 404)
  assert.equal((await get('tree-commits?ref=nope')).status, 404)
  for (const path of ['src/code.c', 'feature.txt', 'src/moved-and-changed.txt', 'no-end.txt']) {
    const { body } = await get(`blame/${path}`)
    const ranges = (
      body as { ranges: { starting_line: number; ending_line: number; commit: { sha: string }; original_path: string; age: number }[] }
    ).ranges
    const lines = ranges.flatMap((range) =>
      Array.from({ length: range.ending_line - range.starting_line + 1 }, (_, i) => `${range.commit.sha} ${range.starting_line + i}`),
    )
    const blamed = await git('blame', '--porcelain', 'main', '--', path)
    assert.deepEqual(
      lines,
      [...blamed.matchAll(/^([0-9a-f]{40}) \d+ (\d+)/gm)].map(([, sha, line]) => `${sha} ${line}`),
      path,
    )
    assert.ok(ranges.every(({ age }) => age >= 1 && age <= 10))
  }
  assert.equal((await get('blame/src')).status, 404)
  assert.equal((await get('blame/nowhere')).status, 404)
})

test('an empty repository says so', stemmaOnly, async () => {
  const { rest } = octokit
  const empty = { owner: 'admin', repo: 'empty' }
  const said = { status: 409, message: 'Git Repository is empty.' }
  assert.deepEqual(await refusal(rest.repos.listCommits(empty)), said)
  assert.deepEqual(await refusal(rest.git.getTree({ ...empty, tree_sha: 'main' })), said)
  assert.deepEqual(await refusal(rest.git.getRef({ ...empty, ref: 'heads/main' })), said)
  assert.deepEqual(await refusal(rest.repos.getContent({ ...empty, path: '' })), { status: 404, message: 'This repository is empty.' })
  assert.deepEqual((await rest.repos.listBranches(empty)).data, [])
})

test('a client that has an answer gets 304', stemmaOnly, async () => {
  const sha = await idOf('main')
  const paths = [
    `git/commits/${sha}`,
    `commits/${sha}`,
    `git/blobs/${await idOf('main:README.md')}`,
    'contents/README.md',
    'branches',
    'commits/main',
  ]
  for (const path of paths) {
    const url = `${host.server.url}/api/v3/repos/admin/varied/${path}`
    const first = await fetch(url)
    const tag = first.headers.get('etag') ?? ''
    await first.arrayBuffer()
    const again = await fetch(url, { headers: { 'if-none-match': tag } })
    assert.deepEqual([again.status, await again.text()], [304, ''], path)
    const other = await fetch(url, { headers: { 'if-none-match': '"other"' } })
    assert.deepEqual([other.status, (await other.text()).length > 0], [200, true])
  }
})

/** As it is written: fetch would make another path of it. */
async function raw(url: string): Promise<{ status: number; text: string }> {
  const { origin, port } = new URL(url)
  const sent = request({ port, path: url.slice(origin.length), headers: { host: 'x' } }).end()
  const [answer] = (await once(sent, 'response')) as [IncomingMessage]
  const parts: Buffer[] = []
  for await (const part of answer) parts.push(part as Buffer)
  return { status: answer.statusCode ?? 0, text: Buffer.concat(parts).toString() }
}

test('names that want to be something else', stemmaOnly, async () => {
  const base = `${host.server.url}/api/v3/repos/admin/varied`
  const sha = await idOf('main')
  const tricks = [
    '..%2f..',
    '%2e%2e/x',
    'a%00b',
    'src/../README.md',
    'src//code.c',
    'a%0ab',
    '%2fetc%2fpasswd',
    '.',
    'a%5cb',
    'x%2f%2e%2e%2fy',
    '@{-1}',
    ':/first',
    '-x',
    `${sha}^`,
    `${sha}:README.md`,
    'main~1',
    'HEAD@%7B1%7D',
    '%ff%fe',
    'a'.repeat(5000),
  ]
  for (const trick of tricks) {
    for (const route of [
      'contents/',
      'git/trees/',
      'git/ref/',
      'git/matching-refs/',
      'commits/',
      'branches/',
      'compare/main...',
      'readme/',
      'raw/',
      'git/blobs/',
      'git/commits/',
      'git/tags/',
    ]) {
      const answer = await raw(`${base}/${route}${trick}`)
      const { text } = answer
      const isNothing = route === 'git/matching-refs/' && text === '[]'
      assert.ok(isNothing || (answer.status >= 400 && answer.status < 500), `${route}${trick}: ${answer.status} ${text.slice(0, 200)}`)
    }
    for (const query of ['contents/README.md?ref=', 'commits?sha=', 'readme?ref=']) {
      const answer = await fetch(`${base}/${query}${trick}`)
      assert.ok(answer.status >= 400 && answer.status < 500, `${query}${trick}: ${answer.status}`)
      await answer.arrayBuffer()
    }
    const answer = await fetch(`${base}/commits?path=${trick}`)
    const found = (await answer.json()) as unknown[]
    assert.ok(answer.status >= 400 || trick === '.' || found.length === 0, `path=${trick}: ${answer.status}`)
  }
  assert.equal((await fetch(`${base}/commits?page=99999999`)).status, 200)
})
