import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { digestOf, FakeRegistry } from '../../../../tests/support/fake-registry.ts'
import { seededBytes } from '../../../../tests/support/random.ts'
import { AllowedHosts, systemClock } from '../../../base/index.ts'
import { Outbound } from '../../../http/index.ts'
import type { UpstreamAddress } from '../../../packages/index.ts'
import { RegistryClient } from './registry-client.ts'

let registry: FakeRegistry
let other: FakeRegistry
before(async () => {
  registry = await new FakeRegistry().listen()
  other = await new FakeRegistry().listen()
})
after(async () => await Promise.all([registry.close(), other.close()]))
beforeEach(() => {
  for (const each of [registry, other]) {
    Object.assign(each, { credentials: null, realm: null, scheme: 'bearer', before: () => false })
    each.seen.length = 0
    each.tokens.clear()
  }
})

const credentials = { username: 'robot', password: 'se:cret' }
const secret = `Basic ${Buffer.from('robot:se:cret').toString('base64')}`
const never = new AbortController().signal

function clientOf(address: Partial<UpstreamAddress> = {}, allowed = ['127.0.0.0/8', 'localhost']): RegistryClient {
  const pace = { slowestBytesPerSecond: 1000, slowGraceMs: 300 }
  const parts = { outbound: new Outbound({ allowed: new AllowedHosts(allowed) }), clock: systemClock, agent: 'test', pace }
  return new RegistryClient(parts, { origin: registry.origin, authOrigin: null, credentials: null, ...address })
}

function takeTokensOfOther(): void {
  registry.before = (request) => {
    const token = request.headers.authorization?.replace(/^Bearer /, '') ?? ''
    const scope = other.tokens.get(token)
    if (scope !== undefined) registry.tokens.set(token, scope)
    return false
  }
}

async function textOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = []
  for await (const part of body) parts.push(part)
  return Buffer.concat(parts).toString()
}

test('a manifest by tag and by digest, what it says of itself, and one that there isn’t', async () => {
  const digest = registry.addManifest('a/b', { layers: [] }, 'v1')
  const client = clientOf()
  const byTag = await client.manifest('a/b', 'v1')
  assert.ok(byTag.kind === 'found')
  assert.equal(byTag.value.digest, digest)
  assert.equal((await client.manifest('a/b', digest)).kind, 'found')
  assert.deepEqual(await client.manifestFacts('a/b', 'v1'), { kind: 'found', value: { digest } })
  assert.deepEqual(await client.manifest('a/b', 'v2'), { kind: 'missing' })
  assert.ok(registry.seen.every(({ authorization }) => authorization === undefined))
})

test('a manifest that is another than was asked for, or than it says, is refused; so is a large one', async () => {
  const bytes = Buffer.from('{"schemaVersion":2}')
  const wrong = digestOf(Buffer.from('other'))
  registry.manifests.set(`a/b@${wrong}`, { bytes, mediaType: 'x' })
  const byDigest = await clientOf().manifest('a/b', wrong)
  assert.ok(byDigest.kind === 'failed' && byDigest.reason === 'wrong' && byDigest.message.includes(digestOf(bytes)))
  registry.before = (_request, response) => (response.writeHead(200, { 'docker-content-digest': wrong }).end(bytes), true)
  assert.equal((await clientOf().manifest('a/b', 'v1')).kind, 'failed')
  registry.before = (_request, response) => (response.end(Buffer.alloc((4 << 20) + 1)), true)
  const large = await clientOf().manifest('a/b', 'v1')
  assert.ok(large.kind === 'failed' && /more than 4 MiB/.test(large.message))
})

test('a token is asked for once for each image, with our scope, and goes to nobody but the upstream', async () => {
  registry.credentials = credentials
  const digest = registry.addManifest('a/b', { layers: [] }, 'v1')
  registry.addManifest('c/d', { layers: [] }, 'v1')
  const client = clientOf({ credentials })
  const answers = await Promise.all([client.manifest('a/b', 'v1'), client.manifest('a/b', digest), client.manifest('a/b', 'v1')])
  assert.deepEqual(new Set(answers.map(({ kind }) => kind)), new Set(['found']))
  assert.equal((await client.manifest('c/d', 'v1')).kind, 'found')
  assert.deepEqual([...registry.tokens.values()], ['repository:a/b:pull', 'repository:c/d:pull'])
  const sent = registry.seen.map(({ url, authorization }) => [url.split('?')[0], authorization?.split(' ')[0]])
  assert.ok(
    sent.every(([url, scheme]) => scheme === undefined || (url === '/token') === (scheme === 'Basic')),
    JSON.stringify(sent),
  )
  registry.tokens.clear() // as if they had ended early
  assert.equal((await client.manifest('a/b', 'v1')).kind, 'found')
})

test('a challenge that names another endpoint gets no credentials: nothing is even connected to there (CVE-2026-33540)', async () => {
  registry.credentials = credentials
  registry.addManifest('a/b', { layers: [] }, 'v1')
  for (const realm of [`${other.origin}/token`, `${registry.origin.replace('127.0.0.1', 'localhost')}/token`, `http://127.0.0.1:1/token`]) {
    registry.realm = realm
    const answer = await clientOf({ credentials }).manifest('a/b', 'v1')
    assert.ok(answer.kind === 'failed' && answer.reason === 'wrong', realm)
    assert.match(answer.message, /the credentials were not sent/)
  }
  for (const realm of ['', 'token', 'ftp://a/', 'file:///etc/passwd', `http://a:b@127.0.0.1/`, '//x']) {
    registry.realm = realm
    assert.equal((await clientOf({ credentials }).manifest('a/b', 'v1')).kind, 'failed', realm)
  }
  assert.deepEqual(other.seen, [])
  assert.ok(registry.seen.every(({ authorization }) => authorization === undefined))
})

test('credentials go to the token endpoint that was declared, and only by token', async () => {
  registry.realm = `${other.origin}/token`
  other.credentials = credentials
  takeTokensOfOther()
  registry.addManifest('a/b', { layers: [] }, 'v1')
  const client = clientOf({ credentials, authOrigin: other.origin })
  assert.equal((await client.manifest('a/b', 'v1')).kind, 'found')
  assert.deepEqual(
    other.seen.map(({ authorization }) => authorization),
    [secret],
  )
  assert.ok(registry.seen.every(({ authorization }) => authorization !== secret))
})

test('without credentials another endpoint may be named, and is sent nothing of ours', async () => {
  registry.realm = `${other.origin}/token`
  takeTokensOfOther()
  registry.addManifest('a/b', { layers: [] }, 'v1')
  assert.equal((await clientOf().manifest('a/b', 'v1')).kind, 'found')
  assert.deepEqual(
    other.seen.map(({ url, authorization }) => [url, authorization]),
    [['/token?service=fake&scope=repository%3Aa%2Fb%3Apull', undefined]],
  )
})

test('Basic goes to the upstream’s own origin; credentials that it refuses are told', async () => {
  Object.assign(registry, { credentials, scheme: 'basic' })
  registry.addManifest('a/b', { layers: [] }, 'v1')
  assert.equal((await clientOf({ credentials }).manifest('a/b', 'v1')).kind, 'found')
  const wrong = await clientOf({ credentials: { username: 'x', password: 'y' } }).manifest('a/b', 'v1')
  assert.ok(wrong.kind === 'failed' && wrong.reason === 'refused')
  const none = await clientOf().manifest('a/b', 'v1')
  assert.ok(none.kind === 'failed' && none.reason === 'refused')
})

test('redirects are followed without Authorization to another origin, also back from there, and not for ever', async () => {
  Object.assign(registry, { credentials, scheme: 'basic' })
  const digest = other.addBlob(Buffer.from('layer'))
  registry.before = (request, response, url) => {
    if (request.headers.authorization === undefined && !url.pathname.startsWith('/open')) return false
    if (!url.pathname.includes('/blobs/')) return false
    response.writeHead(307, { location: `${other.origin}${url.pathname}` }).end()
    return true
  }
  const client = clientOf({ credentials })
  const blob = await client.openBlob('a/b', digest, 0, never)
  assert.ok(blob.kind === 'found')
  assert.equal(await textOf(blob.value.body), 'layer')
  assert.deepEqual(
    other.seen.map(({ authorization }) => authorization),
    [undefined],
  )
  other.before = (_request, response, url) => (response.writeHead(302, { location: `${registry.origin}/back${url.pathname}` }).end(), true)
  const back = await client.openBlob('a/b', digest, 0, never)
  assert.ok(back.kind === 'failed' && back.reason === 'refused', JSON.stringify(back)) // 401 there: no credentials came back
  registry.before = (_request, response, url) => (response.writeHead(301, { location: url.pathname }).end(), true)
  const loop = await client.openBlob('a/b', digest, 0, never)
  assert.ok(loop.kind === 'failed' && /redirects more than/.test(loop.message))
})

test('private addresses are not connected to, by a redirect neither', async () => {
  const closed = await clientOf({}, []).manifest('a/b', 'v1')
  assert.ok(closed.kind === 'failed' && closed.reason === 'barred')
  registry.before = (_request, response) => (response.writeHead(302, { location: 'http://10.0.0.1/' }).end(), true)
  const led = await clientOf().manifest('a/b', 'v1')
  assert.ok(led.kind === 'failed' && led.reason === 'barred' && /10\.0\.0\.1 is a private address/.test(led.message))
})

test('statuses: busy says when to come again, trouble and silence are unreachable', async () => {
  const status = async (code: number, headers = {}) => {
    registry.before = (_request, response) => (response.writeHead(code, headers).end(), true)
    const answer = await clientOf().manifestFacts('a/b', 'v1')
    return answer.kind === 'failed' ? [answer.reason, answer.retryAfterS] : answer.kind
  }
  assert.deepEqual(await status(429, { 'retry-after': '17' }), ['busy', 17])
  assert.deepEqual(await status(503), ['unreachable', null])
  assert.deepEqual(await status(403), ['refused', null])
  assert.deepEqual(await status(401), ['wrong', null]) // without a challenge
  assert.deepEqual(await status(400), ['wrong', null])
  assert.deepEqual(await status(404), 'missing')
  const gone = await new FakeRegistry().listen()
  await gone.close()
  const silent = await clientOf({ origin: gone.origin }).manifestFacts('a/b', 'v1')
  assert.ok(silent.kind === 'failed' && silent.reason === 'unreachable')
})

test('a blob from the middle, cut off, and slower than may be', async () => {
  const bytes = seededBytes(9, 100_000)
  const digest = registry.addBlob(bytes)
  const part = await clientOf().openBlob('a/b', digest, 99_990, never)
  assert.ok(part.kind === 'found' && part.value.from === 99_990 && part.value.sizeBytes === 100_000)
  assert.equal((await textOf(part.value.body)).length, bytes.subarray(99_990).toString().length)
  registry.before = (_request, response) => {
    response.writeHead(200, { 'content-length': bytes.length }).write(bytes.subarray(0, 10))
    setTimeout(() => response.destroy(), 20)
    return true
  }
  const cut = await clientOf().openBlob('a/b', digest, 0, never)
  assert.ok(cut.kind === 'found')
  await assert.rejects(textOf(cut.value.body), { code: 'outbound-unreachable' })
  registry.before = (_request, response) => (response.writeHead(200, { 'content-length': bytes.length }).write(bytes.subarray(0, 10)), true)
  const slow = await clientOf().openBlob('a/b', digest, 0, never)
  assert.ok(slow.kind === 'found')
  await assert.rejects(textOf(slow.value.body), { code: 'upstream-slow' })
})

test('all pages of a list of tags, and only what is a tag', async () => {
  registry.tags.set('many', new Map(Array.from({ length: 250 }, (_, i) => [`t${i}`, 'x'])))
  registry.tags.get('many')?.set('no tag', 'x')
  const tags = await clientOf().tags('many')
  assert.ok(tags.kind === 'found')
  assert.equal(tags.value.length, 250)
  assert.deepEqual(tags.value, [...tags.value].sort())
  assert.equal(registry.count(/tags\/list/), 3)
  assert.deepEqual(await clientOf().tags('none'), { kind: 'missing' })
  assert.deepEqual(await clientOf().referrers('many', digestOf(Buffer.from('x'))), { kind: 'missing' })
})
