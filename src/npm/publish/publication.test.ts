// What a publish says, and each thing that it may not say.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, test } from 'node:test'
import { InputError, utf8 } from '../../base/index.ts'
import { npmDocument, type Published } from '../../../tests/support/npm-documents.ts'
import { parseName } from '../format/names.ts'
import { readPublication, type Tarball } from './publication.ts'

type Document = Record<string, unknown> & {
  versions: Record<string, Record<string, unknown>>
  _attachments: Record<string, Record<string, unknown>>
}

function read(published: Published, change: (document: Document) => void = () => {}, inside: unknown = null) {
  const { document, tarball } = npmDocument(published)
  change(document as Document)
  const name = parseName(published.name)
  assert.ok(name)
  const own = inside ?? { name: published.name, version: published.version, ...published.more }
  const found: Tarball = {
    attachment: `${published.name}-${published.version}.tgz`,
    sizeBytes: tarball.length,
    sha1: createHash('sha1').update(tarball).digest(),
    sha512: createHash('sha512').update(tarball).digest(),
    files: {
      fileCount: 1,
      unpackedBytes: 10,
      packageJson: utf8(typeof own === 'string' ? own : JSON.stringify(own)),
      hasBindingGyp: false,
    },
  }
  return readPublication(document, found, name)
}

function refusal(...given: Parameters<typeof read>): string {
  try {
    read(...given)
  } catch (error) {
    if (error instanceof InputError) return error.code
    throw error
  }
  return 'taken'
}

const plain = { name: 'widget', version: '1.2.3' }

describe('a publication', () => {
  test('is what is kept of it', () => {
    const gitHead = 'ab'.repeat(20)
    const more = { scripts: { postinstall: 'node x' }, repository: { url: 'git+https://git.example/olive/widget.git' }, gitHead }
    const found = read({ ...plain, more, readme: '# Widget', tag: 'next' })
    assert.deepEqual(
      [found.version, found.key, found.tags, found.gitHead, found.hasInstallScript],
      ['1.2.3', '1.2.3', ['next'], gitHead, true],
    )
    assert.deepEqual([found.repository, found.readme, found.readmeFilename], [more.repository.url, '# Widget', 'README.md'])
    assert.deepEqual(Object.keys(found.manifest).sort(), [
      '_nodeVersion',
      'description',
      'gitHead',
      'license',
      'name',
      'repository',
      'scripts',
      'version',
    ])
  })

  test('may have build metadata, and a package.json as people write it', () => {
    assert.equal(read({ name: '@acme/widget', version: '1.0.0+build.7' }).key, '1.0.0')
    assert.equal(refusal(plain, undefined, { name: ' widget ', version: 'v1.2.3' }), 'taken')
    assert.equal(refusal(plain, undefined, `\ufeff${JSON.stringify(plain)}`), 'taken')
  })

  test('is of the tarball that came', () => {
    assert.equal(refusal({ ...plain, dist: { shasum: 'ab'.repeat(20) } }), 'bad-integrity')
    assert.equal(refusal({ ...plain, dist: { integrity: `sha512-${'A'.repeat(86)}==` } }), 'bad-integrity')
    assert.equal(refusal({ ...plain, dist: { integrity: 'md5-AAAA' } }), 'bad-integrity')
    assert.equal(refusal({ ...plain, dist: { integrity: undefined, shasum: undefined } }), 'taken')
    for (const length of [1, '3', -1, 1e9]) assert.equal(refusal({ ...plain, length }), 'bad-length')
    for (const inside of [{ ...plain, name: 'other' }, { ...plain, version: '1.2.4' }, {}, [], 'x', '"widget"', { ...plain, version: 7 }]) {
      assert.equal(refusal(plain, undefined, inside), 'bad-tarball', JSON.stringify(inside))
    }
  })

  test('is of one version of the package at that path', () => {
    assert.equal(
      refusal(plain, (document) => void (document['name'] = 'other')),
      'name-mismatch',
    )
    assert.equal(
      refusal(plain, (document) => void (document['_id'] = 'other')),
      'name-mismatch',
    )
    assert.equal(
      refusal(plain, ({ versions }) => void (versions['1.2.4'] = { ...versions['1.2.3'] })),
      'bad-document',
    )
    assert.equal(
      refusal(plain, (document) => void (document.versions = {})),
      'bad-document',
    )
    assert.equal(
      refusal(plain, ({ versions }) => void ((versions['1.2.3'] ?? {})['version'] = '1.2.4')),
      'bad-document',
    )
    assert.equal(
      refusal(plain, ({ versions }) => void ((versions['1.2.3'] ?? {})['name'] = 'other')),
      'bad-document',
    )
    for (const version of ['1.2', 'v1.2.3', '01.2.3', '1.2.3 ', 'latest', '=1.2.3'])
      assert.equal(refusal({ ...plain, version }), 'bad-version', version)
  })

  test('sets tags that lead to it', () => {
    for (const tag of ['1.x', '^2', '>=1', '*', 'a b', 'x/y', '1.0.0']) assert.equal(refusal({ ...plain, tag }), 'bad-tag', tag)
    assert.equal(
      refusal(plain, (document) => void (document['dist-tags'] = { latest: '1.0.0' })),
      'bad-document',
    )
    assert.deepEqual(read(plain, (document) => void delete document['dist-tags']).tags, [])
  })

  test('has a tarball and at most a bundle attached', () => {
    assert.equal(read({ ...plain, bundle: '{}' }).bundle, '{}')
    assert.equal(refusal({ ...plain, bundle: ' '.repeat((1 << 20) + 1) }), 'too-large')
    assert.equal(
      refusal(plain, (document) => void (document._attachments['more.zip'] = {})),
      'bad-document',
    )
    assert.equal(
      refusal(plain, (document) => void (document._attachments = {})),
      'bad-document',
    )
    assert.equal(
      refusal({ ...plain, bundle: '{}' }, (document) => void (document._attachments['widget-1.2.3.sigstore'] = { data: 7 })),
      'bad-document',
    )
  })

  test('is no object: everywhere where one is expected', () => {
    for (const value of [null, 7, 'x', [], true]) {
      assert.equal(
        refusal(plain, ({ versions }) => void (versions['1.2.3'] = value as never)),
        'bad-document',
      )
      assert.equal(
        refusal(plain, (document) => void (document.versions = value as never)),
        'bad-document',
      )
      assert.equal(
        refusal(plain, ({ versions }) => void ((versions['1.2.3'] ?? {})['dist'] = value)),
        'bad-document',
      )
    }
  })
})
