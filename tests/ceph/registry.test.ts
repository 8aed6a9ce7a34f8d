// The registry on two nodes over one Ceph RGW: what is pushed through one is pulled from the other, whole, opened and made again; it is checked and scrubbed there, its rows
// are made again from the bucket alone, and what is deleted leaves the bucket.
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { TempFolder } from '../support/git.ts'
import { openPair } from '../support/node-pair.ts'
import { seededBytes } from '../support/random.ts'
import { descriptorOf, digestText, imageOf, ociManifest } from '../support/registry.ts'
import { adminToken, type Server } from '../support/server.ts'
import { sampleText, tarMember, tarOf } from '../support/tar.ts'
import { until } from '../support/until.ts'

const folder = new TempFolder('ceph-registry')
/** More than one part of a multipart upload. */
const large = seededBytes('large', 30 << 20)
const archive = tarOf(
  ...[1, 2, 3].map((n) => tarMember({ name: `noise-${n}`, body: seededBytes(`file ${n}`, 900_000) })),
  tarMember({ name: 'text', body: sampleText(1, 500_000) }),
)
const layer = gzipSync(archive)
const config = JSON.stringify({ architecture: 'amd64', os: 'linux' })
const manifest = JSON.stringify(imageOf(config, [large, layer]))
const { nodes, a, b, db, command, due, gracesPass, close } = await openPair(folder)
after(close)

interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly bytes: Buffer
}

/** @param path behind /v2/, or as Location has it */
async function ask(
  node: Server,
  method: string,
  path: string,
  wanted: number,
  { body, headers = {} }: { readonly body?: Uint8Array | string; readonly headers?: Readonly<Record<string, string>> } = {},
): Promise<Answer> {
  const login = { authorization: `Basic ${Buffer.from(`admin:${adminToken}`).toString('base64')}` }
  const sent = body === undefined ? {} : { body: typeof body === 'string' ? body : new Uint8Array(body) }
  const answer = await fetch(`${node.url}${path.startsWith('/') ? path : `/v2/admin/${path}`}`, {
    method,
    headers: { ...login, ...headers },
    ...sent,
  })
  const bytes = Buffer.from(await answer.arrayBuffer())
  assert.equal(answer.status, wanted, `${method} ${path}: ${bytes.toString('latin1').slice(0, 300)}`)
  return { status: answer.status, headers: answer.headers, bytes }
}

async function assertPulled(node: Server, image: string, blobs: readonly Uint8Array[] = [large, layer]): Promise<void> {
  assert.equal((await ask(node, 'GET', `${image}/manifests/latest`, 200)).bytes.toString(), manifest)
  for (const bytes of blobs) assert.ok((await ask(node, 'GET', `${image}/blobs/${digestText(bytes)}`, 200)).bytes.equals(bytes))
}

async function putManifest(node: Server, image: string): Promise<void> {
  await ask(node, 'PUT', `${image}/manifests/latest`, 201, { body: manifest, headers: { 'content-type': ociManifest } })
}

test('a layer comes in chunks through both nodes, goes on after a connection broke, and is pulled from either', async () => {
  const begun = await ask(a, 'POST', 'web/blobs/uploads/', 202)
  const place = begun.headers.get('location') as string
  const chunk = async (node: Server, from: number, to: number) => {
    const headers = { 'content-type': 'application/octet-stream', 'content-range': `${from}-${to - 1}` }
    const { headers: told } = await ask(node, 'PATCH', place, 202, { body: large.subarray(from, to), headers })
    assert.equal(told.get('range'), `0-${to - 1}`)
  }
  await chunk(a, 0, 18 << 20)
  // of a body that breaks off, what came is kept
  const cut = new AbortController()
  const broken = new ReadableStream<Uint8Array>({
    start: (stream) => stream.enqueue(new Uint8Array(large.subarray(18 << 20, 20 << 20))),
    pull: async () => {
      await new Promise((resolve) => setTimeout(resolve, 300))
      cut.abort()
    },
  })
  const login = { authorization: `Basic ${Buffer.from(`admin:${adminToken}`).toString('base64')}` }
  await assert.rejects(fetch(`${b.url}${place}`, { method: 'PATCH', headers: login, body: broken, duplex: 'half', signal: cut.signal }))
  let at = 0
  await until('the node has noticed that the connection broke', async () => {
    const told = await ask(a, 'GET', place, 204)
    at = Number(told.headers.get('range')?.split('-')[1]) + 1
    const { rows } = await db.query<{ busy: boolean }>('select adding is not null as busy from content_upload')
    return rows[0]?.busy === false
  })
  assert.ok(at >= 18 << 20 && at <= 20 << 20, `${at} bytes`)
  await chunk(b, at, 25 << 20)
  await ask(a, 'PUT', `${place}?digest=${digestText(large)}`, 201, { body: large.subarray(25 << 20) })
  for (const bytes of [layer, Buffer.from(config)])
    await ask(b, 'POST', `web/blobs/uploads/?digest=${digestText(bytes)}`, 201, { body: bytes })
  await putManifest(a, 'web')
  for (const node of [a, b]) await assertPulled(node, 'web')
  const range = { range: `bytes=${(17 << 20) - 5}-${(19 << 20) + 5}` }
  const part = await ask(b, 'GET', `web/blobs/${digestText(large)}`, 206, { headers: range })
  assert.ok(part.bytes.equals(large.subarray((17 << 20) - 5, (19 << 20) + 6)))
})

test('mounted into another image, nothing is stored again', async () => {
  const before = await nodes.storage.keys()
  for (const bytes of [large, layer, Buffer.from(config)]) {
    await ask(b, 'POST', `other/blobs/uploads/?mount=${digestText(bytes)}&from=admin/web`, 201)
  }
  await putManifest(b, 'other')
  await assertPulled(a, 'other', [layer])
  assert.deepEqual(
    (await nodes.storage.keys()).filter((key) => !before.includes(key)),
    [],
  )
})

test('opened, and made again for who pulls it when its first copy has gone', async () => {
  await db.query(`update content_opening set due_at = now() - interval '1 hour'`)
  await due('open-contents')
  await until('the archive is opened', async () => {
    await due('open-contents')
    return (await db.query('select 1 from content_opened')).rowCount === 1
  })
  await db.query(`update content_whole set read_at = now() - interval '1 year'`)
  const wholes = async () => (await db.query('select 1 from content_whole')).rowCount
  await until('its first copy has gone', async () => {
    await due('hot-content')
    return (await wholes()) === 1
  })
  for (const node of [a, b]) await assertPulled(node, 'web', [layer])
  const cold = await ask(b, 'GET', `web/blobs/${digestText(layer)}`, 206, { headers: { range: 'bytes=1000000-1999999' } })
  assert.ok(cold.bytes.equals(layer.subarray(1_000_000, 2_000_000)))
})

test('checked and scrubbed where it lies', async () => {
  await command('fsck')
  // read at a pace: only what is small
  await db.query(
    `update segment set verified_at = now() - interval '31 days' where id = (select id from segment order by size_bytes limit 1)`,
  )
  const unread = async () => (await db.query(`select 1 from segment where verified_at < now() - interval '30 days'`)).rowCount
  await until('the scrub was there', async () => {
    await due('scrub-content')
    return (await unread()) === 0
  })
  assert.equal((await db.query('select 1 from segment where findings is not null')).rowCount, 0)
})

test('rows of the store are made again from the bucket alone; what stood in PostgreSQL alone is pushed again', async () => {
  await db.query('truncate content, whole_part, segment, chunk, content_reference cascade')
  const { code, stdout } = await nodes.stemma('fsck', '--rebuild')
  assert.equal(code, 1, stdout)
  assert.match(stdout, /oci-content-missing/)
  for (const node of [a, b]) await assertPulled(node, 'web')
  for (const image of ['web', 'other']) await ask(a, 'POST', `${image}/blobs/uploads/?digest=${digestText(config)}`, 201, { body: config })
  await command('fsck')
})

test('what is deleted leaves the bucket, and what another image has stays', async () => {
  const { digest } = descriptorOf(manifest, ociManifest)
  await ask(b, 'DELETE', `web/manifests/${digest}`, 202)
  await ask(a, 'GET', 'web/manifests/latest', 404)
  const pass = async () => {
    await db.query(`update oci_blob set leased_until = now() - interval '1 hour'`)
    await db.query(`update oci_review set noted_at = now() - interval '2 days'`)
    await gracesPass()
    await due('collect-oci')
  }
  const blobs = async () =>
    (await db.query<{ image: string }>('select p.name as image from oci_blob b join package p on p.id = b.package_id')).rows
  await until('the first image has no blobs', async () => {
    await pass()
    return (await blobs()).every(({ image }) => image === 'other')
  })
  assert.equal((await blobs()).length, 3)
  await assertPulled(b, 'other')
  await ask(a, 'DELETE', `other/manifests/${digest}`, 202)
  await until('nothing is left in the bucket', async () => {
    await pass()
    return (await nodes.storage.keys()).length === 0
  })
  await command('fsck')
})
