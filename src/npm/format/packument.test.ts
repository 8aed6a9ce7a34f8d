// Documents as text: valid JSON of whatever stands in rows.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CorruptError } from '../../base/index.ts'
import type { PackumentForm } from './accept.ts'
import { fullVersion, type PackumentFacts, packumentText, type PublishedVersion } from './packument.ts'

const at = new Date('2026-11-27T20:00:00Z')
const base = 'https://npm.example.org/npm/acme'
const facts: PackumentFacts = {
  name: '@acme/a',
  rev: '3-7',
  createdAt: at,
  modifiedAt: at,
  maintainers: ['acme'],
  readme: null,
  readmeFilename: null,
  tags: [{ tag: 'latest', version: '1.0.0' }],
}
const version: PublishedVersion = {
  version: '1.0.0',
  publishedAt: at,
  manifest: '{"name":"@acme/a","version":"1.0.0"}',
  deprecated: null,
  hasInstallScript: false,
  fileCount: 1,
  unpackedBytes: 2,
  file: 'a-1.0.0.tgz',
  sha1: new Uint8Array(20),
  sha512: new Uint8Array(64),
  signatures: [],
  attested: [],
}

async function text(form: PackumentForm, batches: readonly (readonly PublishedVersion[])[], more: Partial<PackumentFacts> = {}) {
  async function* all() {
    yield* batches
  }
  const pieces: string[] = []
  for await (const piece of packumentText({ ...facts, ...more }, all(), { form, base })) pieces.push(piece)
  return pieces.join('')
}

test('an abbreviated document, to the letter', async () => {
  assert.equal(
    await text('abbreviated', [[version]]),
    '{"name":"@acme/a","dist-tags":{"latest":"1.0.0"},"versions":{"1.0.0":{"name":"@acme/a","version":"1.0.0","dist":' +
      `{"integrity":"sha512-${'A'.repeat(86)}==","shasum":"${'0'.repeat(40)}","tarball":"${base}/@acme/a/-/a-1.0.0.tgz",` +
      '"fileCount":1,"unpackedSize":2,"signatures":[]}}},"modified":"2026-11-27T20:00:00.000Z"}',
  )
})

test('versions in any batches, of none to many, are one document', async () => {
  const [a, b, c] = ['1.0.0', '1.0.1', '1.0.2'].map((one) => ({ ...version, version: one })) as [
    PublishedVersion,
    PublishedVersion,
    PublishedVersion,
  ]
  for (const form of ['full', 'abbreviated'] as const) {
    const whole = await text(form, [[a, b, c]])
    assert.deepEqual(Object.keys((JSON.parse(whole) as { versions: object }).versions), ['1.0.0', '1.0.1', '1.0.2'])
    for (const batches of [
      [[a], [b], [c]],
      [[], [a, b], [], [c]],
    ])
      assert.equal(await text(form, batches), whole)
    assert.deepEqual((JSON.parse(await text(form, [])) as { versions: object }).versions, {})
  }
})

test('what the version that latest names says of itself stands at the head, too', async () => {
  const manifest = '{"description":"d","keywords":["k"],"license":"MIT","homepage":"h","bugs":{},"author":{"name":"n"},"main":"m"}'
  const got = JSON.parse(await text('full', [[{ ...version, manifest }]])) as Record<string, unknown>
  assert.deepEqual([got['description'], got['keywords'], got['license'], got['bugs'], got['main']], ['d', ['k'], 'MIT', {}, undefined])
  const none = JSON.parse(await text('full', [[{ ...version, manifest }]], { tags: [] })) as Record<string, unknown>
  assert.deepEqual([none['description'], none['dist-tags']], [undefined, {}])
})

test('attestations are named with their kind', () => {
  const attested = ['https://github.com/npm/attestation/tree/main/specs/publish/v0.1', 'https://slsa.dev/provenance/v1']
  const { dist } = JSON.parse(fullVersion('@acme/a', { ...version, attested }, base)) as { dist: { attestations: object } }
  assert.deepEqual(dist.attestations, {
    url: `${base}/-/npm/v1/attestations/@acme%2fa@1.0.0`,
    provenance: { predicateType: 'https://slsa.dev/provenance/v1' },
  })
})

test('an empty manifest, white space, and words of every kind', () => {
  for (const manifest of ['{}', ' { } ', '{\n"a": 1\n}\n']) {
    const got = JSON.parse(fullVersion('a', { ...version, manifest, deprecated: 'a "quoted"\u2028 \\ word' }, base)) as Record<
      string,
      unknown
    >
    assert.deepEqual([got['_id'], got['deprecated']], ['a@1.0.0', 'a "quoted"\u2028 \\ word'])
  }
})

test('a manifest that is none is our fault, not the client’s', async () => {
  for (const manifest of ['[]', 'null', '"x"', '']) assert.throws(() => fullVersion('a', { ...version, manifest }, base), CorruptError)
  for (const manifest of ['[]', 'null', '{', '']) await assert.rejects(text('abbreviated', [[{ ...version, manifest }]]), CorruptError)
})
