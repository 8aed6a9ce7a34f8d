// Storage figures against what git and the bucket's folder say.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { stemma } from '../support/command.ts'
import { openDatabase } from '../support/database.ts'
import { Forks } from '../support/forks.ts'
import { makeHistory } from '../support/history.ts'
import { type Host, openHost, stemmaOnly } from '../support/host.ts'
import { until } from '../support/until.ts'

let host: Host
let forks: Forks
let url: string
let logical: { objects: number; bytes: number }
before(async () => {
  if (stemmaOnly.skip !== undefined) return
  host = await openHost('storage', { STEMMA_GIT_TAIL_BYTES: '0' })
  forks = Forks.open(host.server)
  const work = makeHistory(120)
  url = await host.create('figures')
  await host.git.run(['push', '-q', url, 'main~60:refs/heads/main'], { cwd: work })
  await host.git.run(['push', '-q', '--mirror', url], { cwd: work })
  const mirror = host.folder.join('mirror.git')
  await host.git.run(['clone', '-q', '--mirror', url, mirror])
  const listed = await host.git.read(['cat-file', '--batch-all-objects', '--batch-check=%(objectsize)'], { cwd: mirror })
  const sizes = listed.split('\n').map(Number)
  logical = { objects: sizes.length, bytes: sizes.reduce((sum, size) => sum + size, 0) }
})
after(async () => {
  await forks?.close()
  await host?.close()
})

const figures = async (token?: string) => (await host.server.api('GET', '/api/v3/repos/admin/figures/storage', undefined, token)).body

function keysBytes(): number {
  return host.server.bucketFiles().reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
}

test('a repository’s figures are git’s and the bucket’s', stemmaOnly, async () => {
  const found = await figures()
  assert.deepEqual([found.objects, found.logical_bytes, found.packs], [logical.objects, logical.bytes, 2])
  const { total, packs, indexes, tails, histories, path_tables } = found.stored_bytes
  assert.equal(total, packs + indexes + tails + histories + path_tables)
  assert.ok(found.saved_bytes.delta > 0 && found.saved_bytes.compression > 0)
  // every byte of the packs' entries is in one of them; beside these are two headers and trailers
  const entries = found.logical_bytes - found.saved_bytes.delta - found.saved_bytes.compression + found.copies.stored_bytes
  assert.deepEqual([tails, packs - entries], [0, 2 * (12 + 20)])
  assert.equal(total, keysBytes())
  assert.deepEqual(await figures(), found)
})

test('after a repack the copies are gone, and the figures are of what is there now', stemmaOnly, async () => {
  const before = await figures()
  const { code, stderr } = await stemma(['repack', 'admin/figures', '--data', host.server.data])
  assert.equal(code, 0, stderr)
  const after = await figures()
  assert.deepEqual([after.objects, after.logical_bytes, after.packs], [logical.objects, logical.bytes, 1])
  assert.deepEqual(after.copies, { objects: 0, stored_bytes: 0 })
  assert.ok(after.stored_bytes.packs <= before.stored_bytes.packs)
})

test('a fork costs nothing; private and missing are the same, and a reader is no owner', stemmaOnly, async () => {
  const bob = await forks.account('bob')
  assert.equal((await host.server.api('GET', '/api/v3/repos/admin/figures/storage', undefined, bob.token)).status, 403)
  assert.equal((await host.server.api('GET', '/api/v3/repos/admin/none/storage', undefined, bob.token)).status, 404)
  const before = await figures()
  await host.server.api('POST', '/api/v3/repos/admin/figures/forks', {}, bob.token)
  const after = await figures()
  assert.equal(after.shared_with_forks, true)
  assert.deepEqual({ ...after, shared_with_forks: false }, before)
})

test('the whole server: for administrators, with what was asked of the bucket', stemmaOnly, async () => {
  const carol = await forks.account('carol')
  assert.equal((await host.server.api('GET', '/api/v3/storage', undefined, carol.token)).status, 403)
  const own = await figures()
  const { git, content, requests: first } = (await host.server.api('GET', '/api/v3/storage')).body
  assert.deepEqual([git.networks, git.networks_counted, git.objects], [1, 1, own.objects])
  assert.deepEqual(git.stored_bytes, own.stored_bytes)
  assert.equal(content.contents, 0)
  assert.ok(first.puts >= 1)
  // what worker threads ask is among it, which they tell now and then: a fetch of what came since reads it from the bucket
  const copy = host.folder.join('copy')
  await host.git.run(['clone', '-q', '--branch', 'main', url, copy])
  await host.git.commit(copy, { 'new.txt': 'new\n' })
  await host.git.run(['push', '-q', 'origin', 'HEAD:refs/heads/new'], { cwd: copy })
  const { requests } = (await host.server.api('GET', '/api/v3/storage')).body
  await host.git.run(['clone', '-q', '--bare', '--depth=1', '--branch', 'new', url, host.folder.join('clone.git')])
  const asked = async () => (await host.server.api('GET', '/api/v3/storage')).body.requests
  const counted = (later: typeof requests) => later.gets > requests.gets && later.bytes_read > requests.bytes_read
  let later = await asked()
  for (let i = 0; i < 60 && !counted(later); i++) {
    await sleep(250)
    later = await asked()
  }
  assert.ok(counted(later), `${JSON.stringify(requests)} before, ${JSON.stringify(later)} after a fetch`)
})

test('the background work counts what was pushed to, up to the newest pack, and then rests', stemmaOnly, async () => {
  const work = makeHistory(30)
  await host.create('empty')
  for (const name of ['second', 'third']) await host.git.run(['push', '-q', await host.create(name), 'main'], { cwd: work })
  const database = await openDatabase(host.server)
  const counted = async () => {
    const { rows } = await database.query<{ upTo: string | null; newest: string }>(
      `select (select value from server_fact where name = 'storage_counted') as "upTo", (select max(id)::text from pack) as newest`,
    )
    return rows[0]?.upTo === rows[0]?.newest
  }
  await database.query(`update job set due_at = now() where kind = 'count-storage'`)
  await until('a count of everything', counted)
  await host.git.run(['push', '-q', host.server.repositoryUrl('third'), 'main~3:refs/heads/other'], { cwd: work }) // no pack comes with it
  const { git } = (await host.server.api('GET', '/api/v3/storage')).body
  assert.equal(git.networks_counted, git.networks)
  const { rows } = await database.query(
    'select 1 from network_storage s join network n on n.id = s.network_id where s.packs_version = n.packs_version',
  )
  assert.equal(rows.length, git.networks - 1, 'the empty one is not counted')
  await database.end()
})
