import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InputError, utf8 } from '../../base/index.ts'
import { SeededRandom, seededBytes } from '../../../tests/support/random.ts'
import { parseJsonText } from './json-text.ts'
import { parseManifest } from './manifest.ts'
import { dockerList, dockerManifest, ociArtifact, ociIndex, ociManifest } from './media-types.ts'

const limits = { bytes: 4 * 2 ** 20, parts: 100 }
const digest = (n: number) => `sha256:${n.toString(16).padStart(64, '0')}`
const part = (n: number, more: object = {}) => ({ mediaType: 'application/x', digest: digest(n), size: n, ...more })
const image = (more: object = {}) => ({ schemaVersion: 2, mediaType: ociManifest, config: part(1), layers: [part(2), part(3)], ...more })
const index = (more: object = {}) => ({ schemaVersion: 2, mediaType: ociIndex, manifests: [part(4, { mediaType: ociManifest })], ...more })
const parse = (value: unknown, type?: string) =>
  parseManifest(utf8(typeof value === 'string' ? value : JSON.stringify(value)), type, limits)

const refuses = (value: unknown, words: RegExp, type?: string) =>
  assert.throws(
    () => parse(value, type),
    (error: unknown) => error instanceof InputError && error.code.startsWith('manifest-') && words.test(error.message),
    JSON.stringify(value).slice(0, 200),
  )

test('images: config and layers in their order, subject, what referrers are listed by', () => {
  const found = parse(image({ subject: part(9), annotations: { a: 'b' }, unknown: { deep: [1] } }), `${ociManifest}; charset=utf-8`)
  assert.deepEqual(
    found.parts.map(({ kind, digest: { text }, sizeBytes }) => [kind, text, sizeBytes]),
    [
      ['config', digest(1), 1],
      ['layer', digest(2), 2],
      ['layer', digest(3), 3],
    ],
  )
  assert.equal(found.subject?.text, digest(9))
  assert.equal(found.artifactType, 'application/x') // of its config
  assert.equal(parse(image({ artifactType: 'application/y' })).artifactType, 'application/y')
  assert.deepEqual(found.annotations, { a: 'b' })
  assert.equal(found.isIndex, false)
})

test('indexes: manifests, no artifact type but their own', () => {
  const found = parse(index())
  assert.deepEqual([found.isIndex, found.parts[0]?.kind, found.artifactType], [true, 'manifest', null])
  assert.equal(parse(index({ artifactType: 'application/y' })).artifactType, 'application/y')
  for (const manifests of [[], null]) assert.deepEqual(parse(index({ manifests })).parts, [])
})

test('media types: what it says, else Content-Type, else what it has', () => {
  assert.equal(parse(image({ mediaType: undefined }), dockerManifest).mediaType, dockerManifest)
  assert.equal(parse(image({ mediaType: undefined })).mediaType, ociManifest)
  assert.equal(parse(index({ mediaType: undefined })).mediaType, ociIndex)
  assert.equal(parse({ hello: 'world' }, 'application/vnd.example+json').mediaType, 'application/vnd.example+json')
  assert.equal(parse({ mediaType: ociArtifact, blobs: [part(5)] }).parts[0]?.kind, 'layer')
  assert.equal(parse(index({ mediaType: dockerList }), dockerList).isIndex, true)
  for (const type of [undefined, 'text/plain;charset=UTF-8', 'application/json', 'no type'])
    refuses({ hello: 'world' }, /says what it is/, type)
  assert.equal(parse(image({ mediaType: undefined }), 'application/octet-stream').mediaType, ociManifest)
  refuses(image(), /Content-Type says/, dockerManifest)
  refuses(image({ mediaType: ociIndex }), /an index has no/)
  refuses({ schemaVersion: 1, fsLayers: [] }, /schema 1/, 'application/vnd.docker.distribution.manifest.v1+prettyjws')
  refuses({ schemaVersion: 1 }, /schemaVersion/, dockerManifest)
})

test('CVE-2021-41190: a manifest that is a list as well is refused, whatever it is called', () => {
  for (const mediaType of [ociManifest, ociIndex, dockerManifest, dockerList, 'application/vnd.example+json']) {
    refuses({ schemaVersion: 2, mediaType, layers: [part(1)], manifests: [part(2)] }, /both|no layers|no manifests/)
    refuses({ schemaVersion: 2, mediaType, config: part(1), manifests: [part(2)] }, /both|no config|no manifests/)
  }
  refuses(index({ mediaType: ociManifest }), /no manifests/)
  refuses(image({ manifests: [] }), /both manifests and/)
  assert.equal(parse(index({ manifests: [] })).isIndex, true)
  assert.equal(parse(image({ manifests: null })).isIndex, false)
})

test('what clients could read in two ways is refused: keys twice, keys in another case of letters', () => {
  refuses(`{"mediaType":"${ociManifest}","layers":[],"layers":[]}`, /twice/)
  refuses(`{"mediaType":"${ociManifest}","layers":[],"\\u006cayers":[]}`, /twice/)
  refuses(`{"mediaType":"${ociManifest}","a":{"b":1,"c":[{"b":1,"b":2}]}}`, /twice/)
  for (const key of ['Manifests', 'LAYERS', 'layer\u017f', 'mediatype', 'confiG']) refuses({ ...image(), [key]: [] }, /spells/)
  refuses(image({ config: { ...part(1), Digest: digest(2) } }), /spells/)
  assert.equal(parse(image({ annotations: { a: '1', A: '2' } })).annotations?.['A'], '2')
})

test('descriptors: a digest that is taken, a size; foreign layers are marked', () => {
  assert.equal(parse(image({ layers: [part(2, { urls: ['https://a.example/'] })] })).parts[1]?.isForeign, true)
  assert.equal(parse(image({ layers: [part(2, { urls: [] })] })).parts[1]?.isForeign, false)
  for (const wrong of [
    { digest: 'md5:0' },
    { digest: 5 },
    { size: -1 },
    { size: 1.5 },
    { size: '1' },
    { size: 2 ** 60 },
    { urls: 'x' },
    { urls: [1] },
    { mediaType: 1 },
  ])
    refuses(image({ layers: [part(2, wrong)] }), /layers\[0\]|digest|mediaType|digits/)
  for (const layers of [{}, 'x', 5]) refuses(image({ layers }), /list/)
  for (const config of ['x', 5, [part(1)]]) refuses(image({ config }), /descriptor/)
  refuses(image({ subject: 'x' }), /descriptor/)
  refuses(image({ annotations: { a: 1 } }), /annotation/)
  refuses(image({ annotations: { a: 'x\0' } }), /annotation/)
  refuses('{"mediaType":"application/x","annotations":{"a":"\\ud800"}}', /annotation/)
  refuses(image({ artifactType: 'x\0y' }), /artifactType/)
})

test('a size is written in digits: Go reads no other into an integer', () => {
  const written = (size: string) => JSON.stringify(image({ layers: [part(7777)] })).replace('"size":7777', `"size": ${size}`)
  assert.equal(parse(written('5')).parts[1]?.sizeBytes, 5)
  for (const size of ['5e0', '1e3', '1E3', '5.0', '50e-1']) refuses(written(size), /written in digits/)
  assert.equal(parse(image({ annotations: { size: '1e3' } })).annotations?.['size'], '1e3')
})

test('sizes that add up to more than a number holds exactly are refused, a part alone may have as much', () => {
  const [most, foreign] = [Number.MAX_SAFE_INTEGER, { urls: ['https://a.example/'] }]
  const sizes = (...all: number[]) => image({ config: part(0), layers: all.map((size, n) => part(n + 1, { ...foreign, size })) })
  assert.equal(parse(sizes(most)).parts.length, 2)
  assert.equal(parse(sizes(most - 1, 1)).parts.length, 3)
  for (const one of [sizes(most, 1), sizes(1, most), sizes(most, most), sizes(...Array.from({ length: 50 }, () => most))])
    refuses(one, /sizes add up/)
})

test('bombs: size, number of parts, depth, number of values, each refused by its limit', () => {
  refuses(`${' '.repeat(limits.bytes)}{}`, /at most/)
  refuses(image({ layers: Array.from({ length: 101 }, (_, n) => part(n)) }), /more than 100/)
  refuses(`${'['.repeat(100_000)}${']'.repeat(100_000)}`, /nested/)
  refuses('{"a":'.repeat(50_000), /nested/)
  refuses(`{"a":[${'0,'.repeat(1_000_000)}0]}`, /commas/)
  refuses(`{${Array.from({ length: 300_000 }, (_, n) => `"${n}":0`).join()}}`, /commas/)
  refuses(`{"a":"${'\\'.repeat(200_001)}`, /JSON/)
  refuses('\ufeff{}', /JSON/)
  refuses('', /JSON/)
  refuses('[]', /object/)
  assert.throws(() => parseManifest(Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d), undefined, limits), /UTF-8/)
})

test('noise, and manifests with bytes changed: parsed, or an InputError', () => {
  const random = new SeededRandom(11)
  const bytes = utf8(JSON.stringify(image({ subject: part(9), annotations: { a: 'b' } })))
  for (let i = 0; i < 5000; i++) {
    const changed = Uint8Array.from(bytes)
    for (let n = random.below(4); n >= 0; n--) changed[random.below(changed.length)] = random.below(256)
    for (const input of [changed, seededBytes(i, random.below(60))]) {
      try {
        parseManifest(input, ociManifest, limits)
      } catch (error) {
        assert.ok(error instanceof InputError, String(error))
      }
    }
  }
})

test('JSON that is taken is what JSON.parse makes of it', () => {
  const random = new SeededRandom(13)
  const make = (depth: number): unknown => {
    const kind = random.below(depth > 4 ? 4 : 6)
    if (kind === 0) return random.next() * 1000
    if (kind === 1) return [null, true, false][random.below(3)]
    if (kind < 4) return ['', 'a', '"', '\\', '\\"', 'é', '[', '{"a":', '\n', '😀'][random.below(10)]
    const count = random.below(5)
    if (kind === 4) return Array.from({ length: count }, () => make(depth + 1))
    return Object.fromEntries(
      Array.from({ length: count }, (_, n) => [`${['"', '\\', 'k', ':', '}'][random.below(5)]}${n}`, make(depth + 1)]),
    )
  }
  for (let i = 0; i < 2000; i++) {
    const value = make(0)
    const text = JSON.stringify(value, null, random.below(3))
    assert.deepEqual(parseJsonText(utf8(text), { depth: 32, marks: 100_000 }), value)
  }
})
