// The pull-through cache: what is asked for comes from the upstream once, and is here afterwards, whether the upstream is or not.
import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { ociUpstreams } from '../../src/oci/index.ts'
import { removeDeclared } from '../../src/packages/index.ts'
import { operator } from '../../src/access/index.ts'
import { sql } from '../../src/db/index.ts'
import { type CacheStand, openCache } from '../support/cache-stand.ts'
import { digestOf, FakeRegistry, manifestType } from '../support/fake-registry.ts'
import { seededBytes } from '../support/random.ts'
import { until } from '../support/until.ts'

let stand: CacheStand
let upstream: FakeRegistry
before(async () => {
  stand = await openCache()
  upstream = stand.upstream
})
after(async () => await stand?.close())
beforeEach(async () => await stand.startAnew())

const bytesOf = async (answer: Response) => Buffer.from(await answer.arrayBuffer())
const stored = (digest: string) =>
  until(`${digest} is stored`, async () => {
    const found = await stand.db.queries.selectFrom('oci_blob').select('digest').execute()
    return found.some((row) => Buffer.from(row.digest).toString('hex') === digest.slice(7))
  })

test('an image comes with the first pull, and is here afterwards', async () => {
  const layer = seededBytes('layer', 300_000)
  const digest = upstream.addImage('library/app', 'v1', [layer])
  await stand.declare({ url: upstream.origin, freshS: 300 })
  const first = await stand.get('hub/library/app/manifests/v1')
  assert.equal(first.status, 200, JSON.stringify(stand.log))
  assert.equal(first.headers.get('docker-content-digest'), digest)
  assert.equal(first.headers.get('content-type'), manifestType)
  assert.equal(first.headers.get('warning'), null)
  assert.equal(digestOf(await bytesOf(first)), digest)
  const pulled = await stand.get(`hub/library/app/blobs/${digestOf(layer)}`)
  assert.equal(pulled.headers.get('content-length'), String(layer.length))
  assert.ok((await bytesOf(pulled)).equals(layer))
  await stored(digestOf(layer))
  const asked = upstream.seen.length
  assert.equal((await stand.get('hub/library/app/manifests/v1')).status, 200)
  assert.equal((await stand.get(`hub/library/app/manifests/${digest}`)).status, 200)
  const again = await stand.get(`hub/library/app/blobs/${digestOf(layer)}`, { headers: { range: 'bytes=10-19' } })
  assert.equal(again.status, 206)
  assert.ok((await bytesOf(again)).equals(layer.subarray(10, 20)))
  assert.equal(upstream.seen.length, asked, 'the upstream was asked again')
})

test('below a place of an upstream with a path, and only there', async () => {
  upstream.addImage('acme/tools/lint', 'v1', [])
  await stand.declare({ url: `${upstream.origin}/acme`, path: 'ghcr' })
  assert.equal((await stand.get('hub/ghcr/tools/lint/manifests/v1')).status, 200)
  assert.equal((await stand.get('hub/tools/lint/manifests/v1')).status, 404)
  assert.equal(upstream.count(/tools\/lint/), 1)
})

test('many pulls at once are one request there', async () => {
  const layer = seededBytes('many', 2_000_000)
  const digest = upstream.addImage('many', 'v1', [layer])
  await stand.declare({ url: upstream.origin, freshS: 300 })
  const manifests = await Promise.all(Array.from({ length: 20 }, () => stand.get('hub/many/manifests/v1')))
  assert.ok(manifests.every((answer) => answer.headers.get('docker-content-digest') === digest))
  const blobs = await Promise.all(Array.from({ length: 20 }, async () => bytesOf(await stand.get(`hub/many/blobs/${digestOf(layer)}`))))
  assert.ok(blobs.every((bytes) => bytes.equals(layer)))
  assert.equal(upstream.count(/GET .*manifests/), 1)
  assert.equal(upstream.count(/GET .*blobs/), 1)
})

test('a tag that isn’t fresh is compared, and fetched only when it has moved', async () => {
  const one = upstream.addImage('moving', 'latest', [seededBytes('one', 10)])
  await stand.declare({ url: upstream.origin })
  await stand.get('hub/moving/manifests/latest')
  assert.equal((await stand.get('hub/moving/manifests/latest')).headers.get('docker-content-digest'), one)
  assert.deepEqual([upstream.count(/GET .*manifests/), upstream.count(/HEAD .*manifests/)], [1, 1])
  const two = upstream.addImage('moving', 'latest', [seededBytes('two', 10)])
  assert.equal((await stand.get('hub/moving/manifests/latest', { method: 'HEAD' })).headers.get('docker-content-digest'), two)
  assert.deepEqual([upstream.count(/GET .*manifests/), upstream.count(/HEAD .*manifests/)], [2, 2])
  assert.equal((await stand.get(`hub/moving/manifests/${one}`)).status, 200, 'who has pinned a digest keeps it')
  upstream.tags.get('moving')?.delete('latest')
  assert.equal((await stand.get('hub/moving/manifests/latest')).status, 404)
  const asked = upstream.seen.length
  assert.equal((await stand.get('hub/moving/manifests/latest')).status, 404)
  assert.equal(upstream.seen.length, asked, 'what isn’t there is asked for again')
  upstream.tags.get('moving')?.set('latest', two)
  stand.clock.move(31_000)
  assert.equal((await stand.get('hub/moving/manifests/latest')).status, 200)
})

test('when the upstream is down, what was here last is served, and says so; it is left alone for a while', async () => {
  const own = await new FakeRegistry().listen()
  const layer = seededBytes('down', 100_000)
  const digest = own.addImage('down', 'v1', [layer])
  await stand.declare({ url: own.origin })
  await stand.get('hub/down/manifests/v1')
  await bytesOf(await stand.get(`hub/down/blobs/${digestOf(layer)}`))
  await stored(digestOf(layer))
  await own.close()
  const stale = await stand.get('hub/down/manifests/v1')
  assert.deepEqual([stale.status, stale.headers.get('docker-content-digest')], [200, digest])
  assert.match(stale.headers.get('warning') ?? '', /^110 /)
  assert.ok((await bytesOf(await stand.get(`hub/down/blobs/${digestOf(layer)}`))).equals(layer))
  const other = await stand.get('hub/down/manifests/v2')
  assert.deepEqual([other.status, Number(other.headers.get('retry-after')) > 0], [503, true])
  assert.equal((await stand.get(`hub/down/blobs/${digestOf(Buffer.from('x'))}`)).status, 503)
  assert.deepEqual(await (await stand.get('hub/down/tags/list')).json(), { name: 'hub/down', tags: ['v1'] })
  assert.equal((await stand.get('hub/other/manifests/v1')).status, 503)
  assert.ok(stand.log.some((line) => line.includes('an upstream failed')))
  await own.listen()
  assert.match((await stand.get('hub/down/manifests/v1')).headers.get('warning') ?? '', /^110 /, 'asked again at once')
  stand.clock.move(11_000)
  assert.equal((await stand.get('hub/down/manifests/v1')).headers.get('warning'), null)
  await own.close()
})

test('where the server may not connect to: the client is told which setting says so, the log why', async () => {
  await stand.declare({ url: 'http://10.0.0.1:8080' })
  const before = stand.log.length
  const refused = await stand.get('hub/barred/manifests/v1')
  assert.equal(refused.status, 502)
  assert.match(JSON.stringify(await refused.json()), /may not connect to where the upstream of this image is: .*outbound\.allowPrivate/)
  const lines = stand.log.slice(before).map((line) => JSON.parse(line) as { level: number; msg: string; err?: unknown })
  assert.deepEqual(
    lines.filter(({ level, err }) => level > 40 || err !== undefined),
    [],
  )
  const [warned] = lines.filter(({ level }) => level === 40)
  assert.match(warned?.msg ?? '', /10\.0\.0\.1 is a private address, .*outbound\.allowPrivate/)
})

test('a busy upstream: what is here is served, what isn’t is 429 with its Retry-After', async () => {
  upstream.addImage('busy', 'v1', [])
  await stand.declare({ url: upstream.origin })
  await stand.get('hub/busy/manifests/v1')
  upstream.before = (_request, response) => (response.writeHead(429, { 'retry-after': '40' }).end(), true)
  assert.equal((await stand.get('hub/busy/manifests/v1')).status, 200)
  const asked = upstream.seen.length
  const other = await stand.get('hub/busy/manifests/v2')
  assert.equal(other.status, 429)
  assert.ok(Number(other.headers.get('retry-after')) > 30)
  assert.match(JSON.stringify(await other.json()), /TOOMANYREQUESTS/)
  assert.equal(upstream.seen.length, asked)
})

test('a name that fails is left alone, and no other: behind a redirect to where nobody answers, or with 5xx', async () => {
  const gone = await new FakeRegistry().listen()
  await gone.close()
  for (const name of ['good', 'led', 'ill', 'fine']) upstream.addImage(name, 'v1', [])
  await stand.declare({ url: upstream.origin })
  upstream.before = (_request, response, url) => {
    const isLed = url.pathname.startsWith('/v2/led/')
    const isIll = url.pathname.startsWith('/v2/ill/')
    if (isLed) response.writeHead(307, { location: `${gone.origin}/elsewhere` }).end()
    if (isIll) response.writeHead(503, { 'retry-after': '600' }).end()
    return isLed || isIll
  }
  assert.equal((await stand.get('hub/led/manifests/v1')).status, 503)
  assert.equal((await stand.get('hub/good/manifests/v1')).status, 200, 'one name paused all')
  assert.equal((await stand.get('hub/ill/manifests/v1')).status, 503)
  assert.equal((await stand.get('hub/fine/manifests/v1')).status, 200, 'one name paused all')
  const asked = upstream.seen.length
  const again = await stand.get('hub/ill/manifests/v1')
  assert.deepEqual([again.status, Number(again.headers.get('retry-after')) > 500], [503, true])
  assert.equal((await stand.get('hub/led/manifests/v1')).status, 503)
  assert.equal(upstream.seen.length, asked, 'names that fail are asked for again at once')
  upstream.before = () => false
  stand.clock.move(11_000)
  assert.equal((await stand.get('hub/led/manifests/v1')).status, 200)
})

test('several names that fail in a row are the upstream’s failure; a 429 is, for a minute at most', async () => {
  upstream.addImage('good', 'v1', [])
  await stand.declare({ url: upstream.origin })
  upstream.before = (_request, response, url) => !url.pathname.startsWith('/v2/good/') && (response.writeHead(500).end(), true)
  const fails = async (name: string) => assert.equal((await stand.get(`hub/${name}/manifests/v1`)).status, 503)
  for (const name of ['a', 'b', 'c', 'd']) await fails(name)
  assert.equal((await stand.get('hub/good/manifests/v1')).status, 200)
  for (const name of ['e', 'f', 'g', 'h', 'i']) await fails(name)
  const asked = upstream.seen.length
  await fails('j')
  assert.equal(upstream.seen.length, asked, 'an upstream that fails is asked for every name')
  stand.clock.move(11_000)
  await fails('i')
  assert.equal((await stand.get('hub/good/manifests/v1')).headers.get('warning'), null, 'one name goes on with the pause of all')
  upstream.before = (_request, response) => (response.writeHead(429, { 'retry-after': '86400' }).end(), true)
  assert.equal((await stand.get('hub/k/manifests/v1')).status, 429)
  upstream.before = () => false
  assert.match((await stand.get('hub/good/manifests/v1')).headers.get('warning') ?? '', /^110 /)
  stand.clock.move(61_000)
  assert.equal((await stand.get('hub/good/manifests/v1')).headers.get('warning'), null)
})

test('wrong bytes: the connection breaks, nothing is stored, and the next pull is a new one', async () => {
  const layer = seededBytes('right', 500_000)
  upstream.addImage('wrong', 'v1', [layer])
  await stand.declare({ url: upstream.origin })
  await stand.get('hub/wrong/manifests/v1')
  upstream.before = (request, response, url) => {
    if (!url.pathname.includes('/blobs/') || request.method !== 'GET') return false
    response.writeHead(200, { 'content-length': layer.length }).end(seededBytes('other', layer.length))
    return true
  }
  await assert.rejects(async () => bytesOf(await stand.get(`hub/wrong/blobs/${digestOf(layer)}`)))
  upstream.before = () => false
  assert.ok((await bytesOf(await stand.get(`hub/wrong/blobs/${digestOf(layer)}`))).equals(layer))
})

test('a manifest that says a wrong size comes as it is there; a blob comes only as long as it says', async () => {
  const [here, other] = [seededBytes('here', 3000), seededBytes('other size', 3000)]
  upstream.addImage('missized', 'good', [here])
  const layers = [here, other].map((bytes) => ({ mediaType: 'application/vnd.example', digest: upstream.addBlob(bytes), size: 2999 }))
  const lying = upstream.addManifest('missized', { layers }, 'lying')
  await stand.declare({ url: upstream.origin })
  await stand.get('hub/missized/manifests/good')
  await bytesOf(await stand.get(`hub/missized/blobs/${digestOf(here)}`))
  await stored(digestOf(here))
  const manifest = await stand.get('hub/missized/manifests/lying')
  assert.deepEqual([manifest.status, digestOf(await bytesOf(manifest))], [200, lying])
  assert.ok((await bytesOf(await stand.get(`hub/missized/blobs/${digestOf(here)}`))).equals(here))
  assert.equal((await stand.get(`hub/missized/blobs/${digestOf(other)}`)).status, 502)
})

test('a blob that another image of the same upstream has isn’t fetched again, once a manifest names it', async () => {
  const base = seededBytes('base', 200_000)
  upstream.addImage('first', 'v1', [base])
  upstream.addImage('second', 'v1', [base])
  await stand.declare({ url: upstream.origin })
  await stand.get('hub/first/manifests/v1')
  await bytesOf(await stand.get(`hub/first/blobs/${digestOf(base)}`))
  await stored(digestOf(base))
  await stand.get('hub/second/manifests/v1')
  assert.ok((await bytesOf(await stand.get(`hub/second/blobs/${digestOf(base)}`))).equals(base))
  assert.equal(upstream.count(/GET .*blobs/), 1)
  // nobody says that this one has it
  upstream.addImage('third', 'v1', [])
  upstream.before = (_request, response, url) => url.pathname.includes('third/blobs') && (response.writeHead(404).end(), true)
  await stand.get('hub/third/manifests/v1')
  assert.equal((await stand.get(`hub/third/blobs/${digestOf(base)}`)).status, 404)
})

test('a blob whose bytes are found to be lost comes again', async () => {
  const { queries } = stand.db
  const layer = seededBytes('lost here', 700_000)
  const path = `hub/lost/blobs/${digestOf(layer)}`
  upstream.addImage('lost', 'v1', [layer])
  await stand.declare({ url: upstream.origin })
  await stand.get('hub/lost/manifests/v1')
  await bytesOf(await stand.get(path))
  await stored(digestOf(layer))
  await sql`update whole_part set uuid = gen_random_uuid() where digest = ${Buffer.from(digestOf(layer).slice(7), 'hex')}`.execute(queries)
  const failed = await stand
    .get(path)
    .then(bytesOf)
    .catch(() => null)
  assert.ok(failed?.equals(layer) !== true)
  const marks = async () => (await sql`select 1 from content_whole where findings is not null`.execute(queries)).rows.length
  await until('it is marked', async () => (await marks()) === 1)
  assert.ok((await bytesOf(await stand.get(path))).equals(layer))
  await until('it is mended', async () => (await marks()) === 0)
  assert.ok((await bytesOf(await stand.get(path))).equals(layer))
  assert.equal(upstream.count(/GET .*blobs/), 2)
})

test('a manifest that gives a blob another size than others do keeps nobody from it', async () => {
  const layer = seededBytes('disputed', 300_000)
  const descriptor = { mediaType: 'application/vnd.oci.image.layer.v1.tar', digest: upstream.addBlob(layer) }
  const path = `hub/disputed/blobs/${descriptor.digest}`
  for (const [tag, size] of [
    ['lying', 7],
    ['right', layer.length],
  ] as const)
    upstream.addManifest('disputed', { config: { ...descriptor, size }, layers: [] }, tag)
  await stand.declare({ url: upstream.origin, freshS: 300 })
  assert.equal((await stand.get('hub/disputed/manifests/lying')).status, 200)
  assert.equal((await stand.get(path)).status, 502, 'while nobody says otherwise, the manifest is believed')
  assert.equal((await stand.get('hub/disputed/manifests/right')).status, 200)
  assert.equal((await stand.get(path, { method: 'HEAD' })).headers.get('content-length'), String(layer.length))
  assert.ok((await bytesOf(await stand.get(path))).equals(layer))
  await stored(descriptor.digest)
  assert.ok((await bytesOf(await stand.get(path))).equals(layer))
})

test('HEAD of a blob is answered from the manifest, without its bytes coming', async () => {
  const layer = seededBytes('head', 4321)
  upstream.addImage('head', 'v1', [layer])
  await stand.declare({ url: upstream.origin })
  const before = await stand.get(`hub/head/blobs/${digestOf(layer)}`, { method: 'HEAD' })
  assert.deepEqual([before.status, before.headers.get('content-length')], [200, '4321'])
  assert.equal(upstream.count(/HEAD .*blobs/), 1)
  await stand.get('hub/head/manifests/v1')
  assert.equal((await stand.get(`hub/head/blobs/${digestOf(layer)}`, { method: 'HEAD' })).headers.get('content-length'), '4321')
  assert.equal((await stand.get(`hub/head/blobs/${digestOf(Buffer.from('y'))}`, { method: 'HEAD' })).status, 404)
  assert.deepEqual([upstream.count(/HEAD .*blobs/), upstream.count(/GET .*blobs/)], [2, 0])
})

test('lists of tags in pages of ours; referrers by list or by tag', async () => {
  for (let i = 0; i < 5; i++) upstream.addImage('lists', `t${i}`, [])
  const subject = upstream.tags.get('lists')?.get('t0') as string
  const signature = upstream.addManifest('lists', {
    subject: { digest: subject, mediaType: manifestType, size: 1 },
    artifactType: 'a/sig',
    layers: [],
  })
  const descriptor = { mediaType: manifestType, digest: signature, size: 1, artifactType: 'a/sig' }
  await stand.declare({ url: upstream.origin })
  const page = await stand.get('hub/lists/tags/list?n=2&last=t1')
  assert.deepEqual(await page.json(), { name: 'hub/lists', tags: ['t2', 't3'] })
  assert.equal(page.headers.get('link'), '</v2/hub/lists/tags/list?n=2&last=t3>; rel="next"')
  assert.equal((await stand.get('hub/none/tags/list')).status, 404)
  const referrers = async (query = '') =>
    ((await (await stand.get(`hub/lists/referrers/${subject}${query}`)).json()) as { manifests: unknown[] }).manifests
  assert.deepEqual(await referrers(), [])
  upstream.addManifest('lists', { manifests: [descriptor] }, subject.replace(':', '-'), 'application/vnd.oci.image.index.v1+json')
  assert.deepEqual(await referrers(), [descriptor])
  assert.deepEqual(await referrers('?artifactType=other/type'), [])
  upstream.before = (_request, response, url) =>
    url.pathname.includes('/referrers/') && (response.end(JSON.stringify({ manifests: [descriptor, descriptor] })), true)
  assert.equal((await referrers('?artifactType=a/sig')).length, 2)
  assert.equal((await stand.get(`hub/lists/manifests/${signature}`)).status, 200)
  // of what is shown to others nothing is told, and it is no 404
  upstream.before = (_request, response) => (response.writeHead(403).end(), true)
  const hidden = await stand.get(`hub/others/referrers/${subject}`)
  assert.deepEqual([hidden.status, ((await hidden.json()) as { manifests: unknown[] }).manifests], [200, []])
})

test('nothing is pushed where an upstream is; nobody else’s upstream answers for a name of ours', async () => {
  await stand.declare({ url: upstream.origin, path: 'mirror' })
  for (const name of ['hub/mirror/a', 'hub/mirror/a/b']) {
    const refused = await stand.get(`${name}/blobs/uploads/`, { method: 'POST' })
    assert.equal(refused.status, 403, name)
    assert.match(JSON.stringify(await refused.json()), /comes from an upstream/)
  }
  assert.equal((await stand.get('hub/mirror/a/manifests/v1', { method: 'PUT' })).status, 403)
  assert.equal((await stand.get('hub/own/blobs/uploads/', { method: 'POST' })).status, 202)
  assert.equal((await stand.get('hub/own/manifests/v1')).status, 404)
  assert.deepEqual(upstream.seen, [])
  await assert.rejects(stand.declare({ url: upstream.origin }), { code: 'upstream-covers', message: /hub\/own would lie below hub/ })
  await assert.rejects(stand.declare({ url: upstream.origin, path: 'mirror' }), { code: 'upstream-exists' })
})

test('who reads is as visible as the upstream says; who may not read causes nothing', async () => {
  upstream.addImage('seen', 'v1', [])
  const { id } = await stand.declare({ url: upstream.origin, visibility: 'private' })
  const status = async (token: string | null) => (await stand.get('hub/seen/manifests/v1', { token })).status
  assert.deepEqual([await status(null), await status(stand.stranger.token)], [401, 404])
  assert.deepEqual(upstream.seen, [])
  assert.equal(await status(stand.hub.token), 200)
  assert.deepEqual([await status(null), await status(stand.stranger.token)], [401, 404])
  await removeDeclared(stand.db, ociUpstreams, id, operator)
  await stand.declare({ url: upstream.origin, visibility: 'internal' })
  assert.deepEqual([await status(null), await status(stand.stranger.token)], [401, 200])
})

test('what was removed is gone, and a place in another takes its names', async () => {
  upstream.addImage('a/x', 'v1', [])
  const { id } = await stand.declare({ url: upstream.origin })
  await stand.get('hub/a/x/manifests/v1')
  const other = await new FakeRegistry().listen()
  other.addImage('x', 'v1', [])
  await stand.declare({ url: other.origin, path: 'a' })
  assert.equal((await stand.get('hub/a/x/manifests/v1')).status, 200)
  assert.equal(other.count(/x\/manifests/), 1)
  await other.close()
  await removeDeclared(stand.db, ociUpstreams, id, operator)
  assert.equal((await stand.get('hub/b/manifests/v1')).status, 404)
})

test('who comes by Docker’s token authentication gets a pass for what isn’t here yet, to pull and nothing else', async () => {
  upstream.addImage('passed', 'v1', [])
  await stand.declare({ url: upstream.origin })
  const answer = await stand.get('token?service=x&scope=repository:hub/passed:pull,push', { token: null })
  const { token, scope } = (await answer.json()) as { token: string; scope: string }
  assert.equal(scope, 'repository:hub/passed:pull')
  assert.equal((await stand.get('hub/passed/manifests/v1', { token })).status, 200)
  assert.equal((await stand.get('hub/other/manifests/v1', { token })).status, 401)
})
