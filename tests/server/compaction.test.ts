// A server that is pushed to often keeps few packs, in the background: what was pushed stays whole, whoever fetches it and whenever.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type pg from 'pg'
import { policy } from '../../src/git/compact/policy.ts'
import { stemma } from '../support/command.ts'
import { openDatabase } from '../support/database.ts'
import { contentOf, wholeClone } from '../support/git.ts'
import { makeHistory } from '../support/history.ts'
import { type Host, openHost, stemmaOnly } from '../support/host.ts'
import { until } from '../support/until.ts'
import { push, zeroId } from '../support/wire.ts'

const commits = policy.packs + 40
let host: Host
let db: pg.Client
before(async () => {
  if (stemmaOnly.skip !== undefined) return
  host = await openHost('compaction')
  db = await openDatabase(host.server)
})
after(async () => {
  await db?.end()
  await host?.close()
})

async function packs(name: string): Promise<{ id: number; age: number | null }[]> {
  const text = `select p.id::int, p.age::int from pack p join repository r using (network_id) where r.name = $1 order by coalesce(p.age, p.id)`
  return (await db.query<{ id: number; age: number | null }>(text, [name])).rows
}

/** One push for each commit from `from` back to `to`, as a client packs it. */
async function pushAll(work: string, url: string, from: number, to: number): Promise<void> {
  let old = from === commits ? zeroId : await host.git.read(['rev-parse', `main~${from}`], { cwd: work })
  for (let n = from - 1; n >= to; n--) {
    const next = await host.git.read(['rev-parse', `main~${n}`], { cwd: work })
    const input = old === zeroId ? `${next}\n` : `${next}\n^${old}\n`
    const pack = execFileSync('git', ['-C', work, 'pack-objects', '-q', '--revs', '--thin', '--stdout', '--delta-base-offset'], { input })
    const report = await push(url, [{ old, new: next, ref: 'refs/heads/main' }], pack)
    assert.deepEqual([...report.refs], [['refs/heads/main', 'ok']], report.text)
    old = next
  }
}

test('many pushes become few packs, under a lease, while more are pushed', stemmaOnly, async () => {
  const work = makeHistory(commits)
  const url = await host.create('busy', 'sha1')
  await pushAll(work, url, commits, commits - 1)
  const { rows } = await db.query<{ id: string }>(`select network_id::text as id from repository where name = 'busy'`)
  const lease = `repack ${rows[0]?.id}`
  await db.query(`insert into job (kind, holder, leased_until) values ($1, gen_random_uuid(), now() + interval '1 hour')`, [lease])
  await pushAll(work, url, commits - 1, 20)
  await until('a look at the network', async () => {
    const { rows } = await db.query(`select from job where kind = 'compact' and ended_at is not null`)
    return rows.length > 0
  })
  assert.equal((await packs('busy')).length, commits - 20, 'somebody else has the lease')
  await db.query('delete from job where kind = $1', [lease])
  await pushAll(work, url, 20, 0)
  await until('a merge', async () => (await packs('busy')).length < policy.packs / 2)
  const [oldest] = await packs('busy')
  assert.ok(oldest && oldest.age !== null && oldest.age < oldest.id, 'it has the place of the oldest that it was made of')
  const clone = host.folder.join('clone.git')
  await wholeClone(host.git, url, clone)
  assert.equal(await host.git.read(['rev-parse', 'main'], { cwd: clone }), await host.git.read(['rev-parse', 'main'], { cwd: work }))
  assert.equal((await contentOf(host.git, clone)).objects, await reachable(work))
  const { code, stdout, stderr } = await stemma(['fsck', '--data', host.server.data])
  assert.equal(code, 0, stdout + stderr)
  assert.deepEqual((await db.query(`select key from upload_intent where key like 'pack/%'`)).rows, [])
  assert.deepEqual((await db.query('select kind from job where kind = $1', [lease])).rows, [])
})

test('small pushes beside a large pack are merged as they are', stemmaOnly, async () => {
  const work = makeHistory(commits)
  const url = await host.create('beside', 'sha1')
  const large = host.folder.join('large')
  await host.git.run(['init', '-q', large])
  writeFileSync(join(large, 'large'), randomBytes(80 << 20)) // mergeSearchedPart times what the small ones come to, and more
  await host.git.run(['add', '.'], { cwd: large })
  await host.git.run(['commit', '-qm', 'large'], { cwd: large })
  await host.git.run(['push', '-q', url, 'HEAD:refs/heads/large'], { cwd: large })
  await pushAll(work, url, commits, 0)
  await until('a merge', async () => (await packs('beside')).length < policy.packs / 2)
  assert.match(host.server.output, /compacted a network.*copied|copied.*compacted a network/)
  const clone = host.folder.join('beside.git')
  await wholeClone(host.git, url, clone)
  assert.equal(await host.git.read(['rev-parse', 'main'], { cwd: clone }), await host.git.read(['rev-parse', 'main'], { cwd: work }))
})

/** As `contentOf` says it of a repository that holds nothing but what main reaches. */
async function reachable(work: string): Promise<string> {
  const copy = host.folder.join('reachable.git')
  await host.git.run(['clone', '-q', '--bare', '--single-branch', '--branch', 'main', '--no-tags', '--no-local', work, copy])
  return (await contentOf(host.git, copy)).objects
}
