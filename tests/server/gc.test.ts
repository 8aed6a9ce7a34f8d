// `stemma gc` and `stemma purge` beside the running server, and the server's own collection: what nothing reaches leaves after its grace, what anything reaches stays, and a push that
// rests on what left is told so.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import { stemma } from '../support/command.ts'
import { openDatabase } from '../support/database.ts'
import { Forks } from '../support/forks.ts'
import { contentOf, wholeClone } from '../support/git.ts'
import { type Host, openHost, stemmaOnly } from '../support/host.ts'
import { until } from '../support/until.ts'

let host: Host
let db: pg.Client
let forks: Forks
let count = 0
before(async () => {
  if (stemmaOnly.skip !== undefined) return
  host = await openHost('gc', { STEMMA_GIT_TAIL_BYTES: '20KiB', STEMMA_GIT_COLLECT_GRACE_MS: '100d' })
  db = await openDatabase(host.server)
  forks = Forks.open(host.server)
})
after(async () => {
  await forks?.close()
  await db?.end()
  await host?.close()
})

interface Made {
  readonly name: string
  readonly url: string
  readonly work: string
  readonly secret: { readonly commit: string; readonly blob: string }
}

/** A repository to which a secret was pushed. */
async function made(): Promise<Made> {
  const name = `r${count++}`
  const work = await host.git.makeRepository(host.folder.join(name), 6)
  const url = await host.create(name)
  await host.git.run(['push', '-q', url, 'main'], { cwd: work })
  await host.git.run(['switch', '-q', '-c', 'secret'], { cwd: work })
  const commit = await host.git.commit(work, { 'secret.txt': randomBytes(40 << 10).toString('base64') }, 'a secret')
  const blob = await host.git.read(['rev-parse', 'secret:secret.txt'], { cwd: work })
  await host.git.run(['push', '-q', url, 'secret'], { cwd: work })
  return { name, url, work, secret: { commit, blob } }
}

const remove = (url: string, work: string) => host.git.run(['push', '-q', url, ':secret'], { cwd: work })
const run = (...args: readonly string[]) => stemma([...args, '--data', host.server.data])

async function gc(name: string, ...args: readonly string[]) {
  const { code, stdout, stderr } = await run('gc', `admin/${name}`, '--json', ...args)
  assert.equal(code, 0, stderr)
  return JSON.parse(stdout)
}

async function cloned(url: string): Promise<{ objects: string; refs: string }> {
  return await contentOf(host.git, await wholeClone(host.git, url, host.folder.join(`clone-${count++}.git`)))
}

const packs = async (name: string) =>
  (
    await db.query<{ objects: number; key: string | null }>(
      `select p.object_count::int objects, p.key from pack p join repository r using (network_id) where r.name = $1 order by p.id`,
      [name],
    )
  ).rows

/** As if that had been done long ago. */
const age = (name: string, days: number) =>
  db.query(`update reflog set at = at - $2 * interval '1 day' where repository_id = (select id from repository where name = $1)`, [
    name,
    days,
  ])

/** As if whatever was done so far had been done before the grace of the server. */
async function longAgo(): Promise<void> {
  await db.query(`update reflog set at = at - interval '101 days' where at > now() - interval '100 days'`)
  await db.query(`update past_root set at = at - interval '101 days'`)
}

/** The background work has done all that there is for it to do. */
async function collected(): Promise<void> {
  await db.query(`update job set due_at = now() where kind = 'collect-objects'`)
  const isDone = `select 1 where not exists (select from job where kind = 'collect-objects' and (holder is not null or error is not null))
    and not exists (select from network_review where due_at <= now())
    and not exists (select from past_root where at < now() - interval '100 days')
    and not coalesce((select at < now() - interval '100 days' from reflog
      where id > coalesce((select value::bigint from server_fact where name = 'reflog_reviewed'), 0) order by id limit 1), false)`
  await until('a collection in the background', async () => (await db.query(isDone)).rows.length > 0)
}

const generation = async (name: string): Promise<number> =>
  Number(
    (await db.query(`select generation from network n join repository r on r.network_id = n.id where r.name = $1`, [name])).rows[0]
      .generation,
  )

const fsck = async (name: string) => {
  const { code, stdout } = await run('fsck', `admin/${name}`)
  assert.equal(code, 0, stdout)
}

/** Whoever wants to move refs of the repository waits until the returned connection commits. */
async function holding(name: string): Promise<pg.Client> {
  const blocker = await openDatabase(host.server)
  await blocker.query('begin')
  await blocker.query(`select id from repository where name = $1 for update`, [name])
  return blocker
}

async function somebodyWaits(): Promise<void> {
  await until('somebody who waits', async () => {
    const { rows } = await db.query(`select 1 from pg_locks where not granted and locktype in ('tuple', 'transactionid')`)
    return rows.length > 0
  })
}

test('what a deleted branch left stays for the grace, then leaves', stemmaOnly, async () => {
  const { name, url, work } = await made()
  await remove(url, work)
  const [content, before] = [await cloned(url), await packs(name)]
  assert.equal((await gc(name)).leavingObjects, 0)
  assert.deepEqual(await packs(name), before)
  await age(name, 15)
  assert.equal((await gc(name, '--grace', '16d')).leavingObjects, 0)
  const counted = await gc(name, '--dry-run')
  assert.equal(counted.leavingObjects, 3) // a commit, its tree, the file
  assert.deepEqual(await packs(name), before)
  const done = await gc(name)
  assert.deepEqual([done.leavingObjects, done.keptObjects, done.leavingBytes > 40 << 10], [3, counted.keptObjects, true])
  assert.deepEqual(
    (await packs(name)).map(({ objects }) => objects),
    [counted.keptObjects],
  )
  assert.deepEqual(await cloned(url), content)
  await fsck(name)
  const due = await db.query(`select key from key_deletion where not_before > now() + interval '50 minutes' and key = any($1)`, [
    before.flatMap(({ key }) => key ?? []),
  ])
  assert.equal(due.rows.length, before.filter(({ key }) => key !== null).length)
})

test('with no grace it asks before, and takes the last object of a repository without refs', stemmaOnly, async () => {
  const { name, url, work } = await made()
  const refused = await run('gc', `admin/${name}`, '--grace', '0')
  assert.notEqual(refused.code, 0)
  assert.match(refused.stderr, /removes for good .*--yes does it/)
  await remove(url, work)
  assert.equal((await gc(name, '--grace', '0', '--yes')).leavingObjects, 3)
  await host.configure(name, { 'receive.denyDeleteCurrent': 'ignore' })
  await host.git.run(['push', '-q', url, ':main'], { cwd: work })
  assert.equal((await gc(name, '--grace', '0', '--yes')).keptObjects, 0)
  assert.deepEqual(await packs(name), [])
  await host.git.run(['push', '-q', url, 'main'], { cwd: work })
  await cloned(url)
  await fsck(name)
})

test('forks’ refs, hidden refs and a HEAD that names a commit are roots', stemmaOnly, async () => {
  const { name, url, work, secret } = await made()
  const bob = await forks.account('bob')
  const fork = await forks.fork(['admin', name], bob, 'fork', 'private')
  await remove(url, work)
  assert.equal((await gc(name, '--grace', '0', '--yes')).leavingObjects, 0)
  await host.git.run(['push', '-q', url, 'secret:refs/hidden/secret'], { cwd: work })
  await host.configure(name, { 'transfer.hideRefs': ['refs/hidden'] })
  await host.git.run(['push', '-q', fork, ':secret'], { cwd: work })
  assert.equal((await gc(name, '--grace', '0', '--yes')).leavingObjects, 0)
  await cloned(fork)
  await host.git.run(['push', '-q', url, ':refs/hidden/secret'], { cwd: work, mayFail: true })
  await db.query(`update repository set head = $2, refs_version = refs_version + 1 where name = $1`, [name, secret.commit])
  await db.query(`delete from ref where name = 'refs/hidden/secret'`)
  assert.equal((await gc(name, '--grace', '0', '--yes')).leavingObjects, 0)
  assert.match((await run('purge', `admin/${name}`, secret.blob, '--yes')).stderr, new RegExp(`\n  admin/${name} HEAD`))
  await cloned(url)
})

test('a push that rests on what left meanwhile fails clearly, and goes through again', stemmaOnly, async () => {
  const { name, url, work, secret } = await made()
  await remove(url, work)
  // a lock that every push's transaction needs first: the repository's row
  const blocker = await holding(name)
  const push = host.git.run(['push', '-q', url, `${secret.commit}:refs/heads/again`], { cwd: work, mayFail: true })
  await somebodyWaits()
  // what the collection does under the lock, as seen by whoever comes behind it
  await blocker.query(`update network set generation = generation + 1 where id = (select network_id from repository where name = $1)`, [
    name,
  ])
  await blocker.query('commit')
  await blocker.end()
  const { code, stderr } = await push
  assert.notEqual(code, 0)
  assert.match(stderr, /objects were removed while the push came; push again/)
  await host.git.run(['push', '-q', url, `${secret.commit}:refs/heads/again`], { cwd: work })
  await cloned(url)
})

test('a collection that finds something needed at its last look changes nothing', stemmaOnly, async () => {
  const { name, url, work, secret } = await made()
  await remove(url, work)
  const before = await packs(name)
  const blocker = await holding(name)
  const collection = run('gc', `admin/${name}`, '--grace', '0', '--yes')
  await somebodyWaits()
  await blocker.query(
    `insert into ref (repository_id, name, oid) select id, 'refs/heads/back', decode($2, 'hex') from repository where name = $1`,
    [name, secret.commit],
  )
  await blocker.query('commit')
  await blocker.end()
  const { code, stderr } = await collection
  assert.notEqual(code, 0)
  assert.match(stderr, new RegExp(`object ${secret.commit} was to leave, and a push needs it since; nothing was changed`))
  assert.deepEqual(await packs(name), before)
  assert.deepEqual((await db.query(`select 1 from upload_intent`)).rows, [])
  await fsck(name)
})

test('a collection and a push at once: whoever is second sees the first', stemmaOnly, async () => {
  const { name, url, work } = await made()
  await remove(url, work)
  const blocker = await holding(name)
  const collection = run('gc', `admin/${name}`, '--grace', '0', '--yes', '--json')
  await somebodyWaits()
  await host.git.run(['switch', '-q', 'main'], { cwd: work })
  await host.git.commit(work, { 'later.txt': 'later\n' }, 'later')
  const push = host.git.run(['push', '-q', url, 'main'], { cwd: work, mayFail: true })
  await blocker.query('commit')
  await blocker.end()
  const [{ code, stdout, stderr }, pushed] = await Promise.all([collection, push])
  assert.equal(code, 0, stderr)
  assert.equal(JSON.parse(stdout).leavingObjects, 3)
  if (pushed.code !== 0) {
    assert.match(pushed.stderr, /objects were removed while the push came; push again/)
    await host.git.run(['push', '-q', url, 'main'], { cwd: work })
  }
  await cloned(url)
  await fsck(name)
})

test('a purge takes what a repack replaced before it, too, whose keys would have had an hour of grace', stemmaOnly, async () => {
  const { name, url, work, secret } = await made()
  const before = (await packs(name)).flatMap(({ key }) => key ?? [])
  assert.ok(before.length > 0)
  assert.equal((await run('repack', `admin/${name}`)).code, 0)
  await remove(url, work)
  const isThere = (key: string) => host.server.bucketFiles().some(({ path }) => path.endsWith(key))
  assert.ok(before.every(isThere))
  assert.equal((await run('purge', `admin/${name}`, secret.blob)).code, 0)
  assert.ok(before.every(isThere), 'only counted')
  const { code, stderr } = await run('purge', `admin/${name}`, secret.blob, '--yes')
  assert.equal(code, 0, stderr)
  assert.deepEqual(before.filter(isThere), [])
  // what left by a collection is in no pack any more, but in the replaced ones
  const other = await made()
  const old = (await packs(other.name)).flatMap(({ key }) => key ?? [])
  await remove(other.url, other.work)
  await gc(other.name, '--grace', '0', '--yes')
  assert.ok(old.every(isThere))
  assert.match((await run('purge', `admin/${other.name}`, other.secret.blob, '--yes')).stdout, /is not stored/)
  assert.deepEqual(old.filter(isThere), [])
})

test('a collection waits for other work at the same packs', stemmaOnly, async () => {
  const { name, url, work } = await made()
  await remove(url, work)
  const lease = `'repack ' || (select network_id from repository where name = $1)`
  await db.query(`insert into job (kind, holder, leased_until) values (${lease}, gen_random_uuid(), now() + interval '1 hour')`, [name])
  const collection = gc(name, '--grace', '0', '--yes')
  await sleep(3000)
  await db.query(`delete from job where kind = ${lease}`, [name])
  assert.equal((await collection).leavingObjects, 3)
})

test('a grace needs its unit, and --yes below an hour', stemmaOnly, async () => {
  for (const grace of ['14', 'x', '-1', '1w'])
    assert.match((await run('gc', '--grace', grace)).stderr, /is no duration such as|--grace/, grace)
  assert.match((await run('gc', '--grace', '59m')).stderr, /less than an hour.*--yes/s)
  assert.equal((await run('gc', '--grace', '90.5s', '--dry-run')).code, 0)
})

test('a purge names the refs that still reach a secret, of forks too; then the secret is nowhere', stemmaOnly, async () => {
  const { name, url, work, secret } = await made()
  const carol = await forks.account('carol')
  const fork = await forks.fork(['admin', name], carol, name, 'public')
  const held = await run('purge', `admin/${name}`, secret.blob, '--yes')
  assert.equal(held.code === 0, false)
  assert.match(held.stderr, new RegExp(`nothing was removed.*\n  admin/${name} refs/heads/secret\n  carol/${name} refs/heads/secret`))
  assert.doesNotMatch(held.stderr, /refs\/heads\/main/)
  await remove(url, work)
  const half = await run('purge', `admin/${name}`, secret.blob, '--yes')
  assert.match(half.stderr, new RegExp(`nothing was removed.*\n  carol/${name} refs/heads/secret`))
  await host.git.run(['push', '-q', fork, ':secret'], { cwd: work })
  const before = (await packs(name)).flatMap(({ key }) => key ?? [])
  assert.ok(before.length > 0)
  const counted = await run('purge', `admin/${name}`, secret.blob)
  assert.match(counted.stdout, /would remove\t.*3 objects .*\n.*nothing was removed yet/)
  const { code, stdout, stderr } = await run('purge', `admin/${name}`, secret.blob, '--yes')
  assert.equal(code, 0, stderr)
  assert.match(stdout, /removed\t.*3 objects/)
  const files = host.server.bucketFiles().map(({ path }) => path)
  for (const key of before)
    assert.equal(
      files.some((path) => path.endsWith(key)),
      false,
      key,
    )
  const gone = await run('purge', `admin/${name}`, secret.blob, '--yes')
  assert.match(gone.stdout, /is not stored/)
  for (const place of [url, fork]) await cloned(place)
  await fsck(name)
  assert.match((await run('purge', `admin/${name}`, 'abc')).stderr, /is no whole object id/)
})

test(
  'in the background: what a deleted branch and a forced push left leaves after the grace, and networks that only grew are left alone',
  stemmaOnly,
  async () => {
    const grown = await made()
    await host.git.commit(grown.work, { 'more.txt': 'more\n' }, 'more')
    await host.git.run(['push', '-q', grown.url, 'secret'], { cwd: grown.work })
    const deleted = await made()
    await remove(deleted.url, deleted.work)
    const forced = await made()
    await host.git.run(['push', '-q', '-f', forced.url, 'main:secret'], { cwd: forced.work })
    await longAgo()
    const young = await made()
    await remove(young.url, young.work)
    const before = { grown: await packs(grown.name), young: await packs(young.name) }
    const content = await cloned(deleted.url)
    await collected()
    assert.deepEqual([await generation(deleted.name), await generation(forced.name)], [1, 1])
    assert.deepEqual(await packs(grown.name), before.grown)
    assert.deepEqual(await packs(young.name), before.young)
    for (const one of [deleted, forced]) {
      assert.match((await run('purge', `admin/${one.name}`, one.secret.blob)).stdout, /is not stored/)
      await fsck(one.name)
    }
    assert.deepEqual(await cloned(deleted.url), content)
    assert.deepEqual((await db.query('select * from network_review')).rows, [])
    await longAgo()
    await collected()
    assert.equal(await generation(young.name), 1)
    assert.deepEqual(await packs(grown.name), before.grown)
  },
)

test('in the background: a branch that came back meanwhile keeps what it had let go', stemmaOnly, async () => {
  const { name, url, work, secret } = await made()
  await remove(url, work)
  await longAgo()
  await host.git.run(['push', '-q', url, `${secret.commit}:refs/heads/again`], { cwd: work })
  await host.git.run(['push', '-q', url, ':again'], { cwd: work })
  await collected()
  assert.equal(await generation(name), 0)
  await longAgo()
  await collected()
  assert.equal(await generation(name), 1)
})

test('a value that came with a push and was refused has the grace, and leaves after it', stemmaOnly, async () => {
  const { name, url, work } = await made()
  await host.configure(name, { 'transfer.hideRefs': ['refs/hidden'] })
  const refused = await host.git.commit(work, { 'refused.txt': randomBytes(3000).toString('hex') }, 'refused')
  await host.git.run(['switch', '-q', 'main'], { cwd: work })
  await host.git.commit(work, { 'taken.txt': 'taken\n' }, 'taken')
  const push = await host.git.run(['push', '-q', url, 'main', 'secret:refs/hidden/one'], { cwd: work, mayFail: true })
  assert.match(push.stderr, /deny updating a hidden ref/)
  assert.equal((await gc(name)).leavingObjects, 0)
  assert.equal((await gc(name, '--grace', '0', '--dry-run')).leavingObjects, 3)
  await longAgo()
  await collected()
  assert.equal(await generation(name), 1)
  assert.match((await run('purge', `admin/${name}`, refused)).stdout, /is not stored/)
  await cloned(url)
  await fsck(name)
})

test('what a deleted fork alone had stays for the grace, its refs’ earlier values too', stemmaOnly, async () => {
  const { name, url, work } = await made()
  const dora = await forks.account('dora')
  const fork = await forks.fork(['admin', name], dora, `${name}-fork`, 'private')
  await host.git.commit(work, { 'first.txt': 'first\n' }, 'first')
  await host.git.run(['push', '-q', fork, 'secret:own'], { cwd: work })
  await host.git.run(['commit', '-q', '--amend', '-m', 'second'], { cwd: work })
  await host.git.run(['push', '-q', '-f', fork, 'secret:own'], { cwd: work })
  assert.equal((await host.server.api('DELETE', `/api/v3/repos/dora/${name}-fork`)).status, 204)
  assert.equal((await gc(name)).leavingObjects, 0)
  assert.equal((await gc(name, '--grace', '0', '--dry-run')).leavingObjects, 4) // two commits, a tree, a file
  const before = await packs(name)
  await longAgo()
  await collected()
  assert.equal(await generation(name), 1)
  assert.ok((await packs(name)).reduce((sum, { objects }) => sum + objects, 0) < before.reduce((sum, { objects }) => sum + objects, 0))
  await cloned(url)
  await fsck(name)
})
