// What clients read of the npm registry: documents in every form and coding, with what caches need to know; versions; tarballs.
import assert from 'node:assert/strict'
import { createHash, createPublicKey, createVerify, randomBytes } from 'node:crypto'
import { after, before, test } from 'node:test'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { sql } from '../../src/db/index.ts'
import { abbreviated, type NpmAnswer, NpmFaces } from '../support/npm-faces.ts'
import { until } from '../support/until.ts'

let npm: NpmFaces
before(async () => (npm = await NpmFaces.open()))
after(async () => await npm?.close())

const sum = (algorithm: string, text: string, encoding: 'hex' | 'base64') => createHash(algorithm).update(text).digest(encoding)

test('a full document has every version as it was published, and what is ours to say of it', async () => {
  const manifest = { description: 'first', license: 'MIT', dependencies: { x: '^1' }, main: 'a.js', custom: { of: ['ours', 1] } }
  await npm.publish({
    name: 'full',
    version: '1.0.0',
    manifest: { ...manifest, description: 'old' },
    deprecated: 'use 2',
    readme: '# Full',
  })
  await npm.publish({ name: 'full', version: '1.1.0-beta.1', tags: ['beta'] })
  await npm.publish({ name: 'full', version: '2.0.0', manifest })
  const got = await npm.json('olive/full')
  assert.deepEqual(Object.keys(got.versions), ['1.0.0', '1.1.0-beta.1', '2.0.0'])
  assert.deepEqual(got['dist-tags'], { beta: '1.1.0-beta.1', latest: '2.0.0' })
  assert.deepEqual([got._id, got.name, got.description, got.license, got.readme], ['full', 'full', 'first', 'MIT', '# Full'])
  assert.match(got._rev, /^3-\d+$/)
  assert.deepEqual(Object.keys(got.time), ['created', 'modified', '1.0.0', '1.1.0-beta.1', '2.0.0'])
  assert.deepEqual(got.maintainers, [{ name: 'olive', email: '' }])
  const { dist, ...version } = got.versions['1.0.0']
  assert.deepEqual(version, { name: 'full', version: '1.0.0', ...manifest, description: 'old', _id: 'full@1.0.0', deprecated: 'use 2' })
  const { signatures, ...sums } = dist
  const text = 'tarball of full@1.0.0'
  assert.deepEqual(sums, {
    integrity: `sha512-${sum('sha512', text, 'base64')}`,
    shasum: sum('sha1', text, 'hex'),
    tarball: `${npm.url}/npm/olive/full/-/full-1.0.0.tgz`,
    fileCount: 3,
    unpackedSize: 1000,
  })
  assert.equal(signatures.length, 1)
})

test('an abbreviated document has what installing needs, and nothing more', async () => {
  const needed = {
    dependencies: { a: '1' },
    optionalDependencies: { b: '1' },
    devDependencies: { c: '1' },
    bundleDependencies: ['a'],
    peerDependencies: { d: '1' },
    peerDependenciesMeta: { d: { optional: true } },
    bin: { x: 'x.js' },
    directories: {},
    engines: { node: '>=20' },
    os: ['linux'],
    cpu: ['x64'],
    libc: ['musl'],
    funding: 'https://example.org',
    _hasShrinkwrap: false,
  }
  const more = { description: 'long', scripts: { install: 'make' }, main: 'a.js' }
  await npm.publish({ name: 'short', version: '1.0.0', manifest: { ...more, ...needed }, hasInstallScript: true })
  await npm.publish({ name: 'short', version: '1.0.1', deprecated: 'no' })
  const answer = await npm.ask('olive/short', { headers: { accept: abbreviated } })
  assert.equal(answer.headers['content-type'], 'application/vnd.npm.install-v1+json')
  const got = JSON.parse(answer.bytes.toString()) as { versions: Record<string, Record<string, unknown>> }
  assert.deepEqual(Object.keys(got).sort(), ['dist-tags', 'modified', 'name', 'versions'])
  const { dist, ...version } = got.versions['1.0.0'] ?? {}
  assert.deepEqual(version, { name: 'short', version: '1.0.0', hasInstallScript: true, ...needed })
  assert.deepEqual(Object.keys(got.versions['1.0.1'] ?? {}), ['name', 'version', 'deprecated', 'dist'])
  assert.deepEqual(dist, (await npm.json('olive/short')).versions['1.0.0'].dist)
  const rather = await npm.ask('olive/short', { headers: { accept: 'application/vnd.npm.install-v1+json;q=0.5, application/json' } })
  assert.equal(rather.headers['content-type'], 'application/json')
})

test('a missing Vary: every answer tells caches what it depends on (Verdaccio 6.8 leaves Accept out)', async () => {
  await npm.publish({ name: 'vary', version: '1.0.0' })
  for (const accept of [abbreviated, 'application/json', '*/*']) {
    for (const coding of ['gzip', 'br', 'identity']) {
      const headers = { accept, 'accept-encoding': coding }
      const got = await npm.ask('olive/vary', { headers })
      assert.equal(got.headers['vary'], 'Accept, Accept-Encoding')
      const same = await npm.ask('olive/vary', { headers: { ...headers, 'if-none-match': String(got.headers['etag']) } })
      assert.deepEqual([same.status, same.headers['vary'], same.headers['etag']], [304, 'Accept, Accept-Encoding', got.headers['etag']])
    }
  }
  const version = await npm.ask('olive/vary/1.0.0')
  assert.equal(version.headers['vary'], 'Accept-Encoding')
})

test('each coding of each form has its own strong tag, and gives the same document', async () => {
  await npm.publish({ name: 'coded', version: '1.0.0', manifest: { description: 'words '.repeat(500) } })
  const tags = new Set<string>()
  for (const accept of [abbreviated, '*/*']) {
    const texts = new Set<string>()
    for (const [coding, unpack] of [
      ['identity', (bytes: Buffer) => bytes],
      ['gzip', gunzipSync],
      ['br', brotliDecompressSync],
    ] as const) {
      const headers = { accept, 'accept-encoding': coding }
      const got = await npm.ask('olive/coded', { headers })
      assert.equal(got.headers['content-encoding'], coding === 'identity' ? undefined : coding)
      assert.equal(got.headers['content-length'], String(got.bytes.length))
      texts.add(unpack(got.bytes).toString())
      const etag = String(got.headers['etag'])
      assert.match(etag, /^"[\w-]{27}"$/)
      tags.add(etag)
      const head = await npm.ask('olive/coded', { method: 'HEAD', headers })
      assert.deepEqual([head.status, head.bytes.length, head.headers['content-length']], [200, 0, got.headers['content-length']])
      const weak = await npm.ask('olive/coded', { headers: { ...headers, 'if-none-match': `"x", W/${etag}` } })
      assert.deepEqual([weak.status, weak.bytes.length], [304, 0])
    }
    assert.equal(texts.size, 1)
  }
  assert.equal(tags.size, 6)
})

test('what is published is in the next document; until then it is the same one', async () => {
  await npm.publish({ name: 'moving', version: '1.0.0' })
  const first = await npm.ask('olive/moving')
  assert.equal((await npm.ask('olive/moving')).headers['etag'], first.headers['etag'])
  await npm.publish({ name: 'moving', version: '1.0.1' })
  const second = await npm.ask('olive/moving', { headers: { 'if-none-match': String(first.headers['etag']) } })
  assert.equal(second.status, 200)
  assert.deepEqual(Object.keys(JSON.parse(second.bytes.toString()).versions), ['1.0.0', '1.0.1'])
})

test('a document of a thousand versions comes whole, however many ask at once', async () => {
  const one = await npm.publish({ name: 'many', version: '0.0.0', manifest: { description: 'x'.repeat(3000) } })
  await fillVersions(one.id, 1000)
  const answers = await Promise.all(Array.from({ length: 10 }, () => npm.ask('olive/many', { headers: { 'accept-encoding': 'gzip' } })))
  assert.equal(new Set(answers.map(({ headers }) => headers['etag'])).size, 1)
  const got = JSON.parse(gunzipSync((answers[0] as NpmAnswer).bytes).toString()) as {
    versions: Record<string, { dist: { signatures: unknown[] } }>
  }
  assert.equal(Object.keys(got.versions).length, 1001)
  assert.ok(Object.values(got.versions).every(({ dist }) => dist.signatures.length === 1))
})

test('names that are no names for JavaScript are data', async () => {
  const manifest = '{"name":"polluted","version":"1.0.0","__proto__":{"x":1},"dependencies":{"__proto__":"1","constructor":"2"}}'
  await npm.publish({ name: 'polluted', version: '1.0.0', manifest, tags: ['latest', '__proto__', 'constructor'] })
  for (const accept of [abbreviated, '*/*']) {
    const text = (await npm.ask('olive/polluted', { headers: { accept } })).bytes.toString()
    assert.ok(text.includes('"dependencies":{"__proto__":"1","constructor":"2"}'))
    assert.ok(text.includes('"dist-tags":{"__proto__":"1.0.0","constructor":"1.0.0","latest":"1.0.0"}'))
    assert.equal(text.includes('"__proto__":{"x":1}'), accept === '*/*')
  }
  assert.equal(({} as { x?: number }).x, undefined)
})

test('a version by itself, by number and by tag', async () => {
  await npm.publish({ name: 'alone', version: '1.0.0', tags: ['latest', 'old'] })
  await npm.publish({ name: 'alone', version: '2.0.0-rc.1', tags: ['next'] })
  for (const [path, version] of [
    ['1.0.0', '1.0.0'],
    ['old', '1.0.0'],
    ['latest', '1.0.0'],
    ['next', '2.0.0-rc.1'],
    ['2.0.0-rc.1', '2.0.0-rc.1'],
  ]) {
    const got = await npm.json(`olive/alone/${path}`)
    assert.deepEqual([got._id, got.dist.tarball], [`alone@${version}`, `${npm.url}/npm/olive/alone/-/alone-${version}.tgz`])
  }
  const none = await npm.ask('olive/alone/9.9.9')
  assert.deepEqual([none.status, JSON.parse(none.bytes.toString()).error], [404, 'version not found: 9.9.9'])
})

test('in the root registry tarballs are the root’s, of the root’s owner and of scopes', async () => {
  await npm.publish({ name: 'rooted', version: '1.0.0' })
  await npm.publish({ name: '@sam/scoped', owner: 'sam', version: '1.0.0', tarball: 'scoped' })
  const [plain, scoped] = [await npm.json('rooted'), await npm.json('@sam%2fscoped')]
  assert.equal(plain.versions['1.0.0'].dist.tarball, `${npm.url}/npm/rooted/-/rooted-1.0.0.tgz`)
  const { tarball } = scoped.versions['1.0.0'].dist
  assert.equal(tarball, `${npm.url}/npm/@sam/scoped/-/scoped-1.0.0.tgz`)
  assert.equal(await (await fetch(tarball)).text(), 'scoped')
})

test('tarballs: whole, in ranges, by their tag; for ever', async () => {
  const large = randomBytes(300_000)
  await npm.publish({ name: 'files', version: '1.0.0', tarball: 'small tarball' })
  await npm.publish({ name: 'files', version: '1.1.0', tarball: large })
  for (const [version, bytes] of [
    ['1.0.0', Buffer.from('small tarball')],
    ['1.1.0', large],
  ] as const) {
    const path = `olive/files/-/files-${version}.tgz`
    const whole = await npm.ask(path)
    assert.ok(whole.bytes.equals(bytes))
    const etag = String(whole.headers['etag'])
    assert.equal(whole.headers['cache-control'], 'public, max-age=31536000, immutable')
    assert.equal(whole.headers['content-type'], 'application/octet-stream')
    const head = await npm.ask(path, { method: 'HEAD' })
    assert.deepEqual([head.status, head.headers['content-length'], head.bytes.length], [200, String(bytes.length), 0])
    assert.equal((await npm.ask(path, { headers: { 'if-none-match': etag } })).status, 304)
    const part = await npm.ask(path, { headers: { range: 'bytes=6-', 'if-range': etag } })
    assert.deepEqual([part.status, part.headers['content-range']], [206, `bytes 6-${bytes.length - 1}/${bytes.length}`])
    assert.ok(part.bytes.equals(bytes.subarray(6)))
    assert.equal((await npm.ask(path, { headers: { range: 'bytes=6-', 'if-range': '"other"' } })).status, 200)
    const none = await npm.ask(path, { headers: { range: `bytes=${bytes.length}-` } })
    assert.deepEqual([none.status, none.headers['content-range']], [416, `bytes */${bytes.length}`])
  }
  assert.equal((await npm.ask('olive/files/-/files-3.0.0.tgz')).status, 404)
})

test('what is private is as what is missing, and no shared cache keeps it', async () => {
  await npm.publish({ name: 'secret', version: '1.0.0', visibility: 'private' })
  const paths = ['olive/secret', 'olive/secret/1.0.0', 'olive/secret/latest', 'olive/secret/-/secret-1.0.0.tgz']
  for (const path of paths) {
    for (const as of [undefined, npm.sam]) {
      const [hidden, missing] = [await npm.ask(path, { as }), await npm.ask(path.replaceAll('secret', 'nothing'), { as })]
      assert.deepEqual([hidden.status, hidden.bytes.toString()], [missing.status, missing.bytes.toString()])
      assert.ok(hidden.status === 401 || hidden.status === 404)
    }
    const own = await npm.ask(path, { as: npm.olive })
    assert.equal(own.status, 200)
    assert.match(String(own.headers['cache-control']), /^private, /)
    // npm writes the headers that Vary names into its cache: the token must not be among them
    assert.doesNotMatch(String(own.headers['vary'] ?? ''), /authorization/i)
  }
})

test('signatures are good, by the keys that the registry gives', async () => {
  await npm.publish({ name: '@olive/signed', version: '1.0.0' })
  const { keys } = await npm.json('-/npm/v1/keys')
  assert.deepEqual((await npm.json('olive/-/npm/v1/keys')).keys, keys)
  assert.deepEqual([keys.length, keys[0].keytype, keys[0].expires], [1, 'ecdsa-sha2-nistp256', null])
  const { dist } = (await npm.json('@olive/signed')).versions['1.0.0']
  const [{ keyid, sig }] = dist.signatures
  assert.equal(keyid, keys[0].keyid)
  assert.equal(keyid, `SHA256:${createHash('sha256').update(Buffer.from(keys[0].key, 'base64')).digest('base64')}`)
  const key = createPublicKey({ key: Buffer.from(keys[0].key, 'base64'), format: 'der', type: 'spki' })
  const isGood = (text: string) => createVerify('SHA256').update(text).verify(key, sig, 'base64')
  assert.ok(isGood(`@olive/signed@1.0.0:${dist.integrity}`))
  assert.ok(!isGood(`@olive/signed@1.0.1:${dist.integrity}`))
})

test('downloads are counted by version and day, of whole tarballs alone', async () => {
  const one = await npm.publish({ name: 'counted', version: '1.0.0' })
  const path = 'olive/counted/-/counted-1.0.0.tgz'
  const { headers } = await npm.ask(path)
  await npm.ask(path, { method: 'HEAD' })
  await npm.ask(path, { headers: { range: 'bytes=3-' } })
  await npm.ask(path, { headers: { 'if-none-match': String(headers['etag']) } })
  await npm.ask(path)
  const days = () =>
    npm.faces.db.queries
      .selectFrom('package_download_day')
      .innerJoin('package_version', 'package_version.id', 'package_download_day.version_id')
      .where('package_version.package_id', '=', one.id)
      .select('package_download_day.count')
      .execute()
  await until('downloads are written', async () => (await days()).length > 0) // every ten seconds
  assert.deepEqual(await days(), [{ count: 2 }])

  const point = await npm.json('olive/-/downloads/point/last-week/counted')
  assert.deepEqual([point.downloads, point.package], [2, 'counted'])
  const range = await npm.json('-/downloads/range/last-week/counted')
  assert.deepEqual([range.start, range.end, range.downloads.length], [point.start, point.end, 7])
  assert.equal(
    (range.downloads as { downloads: number }[]).reduce((sum, { downloads }) => sum + downloads, 0),
    2,
  )
  const never = await npm.ask('-/downloads/point/never/counted')
  assert.deepEqual([never.status, JSON.parse(never.bytes.toString()).code], [400, 'bad-period'])
})

async function fillVersions(packageId: number, count: number): Promise<void> {
  await sql`
    with made as (
        insert into package_version (package_id, version, version_key, published_by)
        select ${packageId}, '1.0.' || n, '1.0.' || n, 'test' from generate_series(1, ${count}) n returning id, version),
      files as (
        insert into package_file (version_id, package_id, name, content, size_bytes, sha1, sha512)
        select made.id, ${packageId}, 'many-' || version || '.tgz', f.content, f.size_bytes, f.sha1, f.sha512
        from made, (select * from package_file where package_id = ${packageId} limit 1) f),
      told as (update npm_package set revision = revision + 1 where package_id = ${packageId})
    insert into npm_version (version_id, package_id, manifest, unpacked_bytes, file_count, has_install_script)
    select made.id, ${packageId}, replace(n.manifest, '0.0.0', version), 1, 1, false
    from made, (select * from npm_version where package_id = ${packageId} limit 1) n`.execute(npm.faces.db.queries)
}

test('attestations: their bundles, where documents say that they are', async () => {
  const one = await npm.publish({ name: '@olive/attested', version: '1.0.0' })
  const predicateType = 'https://slsa.dev/provenance/v1'
  const bundle = { mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json', dsseEnvelope: { payload: 'e30=' } }
  await sql`insert into npm_attestation (version_id, predicate_type, bundle, verified)
    select id, ${predicateType}, ${JSON.stringify(bundle)}, 'structure' from package_version where package_id = ${one.id}`.execute(
    npm.faces.db.queries,
  )
  const { attestations } = (await npm.json('@olive/attested/1.0.0')).dist
  assert.deepEqual(attestations.provenance, { predicateType })
  assert.equal(attestations.url, `${npm.url}/npm/-/npm/v1/attestations/@olive%2fattested@1.0.0`)
  const path = attestations.url.slice(`${npm.url}/npm/`.length)
  assert.deepEqual(await npm.json(path), { attestations: [{ predicateType, bundle }] })
  assert.deepEqual(await npm.json(`olive/${path}`), { attestations: [{ predicateType, bundle }] })
  for (const other of ['@olive%2fattested@1.0.1', '@olive%2fattested', '@olive%2fnothing@1.0.0', 'x@@', '%2f@1.0.0'])
    assert.equal((await npm.ask(`-/npm/v1/attestations/${other}`, { as: npm.olive })).status, 404)
})
