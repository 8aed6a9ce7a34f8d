// Forks by the API, as GitHub's own client asks for them; and with real git: whoever deletes what, the others stay whole.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, test } from 'node:test'
import type pg from 'pg'
import type { TestAccount } from '../support/accounts.ts'
import { openDatabase } from '../support/database.ts'
import { Forks } from '../support/forks.ts'
import { wholeClone } from '../support/git.ts'
import { type Host, openHost, stemmaOnly } from '../support/host.ts'
import { octokitOf } from '../support/octokit.ts'

let host: Host
let db: pg.Client
let forks: Forks
let bob: TestAccount
let carol: TestAccount
let work: string
let clones = 0
before(async () => {
  if (stemmaOnly.skip !== undefined) return
  host = await openHost('forks')
  db = await openDatabase(host.server)
  forks = Forks.open(host.server)
  bob = await forks.account('bob')
  carol = await forks.account('carol')
  work = await host.git.makeRepository(host.folder.join('work'), 5)
  await host.git.commit(work, { 'large.bin': randomBytes(400 << 10).toString('base64') }, 'too large for a tail')
  await host.git.run(['branch', 'side', 'main~2'], { cwd: work })
})
after(async () => {
  await forks?.close()
  await db?.end()
  await host?.close()
})

const octokit = (auth: string | undefined) => octokitOf(host.server.url, auth).rest

async function parent(name: string, settings: Readonly<Record<string, unknown>> = { private: false }): Promise<string> {
  const url = await host.server.create(name, settings)
  await host.git.run(['push', '-q', url, 'main', 'side'], { cwd: work })
  return url
}

async function refsOf(url: string): Promise<string[]> {
  return (await host.git.read(['ls-remote', url], { cwd: work })).split('\n').map((line) => line.split('\t')[1] as string)
}

async function cloned(url: string): Promise<string> {
  const path = await wholeClone(host.git, url, host.folder.join(`clone-${clones++}`))
  return await host.git.read(['rev-parse', 'main'], { cwd: path })
}

const statusOf = (asked: Promise<unknown>) =>
  asked.then(
    (answer) => (answer as { status: number }).status,
    (error: unknown) => (error as { status: number }).status,
  )

const tables = async (name: string) =>
  (
    await db.query<{ packs: number; networks: number; queued: number }>(
      `select (select count(*)::int from pack) packs, (select count(*)::int from network) networks,
        (select count(*)::int from key_deletion where key = $1) queued`,
      [name],
    )
  ).rows[0]

test('a fork is there at once, with the refs and nothing of its own in the store', stemmaOnly, async () => {
  await parent('plain')
  const before = await tables('')
  const { status, data } = await octokit(bob.token).repos.createFork({ owner: 'admin', repo: 'plain' })
  assert.deepEqual([status, data.full_name, data.fork, data.parent?.full_name], [202, 'bob/plain', true, 'admin/plain'])
  assert.deepEqual(data.permissions, { admin: true, push: true, pull: true })
  assert.deepEqual(await tables(''), before)
  const url = forks.url(bob, 'plain')
  assert.deepEqual(await refsOf(url), ['HEAD', 'refs/heads/main', 'refs/heads/side'])
  assert.equal(await cloned(url), await host.git.read(['rev-parse', 'main'], { cwd: work }))
  const again = await octokit(bob.token).repos.createFork({ owner: 'admin', repo: 'plain' })
  assert.deepEqual([again.status, again.data.id], [202, data.id])
  assert.equal((await octokit(undefined).repos.get({ owner: 'bob', repo: 'plain' })).data.source, undefined)
})

test('a name of its own, and the default branch alone; hidden refs stay', stemmaOnly, async () => {
  await parent('named')
  const { data } = await octokit(bob.token).repos.createFork({ owner: 'admin', repo: 'named', name: 'mine', default_branch_only: true })
  assert.equal(data.full_name, 'bob/mine')
  assert.deepEqual(await refsOf(forks.url(bob, 'mine')), ['HEAD', 'refs/heads/main'])
  await host.configure('named', { 'transfer.hideRefs': ['refs/heads/side'] })
  await octokit(carol.token).repos.createFork({ owner: 'admin', repo: 'named' })
  assert.deepEqual(await refsOf(forks.url(carol, 'named')), ['HEAD', 'refs/heads/main'])
})

test('who may: readers with an account; names that are taken and organizations are told', stemmaOnly, async () => {
  await parent('open')
  await parent('closed', { private: true })
  const fork = (token: string | undefined, repo: string, more: object = {}) =>
    statusOf(octokit(token).repos.createFork({ owner: 'admin', repo, ...more }))
  assert.deepEqual([await fork(undefined, 'open'), await fork(undefined, 'closed'), await fork(undefined, 'missing')], [401, 401, 401])
  assert.deepEqual([await fork(bob.token, 'closed'), await fork(bob.token, 'missing')], [404, 404])
  assert.equal(await fork(host.server.token, 'open'), 422) // of that name he has the source itself
  assert.equal(await fork(bob.token, 'open', { organization: 'acme' }), 422)
  assert.equal(await fork(bob.token, 'open', { name: '..' }), 422)
  const { data } = await octokit(host.server.token).repos.createFork({ owner: 'admin', repo: 'closed', name: 'closed-fork' })
  assert.deepEqual([data.private, data.full_name], [true, 'admin/closed-fork'])
})

test('a list shows those forks that the caller may read', stemmaOnly, async () => {
  await parent('listed')
  const listed = { owner: 'admin', repo: 'listed' }
  await octokit(bob.token).repos.createFork(listed)
  await octokit(carol.token).repos.createFork({ ...listed, name: 'secret' })
  await octokit(carol.token).repos.update({ owner: 'carol', repo: 'secret', private: true })
  const seen = async (token: string | undefined, more: object = {}) =>
    (await octokit(token).repos.listForks({ ...listed, ...more })).data.map((fork) => fork.full_name)
  assert.deepEqual(await seen(undefined), ['bob/listed'])
  assert.deepEqual(await seen(bob.token), ['bob/listed'])
  assert.deepEqual(await seen(carol.token), ['carol/secret', 'bob/listed'])
  assert.deepEqual(await seen(carol.token, { sort: 'oldest', per_page: 1 }), ['bob/listed'])
  const page = await octokit(carol.token).repos.listForks({ ...listed, per_page: 1 })
  assert.match(page.headers.link ?? '', /page=2>; rel="next"/)
  await octokit(host.server.token).repos.update({ ...listed, private: true })
  assert.equal(await statusOf(octokit(bob.token).repos.listForks(listed)), 404)
  const orphan = await octokit(bob.token).repos.get({ owner: 'bob', repo: 'listed' })
  assert.deepEqual([orphan.data.fork, orphan.data.parent], [true, undefined]) // what he can't read isn't named
})

test('the parent goes, then one fork: the last one is whole, and the packs go with it', stemmaOnly, async () => {
  await parent('mortal')
  const mortal = { owner: 'admin', repo: 'mortal' }
  for (const { token } of [bob, carol]) await octokit(token).repos.createFork(mortal)
  const key = (await db.query<{ key: string }>(`select key from pack order by id desc limit 1`)).rows[0]?.key as string
  const tip = await host.git.read(['rev-parse', 'main'], { cwd: work })
  const left = await tables(key)
  assert.equal(left?.queued, 0)

  assert.equal((await octokit(host.server.token).repos.delete(mortal)).status, 204)
  assert.equal(await cloned(forks.url(bob, 'mortal')), tip)
  assert.equal((await octokit(bob.token).repos.get({ owner: 'bob', repo: 'mortal' })).data.fork, false)
  assert.equal((await octokit(bob.token).repos.delete({ owner: 'bob', repo: 'mortal' })).status, 204)
  assert.deepEqual(await tables(key), left)
  const url = forks.url(carol, 'mortal')
  assert.equal(await cloned(url), tip)
  await host.git.commit(work, { 'after.txt': 'still a repository\n' }, 'after')
  await host.git.run(['push', '-q', url, 'main'], { cwd: work })
  assert.equal(await cloned(url), await host.git.read(['rev-parse', 'main'], { cwd: work }))

  assert.equal((await octokit(carol.token).repos.delete({ owner: 'carol', repo: 'mortal' })).status, 204)
  const end = await tables(key)
  assert.deepEqual([end?.queued, end?.networks], [1, (left?.networks ?? 0) - 1])
})
