// Blobs that clients get from the bucket itself: by a signed URL that only whoever may pull is given, over a small S3 that looks at signatures; skopeo follows.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { digestOf, ImagePush } from '../support/image-push.ts'
import { MemoryS3 } from '../support/memory-s3.ts'
import { ClientHome, openRegistryHost, type RegistryHost } from '../support/oci-clients.ts'
import { seededBytes } from '../support/random.ts'
import { until } from '../support/until.ts'

const layer = seededBytes('redirected layer', 3_000_000)
const small = seededBytes('small layer', 300_000)
let s3: MemoryS3
let host: RegistryHost

before(async () => {
  s3 = await MemoryS3.start()
  // another name of the same machine: clients don't send there what they show the registry
  const publicEndpoint = s3.endpoint.replace('127.0.0.1', 'localhost')
  host = await openRegistryHost('oci-redirects', {
    ...s3.environment,
    STEMMA_BUCKET_S3_PUBLIC_ENDPOINT: publicEndpoint,
    STEMMA_REGISTRY_REDIRECT: 'all',
  })
  const image = new ImagePush(host.server.url, host.owner.token, 'olive/app')
  await image.image([{ bytes: layer }, { bytes: small }], { tag: 'v1' })
})
after(async () => {
  await host?.close()
  await s3?.stop()
})

interface Asked {
  readonly method?: string
  readonly token?: string | null
  readonly headers?: Readonly<Record<string, string>>
}

function ask(digest: string, { method = 'GET', token = host.owner.token, headers = {} }: Asked = {}): Promise<Response> {
  const login: Record<string, string> = token === null ? {} : { authorization: `Bearer ${token}` }
  return fetch(`${host.server.url}/v2/olive/app/blobs/${digest}`, { method, redirect: 'manual', headers: { ...login, ...headers } })
}

async function bytesOf(answer: Response): Promise<Buffer> {
  return Buffer.from(await answer.arrayBuffer())
}

async function urlOf(digest: string): Promise<string> {
  const answer = await ask(digest)
  assert.equal(answer.status, 307, await answer.text())
  return answer.headers.get('location') ?? ''
}

test('a large blob is a redirect to its bytes, which a range may be asked of; nobody keeps the answer', async () => {
  const answer = await ask(digestOf(layer))
  assert.equal(answer.status, 307)
  assert.equal(answer.headers.get('docker-content-digest'), digestOf(layer))
  assert.equal(answer.headers.get('cache-control'), 'no-store')
  assert.equal(answer.headers.get('etag'), null)
  assert.equal((await bytesOf(answer)).length, 0)
  const url = answer.headers.get('location') ?? ''
  assert.ok(url.startsWith(s3.endpoint.replace('127.0.0.1', 'localhost')), url)
  const got = await fetch(url)
  assert.equal(got.headers.get('content-type'), 'application/octet-stream')
  assert.ok((await bytesOf(got)).equals(layer), 'exactly the blob: nothing stands behind it')
  const range = await fetch(url, { headers: { range: 'bytes=2999990-' } })
  assert.equal(range.status, 206)
  assert.ok((await bytesOf(range)).equals(layer.subarray(2_999_990)))
  assert.equal((await ask(digestOf(layer), { headers: { range: 'bytes=100-199' } })).status, 307)
})

test('everything else comes from the server: HEAD, small blobs, what the client has, what the bucket can’t judge', async () => {
  const head = await ask(digestOf(layer), { method: 'HEAD' })
  assert.deepEqual([head.status, head.headers.get('content-length')], [200, String(layer.length)])
  const etag = head.headers.get('etag') ?? ''
  assert.equal((await ask(digestOf(layer), { headers: { 'if-none-match': etag } })).status, 304)
  assert.equal((await ask(digestOf(layer), { headers: { range: 'bytes=3000000-' } })).status, 416)
  const conditional = await ask(digestOf(layer), { headers: { range: 'bytes=0-9', 'if-range': etag } })
  assert.equal(conditional.status, 206)
  assert.ok((await bytesOf(conditional)).equals(layer.subarray(0, 10)))
  const little = await ask(digestOf(small))
  assert.equal(little.status, 200)
  assert.ok((await bytesOf(little)).equals(small))
})

test('who may not pull gets no URL, and what there isn’t looks the same', async () => {
  for (const token of [null, host.stranger.token]) {
    const [hidden, missing] = [await ask(digestOf(layer), { token }), await ask(`sha256:${'0'.repeat(64)}`, { token })]
    assert.deepEqual([hidden.status, missing.status], token === null ? [401, 401] : [404, 404])
    assert.equal(hidden.headers.get('location'), null)
    assert.equal(await hidden.text(), await missing.text())
  }
})

test('a URL opens that key alone, and not with other parameters', async () => {
  const url = new URL(await urlOf(digestOf(layer)))
  const [first = '', second = ''] = [...s3.keys.keys()].filter((key) => key.startsWith('whole/'))
  const another = new URL(url)
  another.pathname = url.pathname.endsWith(first) ? url.pathname.replace(first, second) : url.pathname.replace(second, first)
  assert.notEqual(another.pathname, url.pathname)
  const longer = new URL(url)
  longer.searchParams.set('X-Amz-Expires', '86400')
  const html = new URL(url)
  html.searchParams.set('response-content-type', 'text/html')
  for (const changed of [another, longer, html]) assert.equal((await fetch(changed)).status, 403, changed.search)
  assert.equal(url.searchParams.get('X-Amz-Expires'), '600')
})

test('blobs that came in several requests come from the server', async () => {
  const bytes = seededBytes('in pieces', 2_400_000)
  const headers = { authorization: `Bearer ${host.owner.token}`, 'content-type': 'application/octet-stream' }
  const begun = await fetch(`${host.server.url}/v2/olive/app/blobs/uploads/`, { method: 'POST', headers })
  const place = new URL(begun.headers.get('location') ?? '', host.server.url)
  for (const piece of [bytes.subarray(0, 1_200_000), bytes.subarray(1_200_000)]) {
    assert.equal((await fetch(place, { method: 'PATCH', headers, body: new Uint8Array(piece) })).status, 202)
  }
  place.searchParams.set('digest', digestOf(bytes))
  assert.equal((await fetch(place, { method: 'PUT', headers })).status, 201)
  const got = await ask(digestOf(bytes))
  assert.equal(got.status, 200)
  assert.ok((await bytesOf(got)).equals(bytes))
})

test('where redirects are for public images, a private one’s blobs come from the server', async () => {
  const env = { STEMMA_BUCKET_S3_PUBLIC_ENDPOINT: s3.endpoint, STEMMA_REGISTRY_REDIRECT: 'public' }
  const second = await openRegistryHost('oci-redirects-public', { ...s3.environment, ...env })
  try {
    const image = new ImagePush(second.server.url, second.owner.token, 'olive/shown')
    await image.image([{ bytes: layer }], { tag: 'v1' })
    const headers = { authorization: `Bearer ${second.owner.token}` }
    const get = (more: RequestInit = {}) =>
      fetch(`${second.server.url}/v2/olive/shown/blobs/${digestOf(layer)}`, { redirect: 'manual', headers, ...more })
    assert.ok((await bytesOf(await get())).equals(layer))
    const path = '/api/v3/users/olive/packages/container/shown'
    assert.equal((await second.server.api('PATCH', path, { visibility: 'internal' }, second.owner.token)).status, 200)
    assert.equal((await get()).status, 200)
    assert.equal((await second.server.api('PATCH', path, { visibility: 'public' }, second.owner.token)).status, 200)
    assert.equal((await get()).status, 307)
    const token = await fetch(`${second.server.url}/v2/token?scope=repository:olive/shown:pull`)
    const { token: pass } = (await token.json()) as { token: string }
    assert.equal((await get({ headers: { authorization: `Bearer ${pass}` } })).status, 307)
  } finally {
    await second.close()
  }
})

const skopeo = '/usr/bin/skopeo'
test('skopeo pulls through the redirect, and nothing that it shows the registry goes to the bucket', {
  skip: !existsSync(skopeo) && 'skopeo is not installed',
}, async () => {
  const home = new ClientHome(host.folder, 'home', [host.registry])
  s3.resetLog()
  const credentials = ['--src-creds', `olive:${host.owner.token}`]
  await home.run(skopeo, ['copy', ...credentials, `docker://${host.registry}/olive/app:v1`, `dir:${home.join('copy')}`])
  const copied = readFileSync(home.join('copy', digestOf(layer).slice('sha256:'.length)))
  assert.equal(createHash('sha256').update(copied).digest('hex'), digestOf(layer).slice('sha256:'.length))
  assert.equal(s3.log.filter(({ isSigned }) => isSigned).length, 1, 'the large layer, and nothing else')
  await until('the pull is counted', async () => {
    const { body } = await host.server.api('GET', '/api/v3/images/olive/app/tags/v1', undefined, host.owner.token)
    return (body as { pulls: number }).pulls > 0
  })
})
