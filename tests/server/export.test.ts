// `stemma export`: what git finds in an export is what it finds in a clone; what is there already is passed over, what changed is brought.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { stemma } from '../support/command.ts'
import { Forks } from '../support/forks.ts'
import { contentOf } from '../support/git.ts'
import { makeHistory } from '../support/history.ts'
import { type Host, openHost, stemmaOnly } from '../support/host.ts'

let host: Host
before(async () => {
  if (stemmaOnly.skip === undefined) host = await openHost('export', { STEMMA_GIT_TAIL_BYTES: '20KiB' })
})
after(async () => await host?.close())

async function run(...args: string[]) {
  const { stdout, stderr, code } = await stemma(['export', ...args, '--json', '--data', host.server.data])
  const lines = stdout.split('\n').filter((line) => line !== '')
  return { code, stderr, results: lines.map((line) => JSON.parse(line)) }
}

async function assertSame(name: string, folder: string): Promise<void> {
  const { git } = host
  const clone = host.folder.join(`clone-${name}-${performance.now()}.git`)
  await git.run(['clone', '-q', '--mirror', host.server.repositoryUrl(name), clone])
  const fsck = await git.run(['fsck', '--full', '--strict'], { cwd: folder })
  assert.doesNotMatch(fsck.stdout + fsck.stderr, /error|missing|broken/)
  assert.deepEqual(await contentOf(git, folder), await contentOf(git, clone))
  assert.equal(await git.read(['symbolic-ref', 'HEAD'], { cwd: folder }), await git.read(['symbolic-ref', 'HEAD'], { cwd: clone }))
}

test('repositories of all sorts are opened and found right by git; the second run passes over what is there', stemmaOnly, async () => {
  const { git } = host
  const large = makeHistory(300)
  const url = await host.create('large')
  await git.run(['push', '-q', url, 'main~100:refs/heads/main'], { cwd: large })
  await git.run(['push', '-q', url, 'main', 'main~7:refs/heads/side', 'main~9:refs/notes/x', '--tags'], { cwd: large })
  await git.run(['push', '-q', await host.create('wide', 'sha256'), 'main:refs/heads/main'], { cwd: makeHistory(20, 'sha256') })
  await host.create('empty')
  const to = host.folder.join('out')
  const first = await run('--to', to)
  assert.deepEqual(
    first.results.map(({ repository, outcome }) => [repository, outcome]),
    ['admin/empty', 'admin/large', 'admin/wide'].map((repository) => [repository, 'exported']),
    first.stderr,
  )
  assert.equal(first.code, 0)
  for (const name of ['large', 'wide']) await assertSame(name, `${to}/admin/${name}.git`)
  assert.equal(await git.read(['for-each-ref'], { cwd: `${to}/admin/empty.git` }), '')
  const again = await run('--to', to)
  assert.ok(again.results.every(({ outcome }) => outcome === 'present'))
  // an export is a repository to clone from, with git alone
  await git.run(['clone', '-q', `${to}/admin/large.git`, host.folder.join('from-export')])
})

test('what has changed since is brought; what an interrupted run left is no trouble', stemmaOnly, async () => {
  const { git } = host
  const to = host.folder.join('out')
  await git.run(['push', '-qf', host.server.repositoryUrl('large'), 'main~20:refs/heads/main', ':refs/heads/side'], {
    cwd: makeHistory(300),
  })
  mkdirSync(`${to}/admin/large.git.part/objects`, { recursive: true })
  writeFileSync(`${to}/admin/large.git.part/HEAD`, 'half')
  const { results } = await run('admin/large', '--to', to)
  assert.deepEqual(
    results.map(({ repository, outcome }) => [repository, outcome]),
    [['admin/large', 'exported']],
  )
  await assertSame('large', `${to}/admin/large.git`)
  assert.deepEqual(readdirSync(`${to}/admin`).sort(), ['empty.git', 'large.git', 'wide.git'])
})

test('what stands in the way and is no export stays', stemmaOnly, async () => {
  const to = host.folder.join('in-the-way')
  mkdirSync(`${to}/admin/large.git`, { recursive: true })
  writeFileSync(`${to}/admin/large.git/mine`, 'mine')
  const { code, results } = await run('admin/large', '--to', to)
  assert.deepEqual([code, results[0].error.code], [1, 'export-folder'])
  assert.deepEqual(readdirSync(`${to}/admin/large.git`), ['mine'])
})

test('a private fork brings only what its own refs reach', stemmaOnly, async () => {
  const { git } = host
  const forks = Forks.open(host.server)
  const bob = await forks.account('bob')
  const fork = await forks.fork(['admin', 'large'], bob, 'mine', 'private')
  await forks.close()
  const work = await git.makeRepository(host.folder.join('work'), 3)
  await git.run(['push', '-q', fork, 'HEAD:refs/heads/secret'], { cwd: work })
  const secret = await git.read(['rev-parse', 'HEAD'], { cwd: work })
  const to = host.folder.join('forks')
  await run('admin/large', 'bob/mine', '--to', to)
  const has = (path: string) => git.run(['cat-file', '-e', secret], { cwd: path, mayFail: true }).then(({ code }) => code === 0)
  assert.deepEqual([await has(`${to}/admin/large.git`), await has(`${to}/bob/mine.git`)], [false, true])
})

test('damage fails that one, and leaves nothing half made', stemmaOnly, async () => {
  const to = host.folder.join('damaged')
  const [file] = host.server
    .bucketFiles()
    .filter(({ path }) => path.includes('/pack/'))
    .sort((a, b) => b.sizeBytes - a.sizeBytes)
  assert.ok(file)
  const bytes = readFileSync(file.path)
  const changed = Buffer.from(bytes)
  for (let at = 5000; at < 20_000; at += 1000) changed[at] = (changed[at] as number) ^ 1
  writeFileSync(file.path, changed)
  const { code, results } = await run('admin/large', 'admin/wide', '--to', to)
  writeFileSync(file.path, bytes)
  assert.deepEqual([code, results.map(({ outcome }) => outcome)], [1, ['failed', 'exported']])
  assert.equal(existsSync(`${to}/admin/large.git`) || existsSync(`${to}/admin/large.git.part`), false)
  assert.equal((await run('admin/none', '--to', to)).code, 1)
})
