// Two nodes on one PostgreSQL and one Ceph RGW are one server: what one takes, the other serves at once; neither keeps anything of its own.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { rmSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { ListObjectsV2Command } from '@aws-sdk/client-s3'
import pg from 'pg'
import { contentOf, Git, TempFolder } from '../support/git.ts'
import { root } from '../house/tree.ts'
import { s3Client, s3Settings } from '../support/s3-settings.ts'
import { Server } from '../support/server.ts'

const folder = new TempFolder('ceph-server')
const git = new Git(folder)
const suffix = randomBytes(6).toString('hex')
const s3 = s3Settings(`stemma-test-${suffix}`)
const databaseName = `stemma_test_${suffix}`
const nodes: Server[] = []
let database: pg.Client

function databaseUrl(name?: string): string {
  const url = process.env.STEMMA_TEST_DATABASE_URL
  if (!url) throw new Error('STEMMA_TEST_DATABASE_URL is not set: run the tests through `make test-ceph`')
  if (name === undefined) return url
  const named = new URL(url)
  named.pathname = `/${name}`
  return named.href
}

async function startNode(name: string): Promise<Server> {
  const env = {
    DATABASE_URL: databaseUrl(databaseName),
    STEMMA_BUCKET_S3_ENDPOINT: s3.endpoint ?? '',
    STEMMA_BUCKET_S3_REGION: s3.region,
    STEMMA_BUCKET_S3_BUCKET: s3.bucket,
    STEMMA_BUCKET_S3_ACCESS_KEY_ID: s3.accessKeyId ?? '',
    STEMMA_BUCKET_S3_SECRET_ACCESS_KEY: s3.secretAccessKey ?? '',
    STEMMA_BUCKET_S3_CREATE_BUCKET: 'true',
  }
  const node = await Server.start({ data: folder.join(name), env })
  nodes.push(node)
  return node
}

/** Of a repository's packs; each is in the bucket. (The bucket has others, too: what background work has just written or replaced.) */
async function keysOf(repository: string): Promise<string[]> {
  const { rows } = await database.query<{ key: string }>(
    'select p.key from pack p join repository r using (network_id) where r.name = $1 and p.key is not null',
    [repository],
  )
  const listed = await s3Client().send(new ListObjectsV2Command({ Bucket: s3.bucket }))
  const stored = new Set((listed.Contents ?? []).map((entry) => entry.Key))
  return rows.map(({ key }) => key).filter((key) => stored.has(key) || assert.fail(`${key} is not in the bucket`))
}

before(async () => {
  const admin = new pg.Client({ connectionString: databaseUrl() })
  await admin.connect()
  await admin.query(`create database ${databaseName}`)
  await admin.end()
  await startNode('a')
  await startNode('b')
  database = new pg.Client({ connectionString: databaseUrl(databaseName) })
  await database.connect()
})
after(async () => {
  await database?.end()
  for (const node of nodes) await node.stop()
  const admin = new pg.Client({ connectionString: databaseUrl() })
  await admin.connect()
  await admin.query(`drop database if exists ${databaseName} with (force)`)
  await admin.end()
  folder.remove()
})

test('a whole history goes in at one node and comes out of the other', async () => {
  const [a, b] = nodes as [Server, Server]
  const source = folder.join('source.git')
  await git.run(['clone', '-q', '--mirror', root, source])
  await git.run(['push', '-q', '--mirror', await a.create('whole')], { cwd: source })
  const copy = folder.join('copy.git')
  await git.run(['clone', '-q', '--mirror', b.repositoryUrl('whole'), copy])
  assert.deepEqual(await contentOf(git, copy), await contentOf(git, source))
  await git.run(['fsck', '--strict'], { cwd: copy })
})

test('pushes to one node in turn with the other build on each other', async () => {
  const [a, b] = nodes as [Server, Server]
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
  const [a] = nodes as [Server, Server]
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
  const intents = await database.query('select key from upload_intent where key = $1', [key])
  assert.equal(intents.rowCount, 0)
})

test('a large pack goes up in parts and comes back from a node that never saw it', async () => {
  const [a, b] = nodes as [Server, Server]
  await a.create('large')
  const work = folder.join('large')
  await git.run(['init', '-q', '-b', 'main', work])
  await git.commit(work, { 'one.bin': randomBytes(30 << 20), 'two.bin': randomBytes(25 << 20) })
  await git.run(['push', '-q', a.repositoryUrl('large'), 'main'], { cwd: work })
  const copy = folder.join('large-copy')
  await git.run(['clone', '-q', b.repositoryUrl('large'), copy])
  await git.run(['fsck', '--strict'], { cwd: copy })
  rmSync(folder.join('b', 'cache'), { recursive: true, force: true })
  await git.run(['clone', '-q', b.repositoryUrl('large'), folder.join('large-again')])
})

test('deleting a repository deletes its keys in time', async () => {
  const [a] = nodes as [Server, Server]
  const dropped = await keysOf('large')
  assert.equal(dropped.length, 1)
  const answer = await a.api('DELETE', '/api/v3/repos/admin/large')
  assert.equal(answer.status, 204)
  // others wait, too: packs that compaction has replaced
  const waiting = await database.query('select key from key_deletion where key = any($1)', [dropped])
  assert.equal(waiting.rowCount, 1)
})

test('health tells which part is down', async () => {
  const [a] = nodes as [Server, Server]
  const answer = await a.api('GET', '/health')
  assert.equal(answer.status, 200)
  assert.equal(answer.body.bucket.kind, 's3')
})
