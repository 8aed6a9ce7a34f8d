// Two nodes on one PostgreSQL and one Ceph RGW are one server: what one takes, the other serves at once; neither keeps anything of its own.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { root } from '../house/tree.ts'
import { contentOf, Git, TempFolder } from '../support/git.ts'
import { openPair } from '../support/node-pair.ts'

const folder = new TempFolder('ceph-server')
const git = new Git(folder)
const { nodes, a, b, db, close } = await openPair(folder)
after(close)

/** Of a repository's packs; each is in the bucket. (The bucket has others, too: what background work has just written or replaced.) */
async function keysOf(repository: string): Promise<string[]> {
  const { rows } = await db.query<{ key: string }>(
    'select p.key from pack p join repository r using (network_id) where r.name = $1 and p.key is not null',
    [repository],
  )
  const stored = new Set(await nodes.storage.keys())
  return rows.map(({ key }) => key).filter((key) => stored.has(key) || assert.fail(`${key} is not in the bucket`))
}

test('a whole history goes in at one node and comes out of the other', async () => {
  const source = folder.join('source.git')
  await git.run(['clone', '-q', '--mirror', root, source])
  await git.run(['update-ref', '-d', 'refs/stash'], { cwd: source }) // of whoever works here: the server keeps no such name
  await git.run(['push', '-q', '--mirror', await a.create('whole')], { cwd: source })
  const copy = folder.join('copy.git')
  await git.run(['clone', '-q', '--mirror', b.repositoryUrl('whole'), copy])
  assert.deepEqual(await contentOf(git, copy), await contentOf(git, source))
  await git.run(['fsck', '--strict'], { cwd: copy })
})

test('pushes to one node in turn with the other build on each other', async () => {
  await a.create('turns')
  const work = folder.join('turns')
  await git.run(['init', '-q', '-b', 'main', work])
  for (let i = 0; i < 10; i++) {
    const node = i % 2 === 0 ? a : b
    const tip = await git.commit(work, { 'turn.txt': `turn ${i}\n` }, `turn ${i}`)
    await git.run(['push', '-q', node.repositoryUrl('turns'), 'main'], { cwd: work })
    for (const other of [a, b]) {
      const seen = await git.read(['ls-remote', other.repositoryUrl('turns'), 'refs/heads/main'])
      assert.equal(seen.split('\t')[0], tip)
    }
  }
})

test('a small push makes no request to the bucket; one pack up to 16 MiB makes one key', async () => {
  await a.create('counted')
  const work = folder.join('counted')
  await git.run(['init', '-q', '-b', 'main', work])
  await git.commit(work, { 'small.txt': 'small\n' })
  await git.run(['push', '-q', a.repositoryUrl('counted'), 'main'], { cwd: work })
  assert.deepEqual(await keysOf('counted'), [])
  await git.commit(work, Object.fromEntries(Array.from({ length: 2000 }, (_, i) => [`f/${i}`, randomBytes(4096)])))
  await git.run(['push', '-q', a.repositoryUrl('counted'), 'main'], { cwd: work })
  const [key, ...more] = await keysOf('counted')
  assert.ok(key !== undefined && more.length === 0)
  const intents = await db.query('select key from upload_intent where key = $1', [key])
  assert.equal(intents.rowCount, 0)
})

test('a large pack goes up in parts and comes back from a node that never saw it', async () => {
  await a.create('large')
  const work = folder.join('large')
  await git.run(['init', '-q', '-b', 'main', work])
  await git.commit(work, { 'one.bin': randomBytes(30 << 20), 'two.bin': randomBytes(25 << 20) })
  await git.run(['push', '-q', a.repositoryUrl('large'), 'main'], { cwd: work })
  const copy = folder.join('large-copy')
  await git.run(['clone', '-q', b.repositoryUrl('large'), copy])
  await git.run(['fsck', '--strict'], { cwd: copy })
  rmSync(join(b.data, 'cache'), { recursive: true, force: true })
  await git.run(['clone', '-q', b.repositoryUrl('large'), folder.join('large-again')])
})

test('deleting a repository deletes its keys in time', async () => {
  const dropped = await keysOf('large')
  assert.equal(dropped.length, 1)
  const answer = await a.api('DELETE', '/api/v3/repos/admin/large')
  assert.equal(answer.status, 204)
  // others wait, too: packs that compaction has replaced
  const waiting = await db.query('select key from key_deletion where key = any($1)', [dropped])
  assert.equal(waiting.rowCount, 1)
})

test('health tells which part is down', async () => {
  const answer = await a.api('GET', '/health')
  assert.equal(answer.status, 200)
  assert.equal(answer.body.bucket.kind, 's3')
})
