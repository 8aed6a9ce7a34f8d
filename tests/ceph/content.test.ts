// The content store and LFS on two nodes over one Ceph RGW: what goes up at one node is verified, read in ranges, deduplicated and tidied at the other;
// rows are made again from the bucket; a backup of all of it goes into another bucket and database.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { sha256 } from '../support/content.ts'
import { contentOf, Git, TempFolder, wholeClone } from '../support/git.ts'
import { stemma } from '../support/command.ts'
import { openPair } from '../support/node-pair.ts'
import { openSharedStorage } from '../support/nodes.ts'
import { seededBytes } from '../support/random.ts'
import { Server } from '../support/server.ts'
import { until } from '../support/until.ts'

const folder = new TempFolder('ceph-content')
const git = new Git(folder)
const first = seededBytes('first', 20 << 20)
const second = Buffer.concat([first.subarray(0, 9_000_000), Buffer.from('inserted'), first.subarray(9_000_000)])
const atOnce = seededBytes('at once', 3 << 20)
const { nodes, a, b, db, command, gracesPass, close } = await openPair(folder)
after(close)
before(async () => {
  await a.create('large')
  await b.create('other')
})

async function object(
  node: { url: string; token: string },
  method: string,
  bytes: Uint8Array,
  repository = 'large',
  range = '',
): Promise<Buffer> {
  const headers: Record<string, string> = { authorization: `Bearer ${node.token}`, ...(range === '' ? {} : { range }) }
  const body = method === 'PUT' ? { body: new Uint8Array(bytes) } : {}
  const answer = await fetch(`${node.url}/admin/${repository}.git/info/lfs/objects/${sha256(bytes)}`, { method, headers, ...body })
  const got = Buffer.from(await answer.arrayBuffer())
  assert.equal(answer.status, range === '' ? 200 : 206, got.toString('latin1').slice(0, 200))
  return got
}

async function verified(node: Server, bytes: Uint8Array): Promise<number> {
  const answer = await fetch(`${node.url}/admin/large.git/info/lfs/verify`, {
    method: 'POST',
    headers: { authorization: `Bearer ${node.token}`, 'content-type': 'application/vnd.git-lfs+json' },
    body: JSON.stringify({ oid: sha256(bytes), size: bytes.length }),
  })
  await answer.arrayBuffer()
  return answer.status
}

const storedBytes = async () =>
  (await db.query<{ bytes: number }>('select coalesce(sum(size_bytes), 0)::float8 as bytes from segment')).rows[0]?.bytes ?? 0

test('what goes up at one node is verified, had whole and in ranges at the other', async () => {
  assert.equal(await verified(b, first), 404)
  await object(a, 'PUT', first)
  assert.equal(await verified(b, first), 200)
  assert.ok((await object(b, 'GET', first)).equals(first))
  for (const [from, to] of [
    [0, 0],
    [1_234_567, 7_654_321],
    [first.length - 5, first.length - 1],
  ] as const) {
    const range = `bytes=${from}-${to}`
    for (const node of [a, b]) assert.ok((await object(node, 'GET', first, 'large', range)).equals(first.subarray(from, to + 1)), range)
  }
  assert.ok((await nodes.storage.keys()).some((key) => key.startsWith('segment/')))
})

test('a second version, put at the other node, takes little more; both are read by both', async () => {
  const before = await storedBytes()
  await object(b, 'PUT', second)
  const more = (await storedBytes()) - before
  assert.ok(more > 0 && more < 600_000, `${more} bytes more`)
  for (const node of [a, b]) for (const bytes of [first, second]) assert.ok((await object(node, 'GET', bytes)).equals(bytes))
})

test('the same content put at both nodes at once is stored once', async () => {
  const bytes = atOnce
  const before = await storedBytes()
  await Promise.all([a, b, a, b].map((node) => object(node, 'PUT', bytes)))
  for (const node of [a, b]) assert.ok((await object(node, 'GET', bytes)).equals(bytes))
  // puts that overlap may each have stored chunks; collection takes what no recipe names
  assert.ok((await storedBytes()) - before <= 4 * bytes.length + (1 << 20))
  await command('fsck')
})

/** What a client that has the object is told to do with it. */
async function asked(node: Server, operation: 'upload' | 'download', bytes: Uint8Array): Promise<string[]> {
  const answer = await fetch(`${node.url}/admin/large.git/info/lfs/objects/batch`, {
    method: 'POST',
    headers: { authorization: `Bearer ${node.token}`, 'content-type': 'application/vnd.git-lfs+json' },
    body: JSON.stringify({ operation, objects: [{ oid: sha256(bytes), size: bytes.length }] }),
  })
  const { objects } = (await answer.json()) as { objects: { actions?: Record<string, unknown> }[] }
  return Object.keys(objects[0]?.actions ?? {})
}

test('rows of content are made again from the bucket alone; what stood in PostgreSQL alone is put again by who has it', async () => {
  await db.query('delete from content_reference')
  await db.query('delete from content')
  await db.query('truncate segment, content_segment, chunk')
  await nodes.stemma('fsck', '--rebuild')
  for (const bytes of [first, atOnce]) {
    assert.deepEqual(await asked(a, 'upload', bytes), [])
    for (const node of [a, b]) assert.ok((await object(node, 'GET', bytes)).equals(bytes))
  }
  // of the second version all that is new is small: a tail
  for (const node of [b, a]) assert.deepEqual(await asked(node, 'upload', second), ['upload', 'verify'])
  await object(a, 'PUT', second)
  assert.deepEqual(await asked(b, 'upload', second), [])
  for (const node of [a, b]) assert.ok((await object(node, 'GET', second)).equals(second))
  await command('fsck', '--rebuild')
})

test('a backup, made while both nodes are pushed to, is restored into another bucket and database', async () => {
  const work = await git.makeRepository(folder.join('work'), 20)
  await git.commit(work, { 'noise.bin': seededBytes('noise', 700_000) }, 'more than a tail')
  for (const node of [a, b]) await git.run(['push', '-q', node.repositoryUrl('other'), 'main'], { cwd: work })
  const pushing = (async () => {
    for (let n = 0; n < 10; n++) {
      await git.run(['push', '-q', (n % 2 ? a : b).repositoryUrl('other'), `HEAD:refs/heads/while-${n}`], { cwd: work })
    }
  })()
  await command('backup', '--to', folder.join('backup'))
  await pushing
  const elsewhere = await openSharedStorage()
  try {
    const data = folder.join('restored')
    const restored = await stemma(['restore', '--from', folder.join('backup'), '--data', data], elsewhere.env)
    assert.equal(restored.code, 0, restored.stdout + restored.stderr)
    const server = await Server.start({ data, env: elsewhere.env })
    try {
      const whole = await contentOf(git, await wholeClone(git, server.repositoryUrl('other'), folder.join('restored.git')))
      assert.equal(whole.objects, (await contentOf(git, work)).objects)
      for (const bytes of [first, second]) assert.ok((await object(server, 'GET', bytes)).equals(bytes))
      const checked = await stemma(['fsck', '--data', data], elsewhere.env)
      assert.equal(checked.code, 0, checked.stdout + checked.stderr)
    } finally {
      await server.stop()
    }
  } finally {
    await elsewhere.drop()
  }
})

test('a deleted repository’s content leaves the bucket; what another one has, too, stays', async () => {
  await object(b, 'PUT', second, 'other')
  assert.equal((await a.api('DELETE', '/api/v3/repos/admin/large')).status, 204)
  const contents = async () => (await db.query('select 1 from content')).rowCount
  const segments = async () => (await nodes.storage.keys()).filter((key) => key.startsWith('segment/')).length
  const rows = async () => (await db.query('select 1 from segment where tail is null')).rowCount
  await until('only the other repository’s content is left', async () => {
    await gracesPass()
    return (await contents()) === 1 && (await segments()) === (await rows()) && (await storedBytes()) < second.length * 1.05
  })
  for (const node of [a, b]) assert.ok((await object(node, 'GET', second, 'other')).equals(second))
  await command('fsck')
  assert.equal((await b.api('DELETE', '/api/v3/repos/admin/other')).status, 204)
  await until('nothing is left in the bucket', async () => {
    await gracesPass()
    return (await nodes.storage.keys()).length === 0
  })
  await command('fsck')
})
