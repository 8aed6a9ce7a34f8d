// What images hold, over the API: tags, manifests as a tree, history, files of layers and of whole images, differences, sizes, pulls; of images that were really pushed.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { sql } from '../../src/db/index.ts'
import { makeAccount, type TestAccount } from '../support/accounts.ts'
import { openFaces, type TestFaces } from '../support/faces.ts'
import { ImagePush, mediaTypes, type Pushed } from '../support/image-push.ts'
import { layerTar } from '../support/layer-tar.ts'
import { until } from '../support/until.ts'

let faces: TestFaces
let url: string
let olive: TestAccount
let sam: TestAccount
let pushing: ImagePush
before(async () => {
  faces = await openFaces({ isWhole: true })
  url = await faces.listener.listen({ host: '127.0.0.1', port: 0 })
  ;[olive, sam] = [await makeAccount(faces.db, 'olive'), await makeAccount(faces.db, 'sam')]
  pushing = new ImagePush(url, olive.token, 'olive/app')
})
after(async () => await faces?.close())

async function get(path: string, who: TestAccount = olive, image = 'olive/app', headers: Readonly<Record<string, string>> = {}) {
  const [owner = '', name = ''] = image.split('/')
  const answer = await fetch(`${url}/api/v3/images/${owner}/${encodeURIComponent(name)}${path}`, {
    headers: { authorization: `Bearer ${who.token}`, ...headers },
  })
  const bytes = Buffer.from(await answer.arrayBuffer())
  const isJson = /json/.test(answer.headers.get('content-type') ?? '')
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into whatever came
  return { status: answer.status, headers: answer.headers, bytes, body: (isJson ? JSON.parse(bytes.toString()) : null) as any }
}

const base = layerTar([
  { name: './' },
  { name: 'usr/' },
  { name: 'usr/bin/' },
  { name: 'usr/bin/tool', mode: 0o4755, content: 'tool, version 1' },
  { name: 'usr/bin/alias', type: '1', link: 'usr/bin/tool' },
  { name: 'bin', type: '2', mode: 0o777, link: 'usr/bin' },
  { name: 'etc/' },
  { name: 'etc/passwd', content: 'root:x:0:0' },
  { name: 'etc/old', content: 'goes' },
  { name: 'var/' },
  { name: 'var/cache/' },
  { name: 'var/cache/x', content: 'xx' },
])
const top = layerTar([
  { name: 'etc/' },
  { name: 'etc/.wh.old' },
  { name: 'etc/passwd', content: 'root:x:0:0\nolive:x:1:1' },
  { name: 'usr/bin/tool', mode: 0o755, content: 'tool, version 1' },
  { name: 'var/cache/' },
  { name: 'var/cache/.wh..wh..opq' },
  { name: `long/${'name/'.repeat(30)}file`, content: 'deep' },
])
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
const gitBlob = (text: string) => createHash('sha1').update(`blob ${text.length}\0${text}`).digest('hex')

describe('an image of two layers', () => {
  let old: Pushed & { readonly layers: readonly Pushed[] }
  let fresh: Pushed & { readonly layers: readonly Pushed[]; readonly config: Pushed }
  before(async () => {
    const lower = { bytes: gzipSync(base), mediaType: mediaTypes.gzip, createdBy: 'ADD base.tar /' }
    old = await pushing.image([lower], { tag: '1.0' })
    fresh = await pushing.image([lower, { bytes: zstdCompressSync(top), mediaType: mediaTypes.zstd, createdBy: 'RUN true' }], {
      tag: '2.0',
    })
  })

  test('its tags', async () => {
    const { body } = await get('/tags')
    assert.deepEqual(
      body.map((tag: { name: string; digest: string; media_type: string }) => [tag.name, tag.digest, tag.media_type]),
      [
        ['1.0', old.digest, mediaTypes.manifest],
        ['2.0', fresh.digest, mediaTypes.manifest],
      ],
    )
    const { body: tag } = await get('/tags/2.0')
    assert.equal(tag.total_bytes, fresh.size + fresh.config.size + fresh.layers.reduce((sum, { size }) => sum + size, 0))
    assert.equal((await get('/tags/3.0')).status, 404)
  })

  test('its manifest, platform, configuration and history', async () => {
    const { body: tree } = await get('/manifests/2.0')
    const [manifest] = tree.manifests
    assert.deepEqual(
      [tree.digest, tree.truncated, manifest.kind, manifest.config.digest],
      [fresh.digest, false, 'image', fresh.config.digest],
    )
    assert.deepEqual(
      manifest.layers.map(({ digest }: Pushed) => digest),
      fresh.layers.map(({ digest }) => digest),
    )
    const { body: platforms } = await get('/manifests/2.0/platforms')
    assert.deepEqual(
      platforms.map((one: { platform: { name: string } }) => one.platform.name),
      ['linux/amd64'],
    )
    const { body: history } = await get(`/manifests/${fresh.digest}/history`)
    assert.deepEqual(
      history.map((step: { created_by: string; layer: { digest: string } | null }) => [step.created_by, step.layer?.digest]),
      [
        ['ADD base.tar /', fresh.layers[0]?.digest],
        ['RUN true', fresh.layers[1]?.digest],
        ['CMD ["sh"]', undefined],
      ],
    )
    assert.equal((await get('/manifests/2.0/config')).body.architecture, 'amd64')
    assert.equal((await get('/manifests/9.9/config')).status, 404)
  })

  test('what a layer holds, and what it hides', async () => {
    const { body } = await get(`/layers/${fresh.layers[1]?.digest}/files?per_page=1000`)
    const rows = body.files.map((file: { type: string; path: string }) => `${file.type} ${file.path}`)
    assert.deepEqual(rows, [
      'directory etc',
      'whiteout etc/old',
      'file etc/passwd',
      `file long/${'name/'.repeat(30)}file`,
      'file usr/bin/tool',
      'opaque var/cache',
      'directory var/cache',
    ])
    const { body: lower } = await get(`/layers/${fresh.layers[0]?.digest}/files?below=usr/bin`)
    assert.deepEqual(
      lower.files.map(({ path, mode, size_bytes: size, link, sha256: sum, git_blob: blob }: Record<string, unknown>) => [
        path,
        mode,
        size,
        link,
        sum,
        blob,
      ]),
      [
        ['usr/bin', '0755', 0, null, null, null],
        ['usr/bin/alias', '0644', 15, 'usr/bin/tool', sha256('tool, version 1'), gitBlob('tool, version 1')],
        ['usr/bin/tool', '4755', 15, null, sha256('tool, version 1'), gitBlob('tool, version 1')],
      ],
    )
    assert.deepEqual((await get(`/layers/${fresh.layers[0]?.digest}/files?below=no/such`)).body.total, 0)
  })

  test('lists come in pages', async () => {
    const first = await get(`/layers/${fresh.layers[0]?.digest}/files?per_page=5`)
    assert.deepEqual([first.body.files.length, first.body.total], [5, 12])
    assert.match(first.headers.get('link') ?? '', /page=3>; rel="last"/)
    const last = await get(`/layers/${fresh.layers[0]?.digest}/files?per_page=5&page=3`)
    assert.deepEqual(
      last.body.files.map(({ path }: { path: string }) => path),
      ['var/cache', 'var/cache/x'],
    )
  })

  test('files of a layer and of the image, byte for byte', async () => {
    const file = await get(`/layers/${fresh.layers[0]?.digest}/file?path=usr/bin/alias`)
    assert.deepEqual([file.status, file.bytes.toString(), file.headers.get('content-length')], [200, 'tool, version 1', '15'])
    assert.equal(file.headers.get('x-content-type-options'), 'nosniff')
    assert.equal(
      (
        await get(`/layers/${fresh.layers[0]?.digest}/file?path=usr/bin/alias`, olive, 'olive/app', {
          'if-none-match': file.headers.get('etag') ?? '',
        })
      ).status,
      304,
    )
    for (const [path, text] of [
      ['etc/passwd', 'root:x:0:0\nolive:x:1:1'],
      ['bin/tool', 'tool, version 1'],
      ['/bin/../bin/alias', 'tool, version 1'],
      [`long/${'name/'.repeat(30)}file`, 'deep'],
    ] as const) {
      const found = await get(`/manifests/2.0/file?path=${encodeURIComponent(path)}`)
      assert.deepEqual([found.status, found.bytes.toString()], [200, text], path)
    }
    for (const [path, status] of [
      ['etc/old', 404],
      ['var/cache/x', 404],
      ['etc', 422],
      ['bin', 422],
      ['../../../../elsewhere/none', 404],
    ] as const) {
      assert.equal((await get(`/manifests/2.0/file?path=${encodeURIComponent(path)}`)).status, status, path)
    }
  })

  test('the file system of the image', async () => {
    const names = async (path: string, more = '') => {
      const { body } = await get(`/manifests/2.0/files?path=${path}${more}`)
      return [body.file.type, ...body.entries.map((entry: { path: string }) => entry.path)]
    }
    assert.deepEqual(await names(''), ['directory', 'bin', 'etc', 'long', 'usr', 'var'])
    assert.deepEqual(await names('etc'), ['directory', 'etc/passwd'])
    assert.deepEqual(await names('var/cache'), ['directory'])
    assert.deepEqual(await names('bin'), ['symlink'])
    assert.deepEqual(await names('bin', '&follow=true'), ['directory', 'usr/bin/alias', 'usr/bin/tool'])
    const { body } = await get('/manifests/2.0/files?path=usr/bin')
    assert.deepEqual(
      body.entries.map((entry: { mode: string; layer: string }) => [entry.mode, entry.layer]),
      [
        ['0644', fresh.layers[0]?.digest],
        ['0755', fresh.layers[1]?.digest],
      ],
    )
  })

  test('what differs between two tags', async () => {
    const { body } = await get('/compare?base=1.0&head=2.0&per_page=1000')
    assert.deepEqual(
      body.files
        .filter(({ path }: { path: string }) => !path.startsWith('long/name'))
        .map((file: { status: string; path: string; differs: string[] }) => [file.status, file.path, ...file.differs]),
      [
        ['removed', 'etc/old'],
        ['changed', 'etc/passwd', 'content'],
        ['added', 'long'],
        ['changed', 'usr/bin/tool', 'mode'],
        ['removed', 'var/cache/x'],
      ],
    )
    assert.deepEqual([body.added, body.removed, body.changed, body.grown_bytes], [32, 2, 2, 12 + 4 - 4 - 2])
    const { body: reverse } = await get(`/compare?base=${fresh.digest}&head=1.0&path=etc`)
    assert.deepEqual(
      reverse.files.map((file: { status: string; path: string }) => `${file.status} ${file.path}`),
      ['added etc/old', 'changed etc/passwd'],
    )
    assert.deepEqual((await get('/compare?base=1.0&head=1.0')).body.total, 0)
    assert.equal((await get('/compare?base=1.0&head=0.1')).status, 404)
  })

  test('its sizes: what another image has too is told to who may read that', async () => {
    const before = (await get('')).body
    assert.deepEqual([before.tags, before.versions, before.size.shared_blobs], [2, 2, 0])
    const other = new ImagePush(url, olive.token, 'olive/other')
    await other.image([{ bytes: gzipSync(base), mediaType: mediaTypes.gzip }], { tag: '1' })
    const { body } = await get('')
    assert.deepEqual(
      [body.size.shared_bytes, body.size.own_bytes],
      [fresh.layers[0]?.size, before.size.blob_bytes - (fresh.layers[0]?.size ?? 0)],
    )
    await faces.db.queries.updateTable('package').set({ visibility: 'public' }).where('name', '=', 'app').execute()
    assert.equal((await get('', sam)).body.size.shared_bytes, 0)
    await faces.db.queries.updateTable('package').set({ visibility: 'private' }).where('name', '=', 'app').execute()
    assert.equal((await get('', sam)).status, 404)
  })

  test('what is no layer is told so', async () => {
    const config = await get(`/layers/${fresh.config.digest}/files`)
    assert.deepEqual([config.status, config.body.message], [422, 'this holds no files: it is no tar archive, or it is empty'])
    for (const digest of [`sha256:${'0'.repeat(64)}`, 'sha256:x', 'x']) assert.equal((await get(`/layers/${digest}/files`)).status, 404)
  })
})

describe('an index', () => {
  let amd: Pushed
  let arm: Pushed
  let index: Pushed
  let signature: Pushed
  before(async () => {
    const image = (architecture: string) =>
      pushing.image([{ bytes: layerTar([{ name: 'arch', content: architecture }]) }], { platform: { os: 'linux', architecture } })
    ;[amd, arm] = [await image('amd64'), await image('arm64')]
    const listed = (one: Pushed, architecture: string) => ({
      mediaType: one.mediaType,
      digest: one.digest,
      size: one.size,
      platform: { os: 'linux', architecture },
    })
    index = await pushing.manifest(
      { schemaVersion: 2, mediaType: mediaTypes.index, manifests: [listed(arm, 'arm64'), listed(amd, 'amd64')] } as never,
      'multi',
    )
    const empty = await pushing.blob(Buffer.from('{}'), 'application/vnd.oci.empty.v1+json')
    const refer = (subject: Pushed, artifactType: string) => {
      const { digest, size, mediaType } = subject
      const named = { artifactType, subject: { digest, size, mediaType }, annotations: { by: 'a test' } }
      return pushing.manifest({ schemaVersion: 2, mediaType: mediaTypes.manifest, config: empty, layers: [empty], ...named } as never)
    }
    signature = await refer(index, 'application/x-signature')
    await refer(amd, 'application/x-sbom')
    await refer(signature, 'application/x-countersignature')
  })

  test('as a tree: its images with their layers, and what refers to each beside them', async () => {
    const { body } = await get('/manifests/multi')
    const known = new Map(body.manifests.map((one: { digest: string }) => [one.digest, one]))
    // oxlint-disable-next-line typescript/no-explicit-any -- a document
    const at = (digest: string) => known.get(digest) as any
    assert.equal(body.manifests[0].digest, index.digest)
    assert.deepEqual(
      at(index.digest).manifests.map((one: { digest: string; platform: { name: string } }) => [one.digest, one.platform.name]),
      [
        [arm.digest, 'linux/arm64'],
        [amd.digest, 'linux/amd64'],
      ],
    )
    assert.deepEqual(at(index.digest).referrers, [signature.digest])
    assert.equal(at(amd.digest).layers.length, 1)
    const [sbom] = at(amd.digest).referrers
    assert.deepEqual([at(sbom).artifact_type, at(sbom).kind, at(sbom).subject], ['application/x-sbom', 'artifact', amd.digest])
    assert.equal(at(signature.digest).referrers.length, 1)
    assert.equal(body.manifests.length, 6)
  })

  test('what refers to it, by type', async () => {
    const { body } = await get('/manifests/multi/referrers')
    assert.deepEqual(
      body.map((one: { digest: string; artifact_type: string; annotations: object }) => [one.digest, one.artifact_type, one.annotations]),
      [[signature.digest, 'application/x-signature', { by: 'a test' }]],
    )
    assert.deepEqual((await get('/manifests/multi/referrers?artifact_type=application/x-other')).body, [])
    assert.deepEqual((await get(`/manifests/sha256:${'1'.repeat(64)}/referrers`)).body, [])
  })

  test('of a platform’s image', async () => {
    const arch = async (query: string) => (await get(`/manifests/multi/file?path=arch${query}`)).bytes.toString()
    assert.deepEqual(
      [await arch(''), await arch('&platform=linux/arm64'), await arch('&platform=linux/amd64')],
      ['amd64', 'arm64', 'amd64'],
    )
    const missing = await get('/manifests/multi/file?path=arch&platform=windows/amd64')
    assert.deepEqual(
      [missing.status, missing.body.message],
      [404, 'Not Found: there is no image for windows/amd64; there are: linux/arm64, linux/amd64'],
    )
    const { body } = await get('/manifests/multi/platforms')
    assert.deepEqual(
      body.map((one: { platform: { name: string } }) => one.platform.name),
      ['linux/arm64', 'linux/amd64'],
    )
  })

  test('a tag is taken away, and the manifest stays', async () => {
    await pushing.image([{ bytes: layerTar([{ name: 'brief' }]) }], { tag: 'brief' })
    const { digest } = (await get('/tags/brief')).body
    const drop = async (who: TestAccount) =>
      (await fetch(`${url}/api/v3/images/olive/app/tags/brief`, { method: 'DELETE', headers: { authorization: `Bearer ${who.token}` } }))
        .status
    assert.deepEqual([await drop(sam), await drop(olive), await drop(olive)], [404, 204, 404])
    assert.deepEqual((await get(`/manifests/${digest}`)).body.manifests[0].tags, [])
  })
})

test('pulls are counted, by day', async () => {
  const counted = new ImagePush(url, olive.token, 'olive/counted')
  const { digest } = await counted.image([{ bytes: layerTar([{ name: 'a' }]) }], { tag: '1' })
  for (let pull = 0; pull < 3; pull++) await counted.pull('1')
  await until('pulls are told', async () => (await get('/pulls?days=7', olive, 'olive/counted')).body.total === 3)
  const { body } = await get('/pulls?days=7', olive, 'olive/counted')
  assert.deepEqual([body.days.length, body.days.at(-1).pulls], [7, 3])
  assert.equal((await get('/tags/1', olive, 'olive/counted')).body.pulls, 3)
  assert.equal((await get(`/pulls?reference=${digest}`, olive, 'olive/counted')).body.total, 3)
})

test('sizes that manifests say of what lies elsewhere: whatever they add up to, the image is told of', async () => {
  const { digest } = await new ImagePush(url, olive.token, 'olive/sizes').image([], { tag: 'v1' })
  await sql`
    insert into oci_manifest_part (package_id, manifest, ordinal, kind, digest, size_bytes, media_type)
    select package_id, digest, 100 + n, 'layer', sha256(n::text::bytea), 9007199254740991, 'x/y' from oci_manifest, generate_series(1, 4000) n
    where digest = ${Buffer.from(digest.slice(7), 'hex')}`.execute(faces.db.queries)
  const tags = await get('/tags', olive, 'olive/sizes')
  assert.deepEqual([tags.status, tags.body[0].total_bytes], [200, Number.MAX_SAFE_INTEGER])
  const tree = await get('/manifests/v1', olive, 'olive/sizes')
  assert.deepEqual([tree.status, tree.body.total_bytes], [200, Number.MAX_SAFE_INTEGER])
})

test('a configuration that is nested too deep is told so, by every route that reads it', async () => {
  const deep = new ImagePush(url, olive.token, 'olive/deep')
  const push = async (tag: string, text: string) => {
    const config = await deep.blob(Buffer.from(text), mediaTypes.config)
    await deep.manifest({ schemaVersion: 2, mediaType: mediaTypes.manifest, config, layers: [] } as never, tag)
  }
  await push('deep', `{"history":${'['.repeat(100_000)}${']'.repeat(100_000)}}`)
  for (const path of ['config', 'history', 'platforms']) {
    const { status, body } = await get(`/manifests/deep/${path}`, olive, 'olive/deep')
    assert.deepEqual([status, body.message], [422, 'it is nested more than 100 deep'], path)
  }
  const text = JSON.stringify(`${'['.repeat(200)}"\\`) // brackets in a text are none
  const shallow = `{"a":${'['.repeat(99)}${text}${']'.repeat(99)}}`
  await push('shallow', shallow)
  assert.deepEqual((await get('/manifests/shallow/config', olive, 'olive/deep')).body, JSON.parse(shallow))
})

test('hostile layers: nothing leads out of the image, and what can’t be read is told', async () => {
  const hostile = new ImagePush(url, olive.token, 'olive/hostile')
  const ask = (path: string) => get(path, olive, 'olive/hostile')
  const tricks = layerTar([
    { name: '../../../../etc/passwd', content: 'inside' },
    { name: '/etc/shadow', content: 'inside, too' },
    { name: 'out', type: '2', link: '../../../../../../etc' },
    { name: 'hard', type: '1', link: '../../../../etc/passwd' },
    { name: 'self', type: '1', link: 'self' },
    { name: 'loop', type: '2', link: 'loop' },
    { name: 'twice', content: 'first' },
    { name: 'twice', content: 'second' },
    { name: 'etc/.wh...' },
    { name: '__proto__', content: 'a name' },
  ])
  await hostile.image([{ bytes: tricks }], { tag: 'tricks' })
  const text = async (path: string) => (await ask(`/manifests/tricks/file?path=${encodeURIComponent(path)}`)).bytes.toString()
  assert.deepEqual(
    [await text('out/passwd'), await text('hard'), await text('etc/shadow'), await text('twice'), await text('__proto__')],
    ['inside', 'inside', 'inside, too', 'second', 'a name'],
  )
  for (const [path, status] of [
    ['loop', 404],
    ['self', 422],
  ] as const) {
    assert.equal((await ask(`/manifests/tricks/file?path=${path}`)).status, status, path)
  }
  const bad: Readonly<Record<string, Uint8Array>> = {
    bomb: gzipSync(Buffer.concat([layerTar([{ name: 'zeros', content: Buffer.alloc(200 << 20) }])])),
    'cut-off': gzipSync(base).subarray(0, 100),
    noise: gzipSync(Buffer.alloc(4096, 'noise')),
  }
  for (const [tag, bytes] of Object.entries(bad)) {
    const { layers } = await hostile.image([{ bytes, mediaType: mediaTypes.gzip }], { tag })
    const answer = await ask(`/layers/${layers[0]?.digest}/files`)
    assert.equal(answer.status, 422, `${tag}: ${answer.bytes.toString()}`)
  }
})
