// Packages of another registry: what is asked for comes from there once, and is here afterwards, whether that registry is or not.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, beforeEach, test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { findAccount, operator } from '../../src/access/index.ts'
import { npmUpstreams } from '../../src/npm/index.ts'
import { claimPlace } from '../../src/packages/index.ts'
import { FakeNpmRegistry } from '../support/fake-npm-registry.ts'
import { type NpmCacheStand, openNpmCache } from '../support/npm-cache-stand.ts'
import { abbreviated, type NpmFaces } from '../support/npm-faces.ts'
import { seededBytes } from '../support/random.ts'
import { until } from '../support/until.ts'

let stand: NpmCacheStand
let npm: NpmFaces
let upstream: FakeNpmRegistry
before(async () => {
  stand = await openNpmCache()
  ;({ npm, upstream } = stand)
})
after(async () => await stand?.close())
beforeEach(async () => await stand.startAnew())

const bytes = seededBytes('a tarball', 200_000)
const accept = { accept: abbreviated }
const day = 86_400_000

test('a package comes with the first install, and is here afterwards', async () => {
  upstream.publish('left-pad', '1.3.0', { bytes })
  await stand.declare({ freshS: 300 })
  const document = await npm.json('left-pad', { headers: accept })
  const { tarball, integrity, signatures } = document.versions['1.3.0'].dist
  assert.equal(tarball, `${npm.url}/npm/left-pad/-/left-pad-1.3.0.tgz`)
  assert.equal(integrity, `sha512-${createHash('sha512').update(bytes).digest('base64')}`)
  assert.deepEqual(signatures, [{ keyid: 'SHA256:upstream', sig: 'of left-pad@1.3.0' }])
  const first = await npm.ask('left-pad/-/left-pad-1.3.0.tgz')
  assert.deepEqual([first.status, first.headers['content-length']], [200, String(bytes.length)])
  assert.ok(first.bytes.equals(bytes))
  await stand.stored(1)
  await upstream.close()
  try {
    const again = await npm.ask('left-pad/-/left-pad-1.3.0.tgz', { headers: { range: 'bytes=100-199' } })
    assert.deepEqual([again.status, again.bytes.equals(bytes.subarray(100, 200))], [206, true])
    assert.deepEqual(await npm.json('left-pad', { headers: accept }), document)
  } finally {
    await upstream.listen()
  }
  assert.deepEqual([upstream.count(/left-pad$/), upstream.count(/tgz$/)], [1, 1])
  assert.deepEqual(
    npm.faces.log.filter((line) => JSON.parse(line).level >= 50),
    [],
  )
})

test('documents are sent as those of what is published here: both forms, packed, with ETag and Vary', async () => {
  upstream.publish('@acme/tool', '1.0.0', { bytes, manifest: { scripts: { install: 'x' } } })
  await stand.declare({ freshS: 300 })
  const short = await npm.ask('@acme/tool', { headers: { ...accept, 'accept-encoding': 'gzip' } })
  assert.equal(short.headers['content-type'], 'application/vnd.npm.install-v1+json')
  assert.deepEqual([short.headers['content-encoding'], short.headers['vary']], ['gzip', 'Accept, Accept-Encoding'])
  const document = JSON.parse(gunzipSync(short.bytes).toString())
  assert.deepEqual([document.readme, document.versions['1.0.0'].description], [undefined, undefined])
  const long = await npm.json('@acme%2ftool')
  assert.deepEqual([long.readme, long.versions['1.0.0'].description], ['of @acme/tool', '@acme/tool 1.0.0'])
  const etag = String(short.headers['etag'])
  const same = await npm.ask('@acme%2ftool', { headers: { ...accept, 'accept-encoding': 'gzip', 'if-none-match': etag } })
  assert.deepEqual([same.status, same.bytes.length], [304, 0])
  const head = await npm.ask('@acme/tool', { method: 'HEAD', headers: accept })
  assert.deepEqual([head.status, head.bytes.length], [200, 0])
  assert.equal((await npm.json('@acme/tool/latest')).version, '1.0.0')
  assert.equal((await npm.json('@acme/tool/1.0.0')).description, '@acme/tool 1.0.0')
  assert.equal((await npm.ask('@acme/tool/2.0.0')).status, 404)
  assert.deepEqual(await npm.json('-/package/@acme%2ftool/dist-tags'), { latest: '1.0.0' })
  // one question for each form
  assert.equal(upstream.count(/GET \/@acme/), 2)
})

test('a registry of an owner’s own has URLs of its own', async () => {
  upstream.publish('tool', '1.0.0', { bytes })
  await stand.declare()
  const document = await npm.json('olive/tool')
  assert.equal(document.versions['1.0.0'].dist.tarball, `${npm.url}/npm/olive/tool/-/tool-1.0.0.tgz`)
  assert.ok((await npm.ask('olive/tool/-/tool-1.0.0.tgz')).bytes.equals(bytes))
})

test('what isn’t fresh is compared: not fetched where it is the same, and shown where it has changed', async () => {
  upstream.publish('tool', '1.0.0', { bytes })
  await stand.declare()
  const first = await npm.ask('tool', { headers: accept })
  const second = await npm.ask('tool', { headers: accept })
  assert.equal(second.headers['etag'], first.headers['etag'])
  assert.equal(upstream.seen[1]?.headers['if-none-match'] !== undefined, true)
  upstream.publish('tool', '2.0.0', { bytes: seededBytes('two', 100) })
  assert.equal((await npm.json('tool', { headers: accept }))['dist-tags'].latest, '2.0.0')
  // a registry that gives neither ETags nor abbreviated documents
  upstream.knows = { abbreviated: false, etag: false, gzip: false }
  const [third, fourth] = [await npm.ask('tool', { headers: accept }), await npm.ask('tool', { headers: accept })]
  assert.equal(third.headers['etag'], fourth.headers['etag'])
  assert.equal(JSON.parse(third.bytes.toString()).readme, undefined)
})

test('a lockfile’s tarball comes without its document having been asked for', async () => {
  upstream.publish('@acme/tool', '1.0.0', { bytes })
  await stand.declare()
  const answer = await npm.ask('@acme/tool/-/tool-1.0.0.tgz')
  assert.ok(answer.bytes.equals(bytes))
  assert.equal((await npm.ask('@acme/tool/-/tool-1.0.1.tgz')).status, 404)
  assert.equal((await npm.ask('@acme/tool/-/other-1.0.0.tgz')).status, 404)
  upstream.publish('@acme/tool', '1.0.1', { bytes }) // known as soon as it is there
  assert.ok((await npm.ask('@acme/tool/-/tool-1.0.1.tgz')).bytes.equals(bytes))
})

test('many who want a tarball at once read one fetch', async () => {
  upstream.publish('tool', '1.0.0', { bytes })
  await stand.declare()
  const answers = await Promise.all(Array.from({ length: 12 }, () => npm.ask('tool/-/tool-1.0.0.tgz')))
  assert.ok(answers.every((answer) => answer.bytes.equals(bytes)))
  assert.deepEqual([upstream.count(/tgz$/), upstream.count(/tool$/)], [1, 1])
})

test('bytes that are not what the document says break the connection, and are not kept', async () => {
  upstream.publish('tool', '1.0.0', { bytes, dist: { integrity: `sha512-${Buffer.alloc(64).toString('base64')}` } })
  upstream.publish('old', '1.0.0', { bytes, dist: { integrity: undefined, shasum: '0'.repeat(40) } })
  upstream.publish('bare', '1.0.0', { bytes, dist: { integrity: undefined, shasum: undefined } })
  upstream.publish('good', '1.0.0', { bytes, dist: { integrity: undefined } })
  await stand.declare()
  for (const name of ['tool', 'old']) await assert.rejects(npm.ask(`${name}/-/${name}-1.0.0.tgz`), name)
  assert.equal((await npm.ask('bare/-/bare-1.0.0.tgz')).status, 502)
  assert.ok((await npm.ask('good/-/good-1.0.0.tgz')).bytes.equals(bytes))
  await stand.stored(1)
  const kept = await npm.faces.db.queries.selectFrom('package_file').select('name').execute()
  assert.deepEqual(kept, [{ name: 'good-1.0.0.tgz' }])
})

test('a connection that breaks is taken up where it broke', async () => {
  upstream.publish('tool', '1.0.0', { bytes })
  await stand.declare()
  let cuts = 0
  upstream.before = (request, response, url) => {
    if (!url.pathname.endsWith('.tgz') || request.headers.range !== undefined) return false
    cuts++
    response.writeHead(200, { 'content-length': bytes.length })
    response.write(bytes.subarray(0, 100_000), () => response.destroy())
    return true
  }
  assert.ok((await npm.ask('tool/-/tool-1.0.0.tgz')).bytes.equals(bytes))
  assert.deepEqual([cuts, upstream.seen.at(-1)?.headers.range?.startsWith('bytes=')], [1, true])
})

test('the upstream is off: what is here is served with a warning, what isn’t is 503', async () => {
  upstream.publish('tool', '1.0.0', { bytes })
  upstream.publish('tool', '1.1.0', { bytes })
  await stand.declare()
  await npm.ask('tool/-/tool-1.0.0.tgz')
  await stand.stored(1)
  const document = await npm.json('tool', { headers: accept })
  await upstream.close()
  try {
    const stale = await npm.ask('tool', { headers: accept })
    assert.match(String(stale.headers['warning']), /^110 /)
    assert.deepEqual(JSON.parse(stale.bytes.toString()), document)
    assert.ok((await npm.ask('tool/-/tool-1.0.0.tgz')).bytes.equals(bytes))
    for (const path of ['other', 'tool/-/tool-1.1.0.tgz']) {
      const missing = await npm.ask(path)
      assert.deepEqual([missing.status, missing.headers['retry-after']], [503, '10'], path)
    }
  } finally {
    await upstream.listen()
  }
})

test('statuses of the upstream, and what clients are told', async () => {
  await stand.declare()
  const told: [number, Record<string, string>, number, string | undefined][] = [
    [401, {}, 404, undefined],
    [403, {}, 404, undefined],
    [404, {}, 404, undefined],
    [410, {}, 404, undefined],
    [418, {}, 502, undefined],
    [500, {}, 503, '10'],
  ]
  for (const [status, headers, expected, retryAfter] of told) {
    upstream.before = (_request, response) => (upstream.end(response, status, headers), true)
    const answer = await npm.ask(`tool-${status}`)
    assert.deepEqual([answer.status, answer.headers['retry-after']], [expected, retryAfter], String(status))
    assert.ok(!answer.bytes.toString().includes('127.0.0.1'))
  }
  upstream.before = (_request, response) => (upstream.end(response, 429, { 'retry-after': '7' }), true)
  const busy = await npm.ask('tool-429')
  assert.deepEqual([busy.status, busy.headers['retry-after']], [429, '7'])
  upstream.before = () => false
  assert.equal((await npm.ask('another')).status, 429, 'an upstream that is busy is left alone')
})

test('what there isn’t is not asked for again at once; what has gone goes, and its tarballs stay', async () => {
  upstream.publish('tool', '1.0.0', { bytes })
  await stand.declare()
  for (let i = 0; i < 3; i++) assert.equal((await npm.ask('nothing')).status, 404)
  assert.equal(upstream.count(/nothing/), 1)
  await npm.ask('tool/-/tool-1.0.0.tgz')
  await stand.stored(1)
  upstream.packages.delete('tool')
  await npm.json('tool', { headers: accept }).catch(() => null)
  assert.equal((await npm.ask('tool', { headers: accept })).status, 404)
  assert.ok((await npm.ask('tool/-/tool-1.0.0.tgz')).bytes.equals(bytes))
})

test('a document that is another’s, none, or too large is not shown', async () => {
  await stand.declare()
  const bodies: (readonly [string, string | Buffer])[] = [
    ['other', '{"name":"tool","versions":{}}'],
    ['text', 'hello'],
    ['packed', Buffer.from('no gzip')],
  ]
  for (const [name, body] of bodies) {
    upstream.before = (_request, response) => {
      response.writeHead(200, name === 'packed' ? { 'content-encoding': 'gzip' } : {})
      response.end(body)
      return true
    }
    assert.equal((await npm.ask(name)).status, 502, name)
  }
  upstream.before = (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' })
    const piece = Buffer.alloc(1 << 20, ' ')
    const more = () => {
      while (!response.destroyed && response.write(piece));
      if (!response.destroyed) response.once('drain', more)
    }
    more()
    return true
  }
  assert.equal((await npm.ask('endless')).status, 502)
  assert.deepEqual(await npm.faces.db.queries.selectFrom('package').select('name').execute(), [])
})

test('versions that are too young are left out, tarballs too', async () => {
  const at = (days: number) => new Date(Date.now() - days * day)
  upstream.publish('tool', '1.0.0', { bytes, publishedAt: at(10) })
  upstream.publish('tool', '1.1.0', { bytes, publishedAt: at(2) })
  await stand.declare({ minAgeS: (3 * day) / 1000, freshS: 300 })
  for (const headers of [accept, {}]) {
    const document = await npm.json('tool', { headers })
    assert.deepEqual([Object.keys(document.versions), document['dist-tags']], [['1.0.0'], { latest: '1.0.0' }])
  }
  assert.equal((await npm.ask('tool/-/tool-1.1.0.tgz')).status, 404)
  assert.equal((await npm.ask('tool/1.1.0')).status, 404)
  assert.ok((await npm.ask('tool/-/tool-1.0.0.tgz')).bytes.equals(bytes))
  upstream.publish('young', '1.0.0', { bytes, publishedAt: at(1) })
  assert.equal((await npm.ask('young', { headers: accept })).status, 404)
})

test('credentials go to the upstream alone, also where its tarballs lie or lead elsewhere', async () => {
  const cdn = await new FakeNpmRegistry().listen()
  try {
    const authorization = 'Bearer npm_secret'
    upstream.authorization = authorization
    for (const name of ['moved', 'elsewhere']) cdn.publish(name, '1.0.0', { bytes })
    upstream.publish('own', '1.0.0', { bytes })
    upstream.publish('moved', '1.0.0', { bytes })
    upstream.publish('elsewhere', '1.0.0', {
      bytes,
      dist: { tarball: `${cdn.origin.replace('127.0.0.1', '127.0.0.2')}/elsewhere/-/elsewhere-1.0.0.tgz` },
    })
    upstream.before = (_request, response, url) => {
      if (url.pathname !== '/moved/-/moved-1.0.0.tgz') return false
      upstream.end(response, 302, { location: `${cdn.origin}${url.pathname}` })
      return true
    }
    await stand.declare({ credentials: { username: '_authToken', password: 'npm_secret' } })
    assert.ok((await npm.ask('own/-/own-1.0.0.tgz')).bytes.equals(bytes))
    assert.ok((await npm.ask('moved/-/moved-1.0.0.tgz')).bytes.equals(bytes))
    assert.equal((await npm.ask('elsewhere/-/elsewhere-1.0.0.tgz')).status, 503) // nobody listens at that address: and no other name suffers
    assert.equal((await npm.ask('own')).status, 200)
    assert.ok(upstream.seen.every(({ headers }) => headers.authorization === authorization))
    assert.ok(cdn.seen.length > 0 && cdn.seen.every(({ headers }) => headers.authorization === undefined))
  } finally {
    await cdn.close()
  }
})

test('what is published here, or claimed, never comes from an upstream', async () => {
  for (const name of ['mine', '@acme/tool', '@acme/other', 'theirs']) upstream.publish(name, '9.9.9', { bytes })
  await npm.publish({ name: 'mine', version: '1.0.0' })
  await stand.declare()
  assert.deepEqual(Object.keys((await npm.json('mine')).versions), ['1.0.0'])
  assert.equal((await npm.ask('mine/-/mine-9.9.9.tgz')).status, 404)
  assert.equal((await npm.ask('olive/@acme/tool')).status, 200)
  await npm.ask('olive/@acme/tool/-/tool-9.9.9.tgz')
  await stand.stored(2)
  const olive = (await findAccount(npm.faces.db.queries, 'olive')) ?? assert.fail()
  await claimPlace(npm.faces.db, npmUpstreams, olive, '@acme', operator)
  upstream.seen.length = 0
  for (const path of ['olive/@acme/tool', 'olive/@acme/other', 'olive/@acme/tool/-/tool-9.9.9.tgz']) {
    assert.equal((await npm.ask(path, { as: npm.olive })).status, 404, path)
  }
  assert.equal((await npm.ask('theirs')).status, 200)
  assert.equal(upstream.count(/@acme|mine/), 0)
})

test('a name that differs in case is another package', async () => {
  upstream.publish('JSONStream', '1.0.0', { bytes })
  upstream.publish('jsonstream', '2.0.0', { bytes })
  await stand.declare()
  assert.deepEqual(Object.keys((await npm.json('JSONStream')).versions), ['1.0.0'])
  assert.equal((await npm.ask('jsonstream')).status, 404)
})

test('who may not read what comes from an upstream causes no fetch', async () => {
  upstream.publish('tool', '1.0.0', { bytes })
  await stand.declare({ visibility: 'private' })
  for (const path of ['olive/tool', 'olive/tool/-/tool-1.0.0.tgz']) {
    assert.equal((await npm.ask(path)).status, 401)
    assert.equal((await npm.ask(path, { as: npm.sam })).status, 404)
  }
  assert.equal(upstream.seen.length, 0)
  assert.equal((await npm.ask('olive/tool', { as: npm.olive })).status, 200)
})

test('downloads are counted, also of what came while it was downloaded', async () => {
  upstream.publish('tool', '1.0.0', { bytes })
  await stand.declare()
  await npm.ask('tool/-/tool-1.0.0.tgz')
  await stand.stored(1)
  await npm.ask('tool/-/tool-1.0.0.tgz')
  await until('both are noted', async () => {
    const [row] = await npm.faces.db.queries.selectFrom('package_version').select(['download_count', 'published_by']).execute()
    return row?.download_count === 2 && row.published_by === upstream.origin
  })
})
