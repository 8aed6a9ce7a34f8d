// Uploads over the registry's protocol: the five styles, in order and out of it, with right and wrong digests, resumed, given up.
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { after, before, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { sql } from '../../src/db/index.ts'
import { seededBytes } from '../support/random.ts'
import { digestText, TestRegistry } from '../support/registry.ts'
import { until } from '../support/until.ts'

let registry: TestRegistry
before(async () => {
  registry = await TestRegistry.open({ environment: { STEMMA_LIMITS_BLOB_BYTES: '4MiB' } })
})
after(async () => await registry?.close())

const name = 'olive/uploads'
const zeros = `sha256:${'0'.repeat(64)}`
const type = { 'content-type': 'application/octet-stream' }
const at = (from: number, to: number) => ({ ...type, 'content-range': `${from}-${to - 1}` })
const withDigest = (location: string, digest: string) => `${location}?digest=${digest}`
const streamed = (bytes: Uint8Array) => new Blob([Uint8Array.from(bytes)]).stream()

/** By style: what is sent, and the answer to the last request. */
const styles: Readonly<Record<string, (bytes: Buffer, digest: string) => ReturnType<TestRegistry['ask']>>> = {
  'POST alone': (bytes, digest) => registry.ask('POST', `${name}/blobs/uploads/?digest=${digest}`, { headers: type, body: bytes }),
  'POST and PUT': async (bytes, digest) =>
    registry.ask('PUT', withDigest(await registry.begin(name), digest), { headers: type, body: bytes }),
  'chunks and PUT': async (bytes, digest) => {
    let location = await registry.begin(name)
    for (let from = 0; from < bytes.length; from += 100_000) {
      const to = Math.min(bytes.length, from + 100_000)
      const answer = await registry.ask('PATCH', location, { headers: at(from, to), body: bytes.subarray(from, to) })
      assert.deepEqual([answer.status, answer.headers.get('range')], [202, `0-${to - 1}`])
      location = answer.headers.get('location') as string
    }
    return registry.ask('PUT', withDigest(location, digest))
  },
  'chunks, the last in the PUT': async (bytes, digest) => {
    const half = bytes.length >> 1
    const location = await registry.begin(name)
    await registry.ask('PATCH', location, { headers: at(0, half), body: bytes.subarray(0, half) })
    return registry.ask('PUT', withDigest(location, digest), { headers: at(half, bytes.length), body: bytes.subarray(half) })
  },
  'a stream and PUT': async (bytes, digest) => {
    const location = await registry.begin(name)
    const answer = await registry.ask('PATCH', location, { headers: type, body: streamed(bytes) })
    assert.deepEqual([answer.status, answer.headers.get('range')], [202, `0-${bytes.length - 1}`])
    return registry.ask('PUT', withDigest(location, digest))
  },
}

for (const [style, send] of Object.entries(styles)) {
  test(`${style}: the blob is there, by SHA-256 and by SHA-512`, async () => {
    for (const algorithm of ['sha256', 'sha512'] as const) {
      const bytes = seededBytes(`${style} ${algorithm}`, 350_001)
      const digest = digestText(bytes, algorithm)
      const answer = await send(bytes, digest)
      assert.equal(answer.status, 201)
      assert.equal(answer.headers.get('docker-content-digest'), digest)
      const got = await registry.ask('GET', answer.headers.get('location') as string)
      assert.ok(got.bytes.equals(bytes))
    }
  })

  test(`${style}: with a wrong digest nothing is stored`, async () => {
    for (const algorithm of ['sha256', 'sha512'] as const) {
      const bytes = seededBytes(`wrong ${style} ${algorithm}`, 250_001)
      const digest = digestText(Buffer.concat([bytes, Buffer.from('x')]), algorithm)
      const answer = await send(bytes, digest)
      assert.deepEqual([answer.status, answer.code], [400, 'DIGEST_INVALID'])
      for (const one of [digest, digestText(bytes, algorithm)]) {
        assert.equal((await registry.ask('HEAD', `${name}/blobs/${one}`)).status, 404)
      }
    }
  })
}

test('chunks out of order: 416, and the client is told where to go on', async () => {
  const bytes = seededBytes('order', 30_000)
  const location = await registry.begin(name)
  const status = async () => {
    const answer = await registry.ask('GET', location)
    return [answer.status, answer.headers.get('range'), answer.headers.get('location')]
  }
  assert.deepEqual(await status(), [204, '0-0', location])
  const refused = await registry.ask('PATCH', location, { headers: at(10_000, 20_000), body: bytes.subarray(10_000, 20_000) })
  assert.deepEqual([refused.status, refused.code, refused.headers.get('location')], [416, 'BLOB_UPLOAD_INVALID', location])
  assert.equal((await registry.ask('PATCH', location, { headers: at(0, 10_000), body: bytes.subarray(0, 10_000) })).status, 202)
  for (const [from, to] of [
    [0, 10_000],
    [9_999, 20_000],
    [20_000, 30_000],
  ] as const) {
    const answer = await registry.ask('PATCH', location, { headers: at(from, to), body: bytes.subarray(from, to) })
    assert.deepEqual([answer.status, answer.headers.get('range')], [416, '0-9999'])
    assert.deepEqual(await status(), [204, '0-9999', location])
  }
  const put = await registry.ask('PUT', withDigest(location, digestText(bytes)), {
    headers: at(20_000, 30_000),
    body: bytes.subarray(20_000),
  })
  assert.equal(put.status, 416)
  const done = await registry.ask('PUT', withDigest(location, digestText(bytes)), {
    headers: at(10_000, 30_000),
    body: bytes.subarray(10_000),
  })
  assert.equal(done.status, 201)
  assert.ok((await registry.ask('GET', done.headers.get('location') as string)).bytes.equals(bytes))
})

test('a chunk that is not as long as its range: nothing of it is kept', async () => {
  const location = await registry.begin(name)
  for (const body of ['12345', '1234567', streamed(Buffer.from('12345')), streamed(Buffer.from('1234567'))]) {
    const answer = await registry.ask('PATCH', location, { headers: at(0, 6), body })
    assert.deepEqual([answer.status, answer.code], [400, 'SIZE_INVALID'])
    assert.equal((await registry.ask('GET', location)).headers.get('range'), '0-0')
  }
  for (const range of ['x', '5-4', '0-', 'bytes */5']) {
    const answer = await registry.ask('PATCH', location, { headers: { ...type, 'content-range': range }, body: 'x' })
    assert.deepEqual([answer.status, answer.code], [400, 'BLOB_UPLOAD_INVALID'], range)
  }
  assert.equal((await registry.ask('PATCH', location, { headers: at(0, 6), body: '123456' })).status, 202)
})

test('an upload is known in its own image alone', async () => {
  const location = await registry.begin(name)
  const id = location.split('/').at(-1) as string
  await registry.pushBlob('olive/elsewhere', 'x')
  for (const other of [`/v2/olive/elsewhere/blobs/uploads/${id}`, `/v2/olive/not-there/blobs/uploads/${id}`]) {
    for (const [method, path] of [
      ['GET', other],
      ['PATCH', other],
      ['PUT', withDigest(other, digestText('x'))],
      ['DELETE', other],
    ] as const) {
      const body = method === 'PATCH' || method === 'PUT' ? { body: 'x' } : {}
      const answer = await registry.ask(method, path, body)
      assert.deepEqual([answer.status, answer.code], [404, 'BLOB_UPLOAD_UNKNOWN'], `${method} ${path}`)
    }
  }
  const stranger = await registry.ask('PATCH', location, { as: registry.sam, body: 'x' })
  assert.deepEqual([stranger.status, stranger.code], [404, 'NAME_UNKNOWN'])
  assert.equal((await registry.ask('PUT', withDigest(location, digestText('x')), { body: 'x' })).status, 201)
  assert.equal((await registry.ask('GET', location)).status, 404)
})

test('ids that are none, digests that are none', async () => {
  for (const id of ['x', '00000000-0000-0000-0000-000000000000', 'é', 'a'.repeat(200)]) {
    assert.equal((await registry.ask('GET', `/v2/${name}/blobs/uploads/${encodeURIComponent(id)}`)).status, 404, id)
  }
  const location = await registry.begin(name)
  for (const path of [location, `${location}?digest=`, `${location}?digest=md5:00`, `${location}?digest=${zeros}&digest=${zeros}`]) {
    const answer = await registry.ask('PUT', path, { body: 'x' })
    assert.deepEqual([answer.status, answer.code], [400, 'DIGEST_INVALID'], path)
  }
  for (const query of ['digest=sha256:xyz', 'mount=x', 'digest-algorithm=md5']) {
    const answer = await registry.ask('POST', `${name}/blobs/uploads/?${query}`, { body: 'x' })
    assert.deepEqual([answer.status, answer.code], [400, 'DIGEST_INVALID'], query)
  }
  assert.equal((await registry.ask('POST', `${name}/blobs/uploads/?digest-algorithm=sha512`)).status, 202)
})

test('DELETE gives an upload up', async () => {
  const location = await registry.begin(name)
  await registry.ask('PATCH', location, { headers: type, body: 'some bytes' })
  assert.equal((await registry.ask('DELETE', location)).status, 204)
  for (const method of ['GET', 'DELETE', 'PATCH']) {
    assert.equal((await registry.ask(method, location, method === 'PATCH' ? { body: 'x' } : {})).code, 'BLOB_UPLOAD_UNKNOWN', method)
  }
})

test('more than a blob may have is refused, said or not, in one request or in several', async () => {
  const limit = 4 * 2 ** 20
  const bytes = Buffer.alloc(limit + 1)
  const digest = digestText(bytes)
  const refused = (answer: Awaited<ReturnType<TestRegistry['ask']>>) =>
    assert.deepEqual([answer.status, answer.code], [413, 'SIZE_INVALID'])
  refused(await registry.ask('POST', `${name}/blobs/uploads/?digest=${digest}`, { headers: type, body: bytes }))
  refused(await registry.ask('POST', `${name}/blobs/uploads/?digest=${digest}`, { headers: type, body: streamed(bytes) }))
  refused(await registry.ask('PUT', withDigest(await registry.begin(name), digest), { headers: type, body: bytes }))
  const location = await registry.begin(name)
  refused(await registry.ask('PATCH', location, { headers: type, body: streamed(bytes) }))
  assert.equal((await registry.ask('GET', location)).headers.get('range'), '0-0')
  assert.equal((await registry.ask('PATCH', location, { headers: at(0, limit), body: bytes.subarray(1) })).status, 202)
  refused(await registry.ask('PATCH', location, { headers: at(limit, limit + 1), body: 'x' }))
  refused(await registry.ask('PUT', withDigest(location, digest), { headers: at(limit, limit + 1), body: 'x' }))
  assert.equal((await registry.ask('PUT', withDigest(location, digestText(bytes.subarray(1))))).status, 201)
  assert.equal((await registry.ask('HEAD', `${name}/blobs/${digest}`)).status, 404)
})

test('a connection that breaks: what has come stays, and the upload goes on from there', async () => {
  const bytes = seededBytes('cut', 400_000)
  const location = await registry.begin(name)
  const { hostname, port } = new URL(registry.url)
  const socket = connect(Number(port), hostname)
  const login = Buffer.from(`${registry.olive.login}:${registry.olive.token}`).toString('base64')
  socket.write(
    `PATCH ${location} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic ${login}\r\nContent-Type: application/octet-stream\r\nContent-Length: ${bytes.length}\r\n\r\n`,
  )
  socket.write(bytes.subarray(0, 250_000), () => setTimeout(() => socket.destroy(), 200))
  const sizeNow = async () => Number((await registry.ask('GET', location)).headers.get('range')?.slice(2)) + 1
  let size = 1
  await until('some of the bytes are kept', async () => (size = await sizeNow()) > 1)
  assert.ok(size <= 250_000, `${size}`)
  const more = await registry.ask('PATCH', location, { headers: at(size, bytes.length), body: bytes.subarray(size) })
  assert.equal(more.status, 202)
  const done = await registry.ask('PUT', withDigest(location, digestText(bytes)))
  assert.equal(done.status, 201)
  assert.ok((await registry.ask('GET', done.headers.get('location') as string)).bytes.equals(bytes))
})

test('two requests that add to one upload at once: the second is told to ask where it ends', async () => {
  const location = await registry.begin(name)
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>()
  const writer = writable.getWriter()
  const first = registry.ask('PATCH', location, { headers: type, body: readable })
  const large = seededBytes('at once', 3 * 2 ** 20) // enough for a key of its own, which is written while the request lasts
  await writer.write(large)
  let second = await registry.ask('PATCH', location, { headers: at(0, 6), body: 'second' })
  for (let n = 0; n < 100 && second.status === 202; n++) {
    // it was there before the first had begun
    const size = Number(second.headers.get('range')?.slice(2)) + 1
    second = await registry.ask('PATCH', location, { headers: at(size, size + 6), body: 'second' })
  }
  assert.deepEqual([second.status, second.code], [416, 'BLOB_UPLOAD_INVALID'])
  await writer.close()
  const done = await first
  assert.equal(done.status, 202)
  assert.ok(Number(done.headers.get('range')?.slice(2)) + 1 >= large.length)
})

test('a body with a Content-Encoding is refused, whatever way it comes, and makes no image', async () => {
  const bytes = gzipSync(Buffer.alloc(100_000))
  const headers = { ...type, 'content-encoding': 'gzip' }
  const whole = await registry.ask('POST', `olive/packed/blobs/uploads/?digest=${digestText(Buffer.alloc(100_000))}`, {
    headers,
    body: bytes,
  })
  assert.deepEqual([whole.status, whole.code], [400, 'BLOB_UPLOAD_INVALID'])
  assert.equal((await registry.ask('GET', 'olive/packed/tags/list')).code, 'NAME_UNKNOWN')
  const location = await registry.begin(name)
  for (const [method, path] of [
    ['PATCH', location],
    ['PUT', withDigest(location, digestText(Buffer.alloc(100_000)))],
  ] as const) {
    const answer = await registry.ask(method, path, { headers, body: bytes })
    assert.deepEqual([answer.status, answer.code], [400, 'BLOB_UPLOAD_INVALID'])
  }
  assert.equal((await registry.ask('GET', location)).headers.get('range'), '0-0')
})

test('uploads that have not ended: a thousand in one image, and no more', async () => {
  const { db } = registry.faces
  await registry.begin('olive/many')
  const scope = sql`(select 'oci/' || id from package where name = 'many')`
  await sql`
    insert into content_upload (id, scope, algorithm) select gen_random_uuid(), ${scope}, 'sha256' from generate_series(1, 998)`.execute(
    db.queries,
  )
  const last = await registry.begin('olive/many')
  const refused = await registry.ask('POST', 'olive/many/blobs/uploads/')
  assert.deepEqual([refused.status, refused.code, refused.headers.get('retry-after')], [429, 'TOOMANYREQUESTS', '600'])
  assert.equal((await registry.ask('POST', 'olive/few/blobs/uploads/')).status, 202)
  assert.equal((await registry.ask('DELETE', last)).status, 204)
  await registry.begin('olive/many')
  await sql`delete from content_upload where scope = ${scope}`.execute(db.queries)
})
