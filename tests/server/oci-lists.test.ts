// Lists over the registry's protocol: tags, referrers, images; in pages, and of what the caller may see.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { changePackage, findPackage, operator } from '../../src/access/index.ts'
import { descriptorOf, type Descriptor, digestText, imageOf, indexOf, ociIndex, ociManifest, TestRegistry } from '../support/registry.ts'

let registry: TestRegistry
before(async () => {
  registry = await TestRegistry.open()
})
after(async () => await registry?.close())

/** Every page, as its Link leads to the next. */
async function pages(path: string): Promise<readonly unknown[][]> {
  const found: unknown[][] = []
  for (let next: string | undefined = path; next !== undefined; ) {
    const answer = await registry.ask('GET', next)
    assert.equal(answer.status, 200)
    found.push(answer.json.tags ?? answer.json.manifests ?? answer.json.repositories)
    next = /^<(\/v2\/[^>]+)>; rel="next"$/.exec(answer.headers.get('link') ?? '')?.[1]
  }
  return found
}

test('tags: in the order of their bytes, n at a time, behind last', async () => {
  const { digest } = await registry.pushImage('olive/tags', 'b')
  const names = ['B', 'a', 'a-1', 'a.1', 'a10', 'a2', '_x', 'b', '1']
  const text = (await registry.ask('GET', `olive/tags/manifests/b`)).bytes.toString()
  await registry.putManifest('olive/tags', `${digest}?${names.map((tag) => `tag=${tag}`).join('&')}`, text)
  const sorted = names.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  const whole = await registry.ask('GET', 'olive/tags/tags/list')
  assert.deepEqual(whole.json, { name: 'olive/tags', tags: sorted })
  assert.equal(whole.headers.get('link'), null)
  assert.deepEqual(await pages('olive/tags/tags/list?n=4'), [sorted.slice(0, 4), sorted.slice(4, 8), sorted.slice(8)])
  const none = await registry.ask('GET', 'olive/tags/tags/list?n=0')
  assert.deepEqual([none.json.tags, none.headers.get('link')], [[], null])
  assert.deepEqual((await registry.ask('GET', 'olive/tags/tags/list?last=a-1')).json.tags, sorted.slice(sorted.indexOf('a-1') + 1))
  assert.deepEqual((await registry.ask('GET', 'olive/tags/tags/list?last=a0')).json.tags, sorted.slice(sorted.indexOf('a10')))
  assert.deepEqual((await registry.ask('GET', 'olive/tags/tags/list?n=9')).headers.get('link'), null)
  for (const n of ['-1', 'x', '1.5'])
    assert.equal((await registry.ask('GET', `olive/tags/tags/list?n=${n}`)).code, 'PAGINATION_NUMBER_INVALID')
  assert.deepEqual(
    [(await registry.ask('GET', 'olive/none/tags/list')).status, (await registry.ask('GET', 'olive/none/tags/list')).code],
    [404, 'NAME_UNKNOWN'],
  )
})

async function refer(name: string, subject: Descriptor, more: object = {}): Promise<Descriptor> {
  const manifest = imageOf('{}', [], { subject, ...more })
  const put = await registry.putManifest(name, digestText(JSON.stringify(manifest)), manifest)
  assert.equal(put.status, 201)
  assert.equal(put.headers.get('oci-subject'), subject.digest)
  return descriptorOf(JSON.stringify(manifest), ociManifest)
}

test('referrers: by subject, with their types and annotations, filtered', async () => {
  const subject = await registry.pushImage('olive/refer', 'v1')
  const signature = await refer('olive/refer', subject, { artifactType: 'application/x.signature', annotations: { key: 'value' } })
  const sbom = await refer('olive/refer', subject, { artifactType: 'application/x.sbom' })
  const plain = await refer('olive/refer', subject)
  const index = indexOf([], { subject })
  await registry.putManifest('olive/refer', digestText(JSON.stringify(index)), index)
  const listed = await registry.ask('GET', `olive/refer/referrers/${subject.digest}`)
  assert.equal(listed.headers.get('content-type'), ociIndex)
  assert.deepEqual([listed.json.schemaVersion, listed.json.mediaType], [2, ociIndex])
  assert.equal(listed.headers.get('oci-filters-applied'), null)
  const wanted = [
    { ...signature, artifactType: 'application/x.signature', annotations: { key: 'value' } },
    { ...sbom, artifactType: 'application/x.sbom' },
    { ...plain, artifactType: 'application/vnd.oci.image.config.v1+json' },
    descriptorOf(JSON.stringify(index), ociIndex),
  ]
  const inOrder = (list: readonly { digest: string }[]) => list.toSorted((a, b) => (a.digest < b.digest ? -1 : 1))
  assert.deepEqual(listed.json.manifests, inOrder(wanted))
  const filtered = await registry.ask('GET', `olive/refer/referrers/${subject.digest}?artifactType=application/x.sbom`)
  assert.deepEqual([filtered.json.manifests, filtered.headers.get('oci-filters-applied')], [[wanted[1]], 'artifactType'])
  assert.equal((await registry.ask('DELETE', `olive/refer/manifests/${sbom.digest}`)).status, 202)
  assert.equal((await registry.ask('GET', `olive/refer/referrers/${subject.digest}`)).json.manifests.length, 3)
})

test('referrers: a subject that isn’t there, an image that isn’t there or is hidden, a digest that is none', async () => {
  const missing = descriptorOf('not there', ociManifest)
  await registry.pushBlob('olive/missing', '{}')
  const one = await refer('olive/missing', missing)
  assert.equal((await registry.ask('GET', `olive/missing/referrers/${missing.digest}`)).json.manifests[0].digest, one.digest)
  const empty = { schemaVersion: 2, mediaType: ociIndex, manifests: [] }
  for (const [name, as] of [
    ['olive/missing', registry.sam],
    ['olive/none', registry.sam],
    ['olive/none', registry.olive],
    ['nobody/none', registry.olive],
  ] as const) {
    const answer = await registry.ask('GET', `${name}/referrers/${missing.digest}`, { as })
    assert.deepEqual([answer.status, answer.json], [200, empty], name)
  }
  assert.equal((await registry.ask('GET', `olive/missing/referrers/${missing.digest}`, { as: null })).status, 401)
  for (const digest of ['x', 'sha256:0', 'latest']) {
    const answer = await registry.ask('GET', `olive/missing/referrers/${digest}`)
    assert.deepEqual([answer.status, answer.code], [400, 'DIGEST_INVALID'])
  }
})

test('referrers in pages, where one manifest can’t hold them all', async () => {
  const subject = await registry.pushImage('olive/many', 'v1')
  const annotations = { large: 'x'.repeat(1_500_000) }
  const made: string[] = []
  for (let n = 0; n < 5; n++) made.push((await refer('olive/many', subject, { annotations: { ...annotations, n: String(n) } })).digest)
  for (let n = 0; n < 3; n++) made.push((await refer('olive/many', subject, { annotations: { n: `small ${n}` } })).digest)
  const found = await pages(`olive/many/referrers/${subject.digest}`)
  assert.ok(found.length >= 3, `${found.length} pages`)
  for (const page of found) assert.ok(Buffer.byteLength(JSON.stringify(page)) < 4 * 2 ** 20)
  assert.deepEqual(
    found.flat().map((one) => (one as Descriptor).digest),
    made.toSorted(),
  )
})

test('referrers that clients of old keep in an index under a tag are in the list', async () => {
  const subject = await registry.pushImage('olive/old', 'v1')
  const one = await refer('olive/old', subject, { artifactType: 'application/x.sbom' })
  const index = indexOf([one])
  assert.equal((await registry.putManifest('olive/old', subject.digest.replace(':', '-'), index)).status, 201)
  const listed = await registry.ask('GET', `olive/old/referrers/${subject.digest}`)
  assert.deepEqual(
    listed.json.manifests.map(({ digest }: Descriptor) => digest),
    [one.digest],
  )
})

test('_catalog: what the caller sees, in pages', async () => {
  for (const name of ['catalog/a', 'catalog/b', 'catalog/c']) await registry.pushImage(`olive/${name}`, 'v1')
  const one = await findPackage(registry.faces.db.queries, { format: 'oci', owner: 'olive', name: 'catalog/b' })
  assert.ok(one)
  await changePackage(registry.faces.db, one.id, { visibility: 'public' }, operator)
  const mine = (await registry.ask('GET', '_catalog')).json.repositories as string[]
  assert.deepEqual(
    mine.filter((name) => name.includes('catalog')),
    ['olive/catalog/a', 'olive/catalog/b', 'olive/catalog/c'],
  )
  assert.deepEqual(mine, mine.toSorted())
  const { json } = await registry.ask('GET', '_catalog', { as: registry.sam })
  assert.deepEqual(json, { repositories: ['olive/catalog/b'] })
  // nobody is told to sign in: oras sends credentials only when it is asked for them, and would never be shown what is its user's
  assert.equal((await registry.ask('GET', '_catalog', { as: null })).status, 401)
  assert.deepEqual((await pages('_catalog?n=2')).flat(), mine)
  assert.deepEqual((await registry.ask('GET', '_catalog?n=0')).json, { repositories: [] })
})
