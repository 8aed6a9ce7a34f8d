// LFS objects leave a running server when no pointer in a repository's history names them any more; forks keep theirs; `stemma gc` says what goes.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type pg from 'pg'
import { stemma } from '../support/command.ts'
import { sha256 } from '../support/content.ts'
import { openDatabase } from '../support/database.ts'
import { Forks } from '../support/forks.ts'
import { type Host, openHost, stemmaOnly } from '../support/host.ts'
import { seededBytes } from '../support/random.ts'
import { until } from '../support/until.ts'

let host: Host
let db: pg.Client
let forks: Forks
before(async () => {
  if (stemmaOnly.skip !== undefined) return
  host = await openHost('lfs-pruning', { STEMMA_GIT_COLLECT_GRACE_MS: '100d' })
  db = await openDatabase(host.server)
  forks = Forks.open(host.server)
})
after(async () => {
  await forks?.close()
  await db?.end()
  await host?.close()
})

const bytesOf = (name: string) => seededBytes(name, 3000)
const oidOf = (name: string) => sha256(bytesOf(name))
const pointer = (name: string) => `version https://git-lfs.github.com/spec/v1\noid sha256:${oidOf(name)}\nsize ${bytesOf(name).length}\n`

async function ask(repository: string, method: 'GET' | 'PUT', name: string): Promise<number> {
  const url = `${host.server.url}/${repository}.git/info/lfs/objects/${oidOf(name)}`
  const headers = { authorization: `Bearer ${host.server.token}` }
  const answer = await fetch(url, method === 'GET' ? { headers } : { method, headers, body: Buffer.from(bytesOf(name)) })
  await answer.arrayBuffer()
  return answer.status
}

async function upload(repository: string, ...names: readonly string[]): Promise<void> {
  for (const name of names) assert.equal(await ask(repository, 'PUT', name), 200)
}

/** Those of the names whose objects the repository has. */
async function had(repository: string, names: readonly string[]): Promise<string[]> {
  const found: string[] = []
  for (const name of names) if ((await ask(repository, 'GET', name)) === 200) found.push(name)
  return found
}

async function longAgo(): Promise<void> {
  await db.query(`update reflog set at = at - interval '101 days'`)
  await db.query(`update lfs_object set asked_at = asked_at - interval '101 days'`)
}

/** Every repository was looked at, from now on. */
async function pruned(): Promise<void> {
  await db.query('update lfs_review set due_at = now()')
  await db.query(`update job set due_at = now() where kind = 'prune-lfs'`)
  const isDone = `select 1 where not exists (select from job where kind = 'prune-lfs' and (holder is not null or error is not null))
    and not exists (select from lfs_review where due_at <= now())`
  await until('a look for LFS objects that nobody needs', async () => (await db.query(isDone)).rows.length > 0)
}

const gc = async (name: string, ...args: readonly string[]) => {
  const { code, stdout, stderr } = await stemma(['gc', `admin/${name}`, '--json', ...args, '--data', host.server.data])
  assert.equal(code, 0, stderr)
  return JSON.parse(stdout)
}

const everything = ['main', 'earlier', 'branch', 'tagged', 'stray']

/** `main` is at its tip, `earlier` further back, `branch` on a branch that was deleted, `tagged` below a tag of another history; `stray` was never pushed. */
async function made(name: string): Promise<{ url: string; work: string }> {
  const url = await host.create(name)
  await upload(`admin/${name}`, ...everything)
  const { git } = host
  const work = await git.makeRepository(host.folder.join(name), 2)
  await git.commit(work, { 'a/file.bin': pointer('earlier') })
  await git.commit(work, { 'a/file.bin': pointer('main') })
  await git.run(['switch', '-q', '-c', 'branch'], { cwd: work })
  await git.commit(work, { 'other.bin': pointer('branch') })
  await git.run(['switch', '-q', '--orphan', 'release'], { cwd: work })
  await git.commit(work, { 'release.bin': `\n${pointer('tagged')}` }) // git-lfs takes it for one
  await git.run(['tag', '-a', '-m', 'one', 'v1'], { cwd: work })
  await git.run(['push', '-q', url, 'main', 'branch', 'v1'], { cwd: work })
  return { url, work }
}

test('what a deleted branch alone pointed to, and what was never pushed, leaves after the grace', stemmaOnly, async () => {
  const { url, work } = await made('one')
  await host.git.run(['push', '-q', url, ':branch'], { cwd: work })
  await pruned()
  assert.deepEqual(await had('admin/one', everything), everything)
  assert.equal((await gc('one')).lfs.objects, 0)
  await longAgo()
  const counted = await gc('one', '--dry-run')
  assert.deepEqual(counted.lfs, { objects: 2, bytes: 6000, kept: 3 })
  await upload('admin/one', 'stray') // about to be pushed
  await pruned()
  assert.deepEqual(await had('admin/one', everything), ['main', 'earlier', 'tagged', 'stray'])
  const { rows } = await db.query(`select 1 from content_review where digest = decode($1, 'hex')`, [oidOf('branch')])
  assert.equal(rows.length, 1)
  await longAgo()
  await pruned()
  assert.deepEqual(await had('admin/one', everything), ['main', 'earlier', 'tagged'])
})

test('a fork keeps its own, and so does its source; a deleted repository lets go', stemmaOnly, async () => {
  const { url, work } = await made('two')
  const eve = await forks.account('eve')
  const fork = await forks.fork(['admin', 'two'], eve, 'two', 'public')
  await host.git.run(['push', '-q', url, ':branch'], { cwd: work })
  await host.git.run(['push', '-q', fork, ':v1'], { cwd: work })
  await longAgo()
  await pruned()
  assert.deepEqual(await had('admin/two', everything), ['main', 'earlier', 'tagged'])
  assert.deepEqual(await had('eve/two', everything), ['main', 'earlier', 'branch'])
  assert.equal((await host.server.api('DELETE', '/api/v3/repos/admin/two')).status, 204)
  assert.deepEqual(await had('eve/two', everything), ['main', 'earlier', 'branch'])
  const held = await db.query(`select 1 from content_reference where kind = 'lfs' and digest = decode($1, 'hex')`, [oidOf('tagged')])
  assert.equal(held.rows.length, 1) // the first test's repository
})

test('with no grace, by command, and only when that is said', stemmaOnly, async () => {
  await made('three')
  const refused = await stemma(['gc', 'admin/three', '--grace', '0', '--data', host.server.data])
  assert.match(refused.stderr, /LFS objects that were uploaded for a push which has not come yet/)
  assert.deepEqual(await had('admin/three', everything), everything)
  const text = await stemma(['gc', 'admin/three', '--grace', '0', '--yes', '--data', host.server.data])
  assert.match(text.stdout, /^removed\tadmin\/three\t1 LFS object \(.*\); 4 stay$/m)
  assert.deepEqual(await had('admin/three', everything), ['main', 'earlier', 'branch', 'tagged'])
})
