// What keeps packs in order, on two nodes over one Ceph RGW: merges, full repacks, collection, purge, fsck, the scrub, rows made again. Commands run as
// on a third machine. After each, both nodes serve everything, also after the keys that were replaced are gone.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { policy } from '../../src/git/compact/policy.ts'
import { contentOf, Git, TempFolder, wholeClone } from '../support/git.ts'
import { makeHistory } from '../support/history.ts'
import { openPair } from '../support/node-pair.ts'
import { s3Client } from '../support/s3-settings.ts'
import { until } from '../support/until.ts'
import { push, zeroId } from '../support/wire.ts'

const commits = policy.packs + 60
const folder = new TempFolder('ceph-packs')
const git = new Git(folder)
const s3 = s3Client()
// small tails, so that there are packs of both kinds
const { nodes, a, b, db, command, due, close } = await openPair(folder, { STEMMA_GIT_TAIL_BYTES: '20KiB' })
let clones = 0
after(async () => {
  s3.destroy()
  await close()
})

const packs = async (name: string) =>
  (
    await db.query<{ key: string | null; objects: number }>(
      'select p.key, p.object_count::int objects from pack p join repository r using (network_id) where r.name = $1 order by coalesce(p.age, p.id)',
      [name],
    )
  ).rows

/** Clones from each node and through the proxy, each found whole by git; all are the same. */
async function served(name: string): Promise<{ objects: string; refs: string }> {
  const found: { objects: string; refs: string }[] = []
  for (const origin of [a.url, b.url, nodes.proxy.url]) {
    const url = a.repositoryUrl(name).replace(a.url.slice('http://'.length), origin.slice('http://'.length))
    found.push(await contentOf(git, await wholeClone(git, url, folder.join(`clone-${clones++}.git`))))
  }
  for (const other of found.slice(1)) assert.deepEqual(other, found[0])
  return found[0] as { objects: string; refs: string }
}

/** As if the time had passed that keys which were replaced are kept for. */
async function replacedKeysGo(): Promise<void> {
  await db.query('update key_deletion set not_before = now()')
  await until('replaced keys are gone', async () => {
    await due('sweep-orphans')
    return (await db.query('select 1 from key_deletion where not_before <= now()')).rowCount === 0
  })
}

async function findings(...args: readonly string[]): Promise<{ code: number | null; found: { code: string; key: string | null }[] }> {
  const { code, stdout, stderr } = await nodes.stemma('fsck', '--json', ...args)
  assert.ok(code === 0 || code === 1, stdout + stderr)
  const records = stdout.split('\n').filter((line) => line !== '')
  return { code, found: records.map((line) => JSON.parse(line)).filter(({ type }) => type === 'finding') }
}

/** Changes a bit of a stored value; gives what puts it right again. */
async function damage(key: string): Promise<() => Promise<unknown>> {
  const at = { Bucket: nodes.storage.bucket, Key: key }
  const good = Buffer.from((await (await s3.send(new GetObjectCommand(at))).Body?.transformToByteArray()) ?? [])
  const bad = Buffer.from(good)
  bad[Math.floor(bad.length / 3)] = (bad[Math.floor(bad.length / 3)] as number) ^ 16
  await s3.send(new PutObjectCommand({ ...at, Body: bad }))
  return () => s3.send(new PutObjectCommand({ ...at, Body: good }))
}

/** A repository to which so many commits were pushed through both nodes in turn, a pack each. */
async function pushed(name: string): Promise<{ url: string; work: string }> {
  const work = makeHistory(commits)
  await a.create(name)
  let old = zeroId
  for (let n = commits - 1; n >= 0; n--) {
    const next = await git.read(['rev-parse', `main~${n}`], { cwd: work })
    const input = old === zeroId ? `${next}\n` : `${next}\n^${old}\n`
    const pack = execFileSync('git', ['-C', work, 'pack-objects', '-q', '--revs', '--thin', '--stdout', '--delta-base-offset'], { input })
    const report = await push((n % 2 === 0 ? a : b).repositoryUrl(name), [{ old, new: next, ref: 'refs/heads/main' }], pack)
    assert.deepEqual([...report.refs], [['refs/heads/main', 'ok']], report.text)
    old = next
  }
  return { url: a.repositoryUrl(name), work }
}

test('pushes to both nodes become few packs, while both go on serving', async () => {
  const { work } = await pushed('busy')
  await until('a merge', async () => (await packs('busy')).length < policy.packs)
  const content = await served('busy')
  assert.equal(
    content.refs,
    await git.read(['for-each-ref', '--format=%(objectname) %(objecttype) %(refname)', 'refs/heads/main'], { cwd: work }),
  )
  await replacedKeysGo()
  assert.deepEqual(await served('busy'), content)
  assert.deepEqual((await findings()).found, [])
})

test('a full repack: both nodes leave the old packs for the new one before these are deleted', async () => {
  await git.run(['push', '-q', b.repositoryUrl('busy'), '--tags'], { cwd: makeHistory(commits) })
  const content = await served('busy')
  const old = (await packs('busy')).flatMap(({ key }) => key ?? [])
  const { packsBefore } = JSON.parse(await command('repack', 'admin/busy', '--no-reuse', '--json'))
  assert.ok(packsBefore > 1)
  assert.equal((await packs('busy')).length, 1)
  assert.deepEqual(await served('busy'), content)
  await replacedKeysGo()
  const left = new Set(await nodes.storage.keys())
  for (const key of old) assert.ok(!left.has(key), key)
  assert.deepEqual(await served('busy'), content)
  assert.deepEqual((await findings()).found, [])
})

/** A repository with a secret on a branch that is deleted again, through the other node. */
async function withSecret(name: string): Promise<{ work: string; secret: string }> {
  const work = await git.makeRepository(folder.join(name), 6)
  await git.run(['push', '-q', await a.create(name), 'main'], { cwd: work })
  await git.run(['switch', '-q', '-c', 'secret'], { cwd: work })
  await git.commit(work, { 'secret.txt': randomBytes(40 << 10).toString('base64') }, 'a secret')
  const secret = await git.read(['rev-parse', 'secret:secret.txt'], { cwd: work })
  await git.run(['push', '-q', b.repositoryUrl(name), 'secret'], { cwd: work })
  for (const node of [a, b]) await git.run(['clone', '-q', '--bare', node.repositoryUrl(name), folder.join(`warm-${clones++}.git`)])
  return { work, secret }
}

/** Neither node gives the object out, whatever it has in its caches. */
async function assertGone(name: string, id: string): Promise<void> {
  for (const node of [a, b]) {
    const copy = folder.join(`asking-${clones++}.git`)
    await git.run(['init', '-q', '--bare', copy])
    const asked = await git.run(['fetch', '-q', node.repositoryUrl(name), id], { cwd: copy, mayFail: true })
    assert.notEqual(asked.code, 0)
    assert.match(asked.stderr, /not our ref|no such/i)
  }
}

test('gc: what no ref reaches leaves, on both nodes', async () => {
  const { work, secret } = await withSecret('collected')
  await git.run(['push', '-q', a.repositoryUrl('collected'), ':secret'], { cwd: work })
  const { leavingObjects } = JSON.parse(await command('gc', 'admin/collected', '--grace', '0', '--yes', '--json'))
  assert.equal(leavingObjects, 3)
  await assertGone('collected', secret)
  const content = await served('collected')
  assert.ok(!content.objects.includes(secret))
  // a push that takes the removed object for granted is refused by either, and goes through whole
  await git.run(['push', '-q', b.repositoryUrl('collected'), 'secret:refs/heads/again'], { cwd: work })
  assert.ok((await served('collected')).objects.includes(secret))
  assert.deepEqual((await findings('admin/collected')).found, [])
})

test('purge: the secret’s keys leave the bucket at once', async () => {
  const { work, secret } = await withSecret('leaked')
  const old = (await packs('leaked')).flatMap(({ key }) => key ?? [])
  assert.ok(old.length > 0)
  assert.match((await nodes.stemma('purge', 'admin/leaked', secret, '--yes')).stderr, /admin\/leaked refs\/heads\/secret/)
  await git.run(['push', '-q', b.repositoryUrl('leaked'), ':secret'], { cwd: work })
  assert.match(await command('purge', 'admin/leaked', secret, '--yes'), /removed\t.*3 objects/)
  const left = new Set(await nodes.storage.keys())
  for (const key of old) assert.ok(!left.has(key), key)
  await assertGone('leaked', secret)
  await served('leaked')
  assert.match(await command('purge', 'admin/leaked', secret, '--yes'), /is not stored/)
})

test('a flipped bit is found by fsck and by the scrub, which name its key', async () => {
  const [{ key } = { key: null }] = await packs('busy')
  assert.ok(key)
  const mend = await damage(key)
  const { code, found } = await findings()
  assert.deepEqual([code, [...new Set(found.map((one) => one.key))]], [1, [key]], JSON.stringify(found))
  const scrubbed = async () => {
    await db.query(`update pack set verified_at = null, created_at = created_at - interval '31 days'`)
    await until('a scrub', async () => {
      await due('scrub')
      return (await db.query('select 1 from pack where verified_at is null')).rowCount === 0
    })
    return (await db.query<{ n: number }>('select count(*)::int n from scrub_finding')).rows[0]?.n
  }
  assert.notEqual(await scrubbed(), 0)
  const alarm = new RegExp(`"alarm":true.*${key}`)
  await until('the alarm in a node’s log', () => alarm.test(a.output + b.output))
  await mend()
  // a node keeps what it has read: whoever puts a key right in the bucket empties the nodes' caches, too
  for (const node of [a, b]) {
    await node.stop()
    rmSync(join(node.data, 'cache'), { recursive: true, force: true })
    await node.begin()
  }
  assert.equal(await scrubbed(), 0)
  assert.equal((await findings()).code, 0)
})

test('rows of packs are made again from the bucket alone, and both nodes serve what they say', async () => {
  const names = ['busy', 'collected', 'leaked']
  const before: Awaited<ReturnType<typeof packs>>[] = []
  for (const name of names) before.push(await packs(name))
  const content = await served('busy')
  await db.query('delete from pack where key is not null')
  await db.query('update network set packs_version = packs_version + 1')
  assert.equal((await findings()).code, 1)
  const { code, found } = await findings('--rebuild')
  assert.deepEqual([code, found], [0, []])
  const keys = (of: readonly { key: string | null }[]) => of.flatMap(({ key }) => key ?? []).sort()
  for (const [n, name] of names.entries()) assert.deepEqual(keys(await packs(name)), keys(before[n] ?? []), name)
  assert.deepEqual(await served('busy'), content)
})

test('deleted repositories leave nothing in the bucket', async () => {
  for (const name of ['busy', 'collected', 'leaked']) assert.equal((await b.api('DELETE', `/api/v3/repos/admin/${name}`)).status, 204)
  await replacedKeysGo()
  await until('all keys are gone', async () => (await nodes.storage.keys()).length === 0)
  assert.deepEqual(await findings(), { code: 0, found: [] })
  assert.equal((await db.query('select 1 from upload_intent')).rowCount, 0)
})
