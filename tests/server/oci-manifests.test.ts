// Manifests over the registry's protocol: pushed by tag and by digest, byte for byte; refused where a client could be misled; pulled, deleted.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { descriptorOf, digestText, imageOf, indexOf, ociIndex, ociManifest, TestRegistry } from '../support/registry.ts'

let registry: TestRegistry
before(async () => {
  registry = await TestRegistry.open({ environment: { STEMMA_LIMITS_INDEX_DEPTH: '3', STEMMA_LIMITS_MANIFEST_PARTS: '50' } })
  await registry.pushBlob('olive/app', '{}')
  await registry.pushBlob('olive/app', 'layer')
})
after(async () => await registry?.close())

const name = 'olive/app'
const image = (more: object = {}) => imageOf('{}', ['layer'], more)
const zeros = `sha256:${'0'.repeat(64)}`

test('by tag: the very bytes, with their type, under tag and digest', async () => {
  const text = ` ${JSON.stringify(image({ 'x-unknown': { of: ['ours', 1e3] } }), null, 3)}\n`
  const digest = digestText(text)
  const put = await registry.putManifest(name, 'exact', text)
  assert.deepEqual(
    [put.status, put.headers.get('docker-content-digest'), put.headers.get('location')],
    [201, digest, `/v2/${name}/manifests/exact`],
  )
  for (const reference of ['exact', digest]) {
    for (const method of ['GET', 'HEAD']) {
      const got = await registry.ask(method, `${name}/manifests/${reference}`, { headers: { accept: 'text/html' } })
      assert.equal(got.status, 200)
      assert.equal(got.headers.get('content-type'), ociManifest)
      assert.equal(got.headers.get('content-length'), String(text.length))
      assert.equal(got.headers.get('docker-content-digest'), digest)
      assert.equal(got.bytes.toString(), method === 'GET' ? text : '')
    }
  }
  const known = await registry.ask('GET', `${name}/manifests/exact`, { headers: { 'if-none-match': `"${digest}"` } })
  assert.deepEqual([known.status, known.bytes.length], [304, 0])
})

test('by digest, of either algorithm, with tags in the query', async () => {
  for (const algorithm of ['sha256', 'sha512'] as const) {
    const text = JSON.stringify(image({ annotations: { algorithm } }))
    const digest = digestText(text, algorithm)
    const put = await registry.putManifest(name, `${digest}?tag=${algorithm}-1&tag=${algorithm}-2`, text)
    assert.equal(put.status, 201)
    assert.deepEqual(put.headers.get('oci-tag')?.split(', '), [`${algorithm}-1`, `${algorithm}-2`])
    assert.equal(put.headers.get('location'), `/v2/${name}/manifests/${digest}`)
    const got = await registry.ask('GET', `${name}/manifests/${algorithm}-2`)
    assert.deepEqual([got.bytes.toString(), got.headers.get('docker-content-digest')], [text, digest])
  }
  const wrong = await registry.putManifest(name, zeros, image())
  assert.deepEqual([wrong.status, wrong.code], [400, 'DIGEST_INVALID'])
  const tags = await registry.putManifest(name, `${digestText(JSON.stringify(image()))}?tag=-no`, image())
  assert.deepEqual([tags.status, tags.code], [400, 'TAG_INVALID'])
})

test('a tag moves to what was pushed last; the other stays under its digest', async () => {
  const [first, second] = [image({ annotations: { n: '1' } }), image({ annotations: { n: '2' } })].map((one) => JSON.stringify(one))
  for (const text of [first, second]) assert.equal((await registry.putManifest(name, 'moving', text as string)).status, 201)
  assert.equal((await registry.ask('GET', `${name}/manifests/moving`)).bytes.toString(), second)
  assert.equal((await registry.ask('GET', `${name}/manifests/${digestText(first as string)}`)).bytes.toString(), first)
})

test('everything that it names must be in the image: blobs, manifests of an index', async () => {
  const tries = [
    imageOf('{}', ['layer', 'not there']),
    imageOf('no config', ['layer']),
    indexOf([{ mediaType: ociManifest, digest: zeros, size: 5 }]),
    indexOf([descriptorOf('layer', ociManifest)]), // a blob is no manifest
  ]
  for (const manifest of tries) {
    const put = await registry.putManifest(name, 'missing', manifest)
    assert.deepEqual([put.status, put.code], [404, 'MANIFEST_BLOB_UNKNOWN'])
  }
  assert.equal((await registry.ask('GET', `${name}/manifests/missing`)).status, 404)
  const other = await registry.pushImage('olive/another', 'v1')
  assert.equal((await registry.putManifest(name, 'missing', indexOf([other]))).code, 'MANIFEST_BLOB_UNKNOWN')
  const foreign = {
    ...descriptorOf('elsewhere', 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip'),
    urls: ['https://a.example/'],
  }
  assert.equal((await registry.putManifest(name, 'foreign', image({ layers: [foreign] }))).status, 201)
})

test('a size that isn’t the one of what it names is refused, and nothing stored', async () => {
  const { digest, size } = await registry.pushImage(name, 'sized')
  const layer = 'application/vnd.oci.image.layer.v1.tar'
  const lie = (of: object, bytes: number) => ({ ...of, size: bytes })
  const cases: readonly (readonly [object, string, number, number])[] = [
    [image({ config: lie(descriptorOf('{}', layer), 3) }), digestText('{}'), 3, 2],
    [image({ layers: [descriptorOf('layer', layer), lie(descriptorOf('layer', layer), 0)] }), digestText('layer'), 0, 5],
    [image({ layers: [lie(descriptorOf('layer', layer), 2 ** 53 - 3)] }), digestText('layer'), 2 ** 53 - 3, 5],
    [image({ layers: [{ ...lie(descriptorOf('layer', layer), 4), urls: ['https://a.example/'] }] }), digestText('layer'), 4, 5],
    [{ mediaType: 'application/vnd.example', blobs: [lie(descriptorOf('layer', layer), 6)] }, digestText('layer'), 6, 5],
    [indexOf([{ mediaType: ociManifest, digest, size: size + 1 }]), digest, size + 1, size],
  ]
  for (const [manifest, of, said, held] of cases) {
    const put = await registry.putManifest(name, 'missized', manifest)
    const { message } = put.json.errors[0]
    assert.deepEqual([put.status, put.code], [400, 'MANIFEST_INVALID'], message)
    assert.equal(message, `The manifest is refused: ${of} has ${held} bytes, and its size says ${said}`)
    assert.equal((await registry.ask('GET', `${name}/manifests/${digestText(JSON.stringify(manifest))}`)).status, 404)
  }
  assert.equal((await registry.ask('GET', `${name}/manifests/missized`)).status, 404)
  // what is missing is told first; a digest may be a blob's and a manifest's
  const lacking = image({ layers: [lie(descriptorOf('layer', layer), 4), descriptorOf('not there', layer)] })
  assert.equal((await registry.putManifest(name, 'missized', lacking)).code, 'MANIFEST_BLOB_UNKNOWN')
  const subject = { ...image(), subject: { mediaType: ociManifest, digest, size: 1 } }
  assert.equal((await registry.putManifest(name, 'about', subject)).status, 201)
  assert.equal((await registry.putManifest(name, 'sizes', indexOf([{ mediaType: ociManifest, digest, size }]))).status, 201)
})

test('refused, and nothing stored: both manifests and layers; a media type that Content-Type denies; keys in two ways', async () => {
  const both = { ...image(), manifests: [descriptorOf('x', ociManifest)] }
  const cases: readonly (readonly [string, string | undefined])[] = [
    [JSON.stringify(both), undefined],
    [JSON.stringify({ ...both, mediaType: ociIndex }), undefined],
    [JSON.stringify(image()), ociIndex],
    [JSON.stringify(image({ mediaType: undefined, manifests: [] })), ociIndex],
    [JSON.stringify(image()).replace('{', '{"layers":[],'), undefined],
    [JSON.stringify({ ...image(), Manifests: [] }), undefined],
    ['{', ociManifest],
    ['null', ociManifest],
    ['{}', undefined],
  ]
  for (const [text, type] of cases) {
    const put = await registry.ask('PUT', `${name}/manifests/refused`, {
      body: text,
      headers: type === undefined ? {} : { 'content-type': type },
    })
    assert.deepEqual([put.status, put.code], [400, 'MANIFEST_INVALID'], text.slice(0, 100))
  }
  assert.equal((await registry.ask('GET', `${name}/manifests/refused`)).status, 404)
  assert.equal((await registry.ask('GET', `${name}/manifests/${digestText(JSON.stringify(both))}`)).status, 404)
})

test('bombs: size, JSON, number of parts', async () => {
  const put = (body: string) => registry.ask('PUT', `${name}/manifests/bomb`, { body, headers: { 'content-type': ociManifest } })
  const large = await put(JSON.stringify(image({ annotations: { a: 'x'.repeat(4 * 2 ** 20) } })))
  assert.equal(large.status, 413)
  for (const body of [
    `${'['.repeat(1_000_000)}${']'.repeat(1_000_000)}`,
    '{"a":'.repeat(500_000),
    `{"a":[${'0,'.repeat(1_900_000)}0]}`,
    JSON.stringify(image({ layers: Array.from({ length: 51 }, () => descriptorOf('layer', 'application/x')) })),
  ])
    assert.deepEqual([(await put(body)).status, (await put(body)).code], [400, 'MANIFEST_INVALID'])
  assert.equal((await put(JSON.stringify(image({ annotations: { a: 'x'.repeat(4_000_000) } })))).status, 201)
})

test('indexes in each other: as many as the server says', async () => {
  let inner = descriptorOf(JSON.stringify(image()), ociManifest)
  assert.equal((await registry.putManifest(name, inner.digest, image())).status, 201)
  for (const depth of [1, 2, 3, 4]) {
    const index = indexOf([inner], { annotations: { depth: String(depth) } })
    const put = await registry.putManifest(name, digestText(JSON.stringify(index)), index)
    assert.equal(put.status, depth <= 3 ? 201 : 400, `${depth}`)
    inner = descriptorOf(JSON.stringify(index), ociIndex)
  }
})

test('an index that fans out: bounded in what it names, and quick however much lies below', async () => {
  const leaf = descriptorOf(JSON.stringify(image()), ociManifest)
  assert.equal((await registry.putManifest(name, leaf.digest, image())).status, 201)
  const row = async (level: number, below: readonly (typeof leaf)[]) => {
    const made: (typeof leaf)[] = []
    for (let n = 0; n < 20; n++) {
      const index = indexOf(below, { annotations: { level: `${level}.${n}` } })
      made.push(descriptorOf(JSON.stringify(index), ociIndex))
      assert.equal((await registry.putManifest(name, made.at(-1)?.digest as string, index)).status, 201)
    }
    return made
  }
  await row(3, await row(2, await row(1, [leaf]))) // 20³ ways to one image
  const wide = indexOf(Array.from({ length: 51 }, () => leaf))
  assert.equal((await registry.putManifest(name, 'wide', wide)).code, 'MANIFEST_INVALID')
})

test('media types of anybody: Helm, cosign, in-toto, WASM, Docker’s, kept as they came', async () => {
  await registry.pushBlob(name, 'chart')
  for (const [tag, config, layer] of [
    ['helm', 'application/vnd.cncf.helm.config.v1+json', 'application/vnd.cncf.helm.chart.content.v1.tar+gzip'],
    ['cosign', 'application/vnd.oci.image.config.v1+json', 'application/vnd.dev.cosign.simplesigning.v1+json'],
    ['in-toto', 'application/vnd.oci.empty.v1+json', 'application/vnd.in-toto+json'],
    ['wasm', 'application/vnd.wasm.config.v0+json', 'application/wasm'],
  ] as const) {
    const manifest = image({ config: descriptorOf('{}', config), layers: [descriptorOf('chart', layer)] })
    assert.equal((await registry.putManifest(name, tag, manifest)).status, 201)
    assert.equal((await registry.ask('GET', `${name}/manifests/${tag}`)).bytes.toString(), JSON.stringify(manifest))
  }
  const docker = 'application/vnd.docker.distribution.manifest.v2+json'
  assert.equal((await registry.putManifest(name, 'docker', image({ mediaType: docker }))).status, 201)
  assert.equal((await registry.ask('HEAD', `${name}/manifests/docker`)).headers.get('content-type'), docker)
  const own = { mediaType: 'application/vnd.example.thing+json', anything: [1, 2] }
  assert.equal((await registry.putManifest(name, 'own', own)).status, 201)
})

test('DELETE of a tag leaves the manifest; of a digest takes its tags along; at once', async () => {
  const text = JSON.stringify(image({ annotations: { a: 'delete' } }))
  const digest = digestText(text)
  await registry.putManifest(name, `${digest}?tag=d1&tag=d2`, text)
  assert.equal((await registry.ask('DELETE', `${name}/manifests/d1`)).status, 202)
  assert.equal((await registry.ask('GET', `${name}/manifests/d1`)).code, 'MANIFEST_UNKNOWN')
  assert.equal((await registry.ask('GET', `${name}/manifests/d2`)).status, 200)
  assert.equal((await registry.ask('DELETE', `${name}/manifests/d1`)).code, 'MANIFEST_UNKNOWN')
  const index = indexOf([descriptorOf(text, ociManifest)])
  await registry.putManifest(name, 'holding', index)
  const held = await registry.ask('DELETE', `${name}/manifests/${digest}`)
  assert.deepEqual([held.status, held.code], [405, 'DENIED'])
  assert.equal((await registry.ask('DELETE', `${name}/manifests/${digestText(JSON.stringify(index))}`)).status, 202)
  assert.equal((await registry.ask('DELETE', `${name}/manifests/${digest}`)).status, 202)
  for (const reference of [digest, 'd2', 'holding'])
    assert.equal((await registry.ask('HEAD', `${name}/manifests/${reference}`)).status, 404)
})

test('pushes of a manifest beside deletes of what it names: whole, or refused', async () => {
  for (let n = 0; n < 20; n++) {
    const layer = `contested ${n}`
    const digest = await registry.pushBlob('olive/race', layer)
    await registry.pushBlob('olive/race', '{}')
    const [put, gone] = await Promise.all([
      registry.putManifest('olive/race', `v${n}`, imageOf('{}', [layer])),
      registry.ask('DELETE', `olive/race/blobs/${digest}`),
    ])
    const there = await registry.ask('HEAD', `olive/race/blobs/${digest}`)
    assert.deepEqual([put.status, gone.status, there.status], put.status === 201 ? [201, 405, 200] : [404, 202, 404])
  }
})

test('what happened stands in the outbox', async () => {
  const rows = async () =>
    (
      await registry.faces.db.queries
        .selectFrom('outbox')
        .select(['kind', 'payload'])
        .where('kind', 'like', 'package.%')
        .orderBy('id')
        .execute()
    )
      .map(({ kind, payload }) => ({ kind, ...(payload as Record<string, unknown>) }) as Record<string, unknown>)
      .filter((row) => row['name'] === 'told')
  const { digest } = await registry.pushImage('olive/told', 'v1')
  await registry.ask('DELETE', 'olive/told/manifests/v1')
  await registry.ask('DELETE', `olive/told/manifests/${digest}`)
  const told = await rows()
  assert.deepEqual(
    told.map(({ kind, tag = null, digest: of = null, owner, actor }) => [kind, tag, of, owner, actor]),
    [
      ['package.created', null, null, 'olive', 'olive'],
      ['package.published', 'v1', digest, 'olive', 'olive'],
      ['package.untagged', 'v1', digest, 'olive', 'olive'],
      ['package.deleted', null, digest, 'olive', 'olive'],
    ],
  )
})

test('what is deleted stands in the audit, by whom and with which request; what is refused, and pushes and pulls, do not', async () => {
  const pushed = await registry.pushImage('olive/audited', 'v1', { annotations: { one: 'of its own' } })
  const unused = await registry.pushBlob('olive/audited', 'a blob that nothing names')
  await registry.ask('GET', 'olive/audited/manifests/v1')
  const layer = digestText('layer of olive/audited v1')
  const deleting: [path: string, status: number][] = [
    [`blobs/${layer}`, 405],
    ['manifests/missing', 404],
    ['manifests/v1', 202],
    [`blobs/${unused}`, 202],
    [`manifests/${pushed.digest}`, 202],
    [`manifests/${pushed.digest}`, 404],
  ]
  await registry.ask('PUT', 'olive/audited/manifests/v2', {
    body: (await registry.ask('GET', 'olive/audited/manifests/v1')).bytes,
    headers: { 'content-type': ociManifest },
  })
  const requests: (string | null)[] = []
  for (const [path, status] of deleting) {
    const answer = await registry.ask('DELETE', `olive/audited/${path}`)
    assert.equal(answer.status, status, path)
    if (status === 202) requests.push(answer.headers.get('x-request-id'))
  }
  assert.equal((await registry.ask('DELETE', 'olive/audited/manifests/v2', { as: registry.sam })).status, 404)
  const rows = await registry.faces.db.queries
    .selectFrom('audit')
    .select(['action', 'actor', 'actor_id', 'owner_id', 'details', 'request_id', 'ip'])
    .where('target', '=', 'oci olive/audited')
    .where('action', '<>', 'package.create')
    .orderBy('id')
    .execute()
  const by = { actor: 'olive', actor_id: registry.olive.id, owner_id: registry.olive.id, ip: '127.0.0.1' }
  assert.deepEqual(rows, [
    { ...by, action: 'package.untag', details: { tag: 'v1', digest: pushed.digest }, request_id: requests[0] },
    { ...by, action: 'package.delete-blob', details: { digest: unused }, request_id: requests[1] },
    { ...by, action: 'package.delete-version', details: { digest: pushed.digest, tags: ['v2'] }, request_id: requests[2] },
  ])
})
