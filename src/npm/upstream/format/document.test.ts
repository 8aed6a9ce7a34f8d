import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type NpmName, parseName } from '../../format/names.ts'
import { agedDocument, distLines, documentText, findDist, nextOfAge, parseDocument, reducedText, versionDocument } from './document.ts'

const day = 86_400_000
const start = Date.parse('2026-01-01T00:00:00Z')
const nameOf = (text: string) => parseName(text) as NpmName

function documentOf(name: string, versions: readonly string[], tags: Record<string, string>, more: object = {}) {
  const base = name.replace(/^@.*\//, '')
  return {
    _id: name,
    _rev: '7-x',
    name,
    'dist-tags': tags,
    readme: 'read me',
    versions: Object.fromEntries(
      versions.map((version) => [
        version,
        {
          name,
          version,
          description: 'd',
          scripts: { postinstall: 'x' },
          dependencies: { a: '^1.0.0' },
          dist: {
            integrity: `sha512-${version}`,
            shasum: `sum-${version}`,
            tarball: `https://up.example/${name}/-/${base}-${version}.tgz`,
            signatures: [{ keyid: 'k', sig: 's' }],
            attestations: { url: 'https://up.example/-/npm/v1/attestations/x', provenance: { predicateType: 'p' } },
          },
        },
      ]),
    ),
    // a day between each
    time: Object.fromEntries(versions.map((version, i) => [version, new Date(start + i * day).toISOString()])),
    ...more,
  }
}

const read = (name: string, document: object) => parseDocument(JSON.stringify(document), name)
const rendered = (name: string, document: object, form: 'full' | 'abbreviated', before: number | null = null) =>
  JSON.parse(
    [...documentText(agedDocument(read(name, document), before), { form, name: nameOf(name), base: 'https://our.example/npm/acme' })].join(
      '',
    ),
  )

test('tarballs and attestations are ours, signatures stay, and nothing else changes', () => {
  const document = documentOf('@acme/tool', ['1.0.0'], { latest: '1.0.0' })
  const full = rendered('@acme/tool', document, 'full')
  const { dist } = full.versions['1.0.0']
  assert.equal(dist.tarball, 'https://our.example/npm/acme/@acme/tool/-/tool-1.0.0.tgz')
  assert.deepEqual(dist.attestations, {
    url: 'https://our.example/npm/acme/-/npm/v1/attestations/@acme/tool@1.0.0',
    provenance: { predicateType: 'p' },
  })
  assert.deepEqual(dist.signatures, [{ keyid: 'k', sig: 's' }])
  assert.deepEqual([full.readme, full._id, full._rev, full.time], ['read me', '@acme/tool', undefined, document.time])
  const abbreviated = rendered('@acme/tool', document, 'abbreviated')
  assert.deepEqual(Object.keys(abbreviated), ['name', 'dist-tags', 'versions', 'modified'])
  assert.deepEqual(Object.keys(abbreviated.versions['1.0.0']), ['name', 'version', 'dependencies', 'dist', 'hasInstallScript'])
})

test('a reduced document makes the same abbreviated one, also with ages', () => {
  const document = documentOf('tool', ['1.0.0', '1.1.0', '2.0.0'], { latest: '2.0.0' })
  const reduced = JSON.parse([...reducedText(read('tool', document))].join(''))
  for (const before of [null, start + day + 1]) {
    assert.deepEqual(rendered('tool', reduced, 'abbreviated', before), rendered('tool', document, 'abbreviated', before))
  }
})

test('what is too young is left out, and tags lead to the highest below it that is not', () => {
  const versions = ['1.0.0', '1.2.0', '2.0.0-rc.1', '2.0.0-rc.2', '2.0.0', '1.3.0']
  const document = documentOf('tool', versions, { latest: '2.0.0', old: '1.0.0', next: '2.0.0-rc.2', v1: '1.3.0', gone: '9.9.9' })
  const at = (days: number) => rendered('tool', document, 'full', start + days * day + 1)
  assert.deepEqual(at(9)['dist-tags'], { latest: '2.0.0', old: '1.0.0', next: '2.0.0-rc.2', v1: '1.3.0', gone: '2.0.0' })
  assert.deepEqual(at(2)['dist-tags'], { latest: '1.2.0', old: '1.0.0', next: '2.0.0-rc.1', v1: '1.2.0', gone: '1.2.0' })
  assert.deepEqual(Object.keys(at(2).versions), ['1.0.0', '1.2.0', '2.0.0-rc.1'])
  assert.deepEqual(Object.keys(at(2).time), ['1.0.0', '1.2.0', '2.0.0-rc.1'])
  assert.deepEqual(at(-1)['dist-tags'], {})
  const parsed = read('tool', document)
  assert.equal(nextOfAge(parsed, start + 2 * day + 1), start + 3 * day)
  assert.equal(nextOfAge(parsed, start + 9 * day), null)
  // a prerelease only for a prerelease, unless nothing else is there
  const early = documentOf('tool', ['1.0.0-a', '1.0.0'], { latest: '1.0.0', stable: '1.0.0' })
  assert.deepEqual(rendered('tool', early, 'full', start + 1)['dist-tags'], { latest: '1.0.0-a' })
})

test('of unknown age is too young', () => {
  const document = documentOf('tool', ['1.0.0'], { latest: '1.0.0' })
  const versions = (time: unknown) => Object.keys(rendered('tool', { ...document, time }, 'full', Date.now()).versions)
  assert.deepEqual(versions(document.time), ['1.0.0'])
  for (const time of [undefined, {}, { '1.0.0': 'yesterday' }, []]) assert.deepEqual(versions(time), [])
})

test('tarballs of versions, and of none', () => {
  const document = read('tool', documentOf('tool', ['1.0.0', '11.0.0', '1.0.0-x+y'], {}))
  const lines = distLines(document)
  assert.deepEqual(findDist(lines, '1.0.0', null), {
    url: 'https://up.example/tool/-/tool-1.0.0.tgz',
    integrity: 'sha512-1.0.0',
    shasum: 'sum-1.0.0',
  })
  assert.equal(findDist(lines, '1.0.0-x+y', null)?.shasum, 'sum-1.0.0-x+y')
  for (const other of ['0.0', '1.0', '', '.0.0', '1.0.0\t']) assert.equal(findDist(lines, other, null), null, other)
  assert.equal(findDist(lines, '11.0.0', start + day), null)
  assert.equal(findDist(lines, '11.0.0', start + day + 1)?.integrity, 'sha512-11.0.0')
})

test('a version’s own document, by version and by tag', () => {
  const document = read('tool', documentOf('tool', ['1.0.0'], { latest: '1.0.0' }))
  const rendering = { form: 'full', name: nameOf('tool'), base: 'https://our.example/npm' } as const
  for (const wanted of ['1.0.0', 'latest']) assert.equal(JSON.parse(versionDocument(document, wanted, rendering) ?? '').version, '1.0.0')
  assert.equal(versionDocument(document, '2.0.0', rendering), null)
})

test('what is no document, or another’s, is told; strangers’ names of members are names like any other', () => {
  for (const text of ['', '[]', 'null', '{"name":"other"}', '{"name":"tool","versions":[]}', '{"name":"tool","dist-tags":7}']) {
    assert.throws(() => parseDocument(text, 'tool'), { code: 'bad-document' }, text)
  }
  const text = JSON.stringify(documentOf('tool', ['1.0.0'], { latest: '1.0.0' })).replace(
    '"description"',
    '"__proto__":{"x":1},"description"',
  )
  const odd = text.replace(
    '"versions":{',
    '"__proto__":{"y":1},"versions":{"__proto__":{},"../../x":{"dist":{"tarball":"t"}},"2.0.0":{"dist":{}},',
  )
  const made = [...documentText(parseDocument(odd, 'tool'), { form: 'full', name: nameOf('tool'), base: 'b' })].join('')
  const value = JSON.parse(made)
  assert.ok(made.includes('"__proto__":{"x":1}') && made.includes('"__proto__":{"y":1}'))
  assert.deepEqual(Object.keys(value.versions), ['1.0.0'])
  assert.equal(({} as { x?: number }).x, undefined)
})
